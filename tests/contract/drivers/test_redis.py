"""Scripts on a real Redis that loses connections, scripts and its temper."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import pytest
import redis

from chalicelib import deadline
from chalicelib.auth.sessions.revocation import Revocation
from chalicelib.drivers.redis import Command, Scripts, connect, guarded
from chalicelib.errors import Unavailable
from chalicelib.limits.table import Use
from chalicelib.live.connections import Connections
from tests.contract.conftest import Start
from tests.proxy import Proxy
from tests.unit.settings import settings

ECHO = "return {KEYS[1], ARGV[1], tonumber(ARGV[1])}"
COUNT = "return redis.call('INCR', KEYS[1])"
FAIL = "return redis.error_reply('no')"


@pytest.fixture
def client(client: redis.Redis) -> redis.Redis:
    """Of a server that knows no scripts."""
    client.script_flush()
    return client


@pytest.fixture
def scripts(client: redis.Redis) -> Scripts:
    return Scripts(client)


def test_keys_and_arguments_arrive_and_answers_are_decoded(scripts: Scripts) -> None:
    assert scripts.run(Command(ECHO, ["schlüssel"], [7])) == ["schlüssel", "7", 7]


def test_several_are_answered_in_their_order(scripts: Scripts) -> None:
    assert scripts.run_all([Command(COUNT, ["n"], []) for _ in range(200)]) == list(range(1, 201))
    assert scripts.run_all([]) == []


def test_scripts_that_redis_lost_are_loaded_again(scripts: Scripts, client: redis.Redis) -> None:
    scripts.run(Command(COUNT, ["n"], []))
    client.script_flush()

    assert scripts.run_all([Command(COUNT, ["n"], []), Command(ECHO, ["k"], [1])])[0] == 2


def test_a_dropped_connection_is_replaced(scripts: Scripts, client: redis.Redis) -> None:
    scripts.run(Command(COUNT, ["n"], []))
    client.client_kill_filter(_type="normal", skipme=True)

    assert scripts.run(Command(COUNT, ["n"], [])) == 2


def test_an_error_in_the_middle_leaves_the_connection_in_step(scripts: Scripts) -> None:
    commands = [Command(COUNT, ["n"], []), Command(FAIL, [], []), Command(COUNT, ["n"], [])]
    for _ in range(2):  # at first, that none of them is loaded is the error
        with pytest.raises(redis.ResponseError, match="no"):
            scripts.run_all(commands)

    assert scripts.run(Command(COUNT, ["n"], [])) == 5


def test_a_redis_that_hangs_is_unavailable_and_answers_are_not_mixed_up(
    scripts: Scripts, client: redis.Redis
) -> None:
    scripts.run(Command(COUNT, ["n"], []))
    client.client_pause(15_000, all=False)  # writes wait

    with pytest.raises(Unavailable):
        scripts.run(Command(COUNT, ["n"], []))
    client.client_unpause()
    assert scripts.run(Command(ECHO, ["k"], [3])) == ["k", "3", 3]


def test_g5_g9_a_server_that_may_not_write_is_unavailable(
    scripts: Scripts, client: redis.Redis
) -> None:
    client.config_set("min-replicas-to-write", 1)
    try:
        with pytest.raises(Unavailable):
            scripts.run(Command(COUNT, ["n"], []))
        with pytest.raises(Unavailable), guarded():
            client.set("k", "v")
    finally:
        client.config_set("min-replicas-to-write", 0)

    assert scripts.run(Command(COUNT, ["n"], [])) == 1


def test_nobody_there_is_unavailable() -> None:
    with pytest.raises(Unavailable):
        Scripts(connect("redis://127.0.0.1:1")).run(Command(ECHO, ["k"], [1]))


def test_answers_of_threads_are_not_mixed_up(scripts: Scripts) -> None:
    def count() -> None:
        for _ in range(50):
            scripts.run_all([Command(COUNT, ["n"], []), Command(ECHO, ["k"], [1])])

    threads = [threading.Thread(target=count) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert scripts.run(Command(COUNT, ["n"], [])) == 401


@pytest.fixture
def primary(start_server: Start) -> str:
    """A server that a test may demote."""
    return _open(start_server("redis"))


@pytest.fixture
def successor(start_server: Start) -> str:
    """Another one, which takes its place."""
    return _open(start_server("redis"))


@pytest.fixture
def near(primary: str) -> Iterator[Proxy]:
    """What the name of the primary leads to."""
    with Proxy(*_address(primary)) as proxy:
        yield proxy


@pytest.fixture
def named(near: Proxy) -> redis.Redis:
    """A client of a function that only knows that name."""
    return connect(f"redis://127.0.0.1:{near.port}")


Demote = Callable[[redis.Redis, redis.Redis], Any]
DEMOTIONS: dict[str, Demote] = {
    "replica of the new primary": lambda old, new: old.replicaof(*_address_of(new)),
    "replica of nobody there": lambda old, new: (
        old.config_set("replica-serve-stale-data", "no"),
        old.replicaof("127.0.0.1", 1),
    ),
    "primary without replicas": lambda old, new: old.config_set("min-replicas-to-write", 1),
}


@pytest.mark.parametrize("how", DEMOTIONS)
def test_g9_a_primary_that_was_demoted_is_left(
    how: str, primary: str, successor: str, near: Proxy, named: redis.Redis
) -> None:
    old, new = redis.Redis.from_url(primary), connect(successor)
    new.flushdb()
    scripts, connections = Scripts(named), Connections(named, settings())
    revocation = Revocation(named, settings())
    calls: list[Callable[[], object]] = [
        lambda: scripts.run(Command(COUNT, ["n"], [])),
        lambda: named.set("k", "v"),
        lambda: _both(named.pipeline(transaction=False)),
        lambda: revocation.check("u", "t", Use(limit="default")),
        lambda: scripts.run_all(revocation.tombstones("u", ["s"])),
        connections.ping,
    ]
    for call in calls:
        call()

    DEMOTIONS[how](old, new)
    for call in calls:  # the name still leads to the old one
        with pytest.raises(Unavailable), guarded():
            call()
    near.turn(*_address(successor))

    for call in calls:
        call()
    assert revocation.stands("u", "s") is False


def test_g9_one_that_was_demoted_unnoticed_costs_no_request(
    primary: str, successor: str, near: Proxy, named: redis.Redis
) -> None:
    scripts = Scripts(named)
    for _ in range(2):
        scripts.run(Command(COUNT, ["n"], []))
        named.set("k", "v")
    near.turn(*_address(successor))
    redis.Redis.from_url(primary).replicaof(*_address(successor))

    scripts.run(Command(COUNT, ["n"], []))
    named.set("k", "v")


def test_g9_one_that_still_loads_is_left(successor: str, near: Proxy, named: redis.Redis) -> None:
    scripts = Scripts(named)
    scripts.run(Command(COUNT, ["n"], []))
    with _answering(b"-LOADING Redis is loading the dataset in memory\r\n") as port:
        near.turn("127.0.0.1", port)
        near.cut()
        with pytest.raises(Unavailable):
            scripts.run(Command(COUNT, ["n"], []))
        near.turn(*_address(successor))
        scripts.run(Command(COUNT, ["n"], []))


def test_g9_a_connection_that_the_network_forgot_costs_no_request(
    near: Proxy, named: redis.Redis
) -> None:
    scripts = Scripts(named)
    scripts.run(Command(COUNT, ["n"], []))
    named.set("k", "v")
    near.forget()

    assert scripts.run(Command(COUNT, ["n"], [])) == 2
    assert named.get("k") == "v"


def test_g9_an_answer_that_drips_is_not_waited_for(near: Proxy, named: redis.Redis) -> None:
    scripts = Scripts(named)
    scripts.run(Command(COUNT, ["n"], []))
    named.set("k", "v" * 100)
    near.drip = 0.3

    for call in (lambda: scripts.run(Command(ECHO, ["k"], [1])), lambda: named.get("k")):
        started = time.monotonic()
        with pytest.raises(Unavailable), guarded():
            call()
        assert time.monotonic() - started < 6  # twice, and connecting


def test_g9_what_is_asked_shares_the_deadline(near: Proxy, named: redis.Redis) -> None:
    scripts = Scripts(named)
    scripts.run(Command(COUNT, ["n"], []))
    near.delay = 0.7
    deadline.begin(2)
    try:
        started = time.monotonic()
        with pytest.raises(Unavailable):
            _run(scripts, 20)
        assert time.monotonic() - started < 4
        started = time.monotonic()
        with pytest.raises(Unavailable), guarded():
            named.get("k")
        assert time.monotonic() - started < 1
    finally:
        deadline.end()

    near.delay = 0.0
    scripts.run(Command(COUNT, ["n"], []))


def test_connecting_costs_no_round_trip_but_its_own(near: Proxy, named: redis.Redis) -> None:
    started = time.monotonic()
    near.delay = 0.4
    named.get("k")

    assert time.monotonic() - started < 1.5  # HELLO, GET


def _both(pipe: Any) -> None:
    """A pipeline that reads, which a replica does, and writes."""
    pipe.get("k")
    pipe.set("k", "v")
    pipe.execute()


def _run(scripts: Scripts, times: int) -> None:
    for _ in range(times):
        scripts.run(Command(COUNT, ["n"], []))


@contextmanager
def _answering(answer: bytes) -> Iterator[int]:
    """A server that answers all alike."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                    while connection.recv(65536):
                        connection.sendall(answer)
                except OSError:
                    return

        threading.Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


def _open(url: str) -> str:
    """Both ask for no password, as the two of a group ask for the same one."""
    redis.Redis.from_url(url).config_set("requirepass", "")
    host, port = _address(url)
    return f"redis://{host}:{port}"


def _address(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or 6379


def _address_of(client: redis.Redis) -> tuple[str, int]:
    given = client.connection_pool.connection_kwargs
    return given["host"], given["port"]
