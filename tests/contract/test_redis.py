"""Scripts on a real Redis that loses connections, scripts and its temper."""

import threading

import pytest
import redis

from chalicelib.errors import Unavailable
from chalicelib.redis import Call, Scripts, connect, guarded

ECHO = "return {KEYS[1], ARGV[1], tonumber(ARGV[1])}"
COUNT = "return redis.call('INCR', KEYS[1])"
FAIL = "return redis.error_reply('no')"


@pytest.fixture
def client(redis_url: str) -> redis.Redis:
    client = connect(redis_url)
    client.flushdb()
    client.script_flush()
    return client


@pytest.fixture
def scripts(client: redis.Redis) -> Scripts:
    return Scripts(client)


def test_keys_and_arguments_arrive_and_answers_are_decoded(scripts: Scripts) -> None:
    assert scripts.run(Call(ECHO, ["schlüssel"], [7])) == ["schlüssel", "7", 7]


def test_several_are_answered_in_their_order(scripts: Scripts) -> None:
    assert scripts.run_all([Call(COUNT, ["n"], []) for _ in range(200)]) == list(range(1, 201))
    assert scripts.run_all([]) == []


def test_scripts_that_redis_lost_are_loaded_again(scripts: Scripts, client: redis.Redis) -> None:
    scripts.run(Call(COUNT, ["n"], []))
    client.script_flush()

    assert scripts.run_all([Call(COUNT, ["n"], []), Call(ECHO, ["k"], [1])])[0] == 2


def test_a_dropped_connection_is_replaced(scripts: Scripts, client: redis.Redis) -> None:
    scripts.run(Call(COUNT, ["n"], []))
    client.client_kill_filter(_type="normal", skipme=True)

    assert scripts.run(Call(COUNT, ["n"], [])) == 2


def test_an_error_in_the_middle_leaves_the_connection_in_step(scripts: Scripts) -> None:
    calls = [Call(COUNT, ["n"], []), Call(FAIL, [], []), Call(COUNT, ["n"], [])]
    for _ in range(2):  # at first, that none of them is loaded is the error
        with pytest.raises(redis.ResponseError, match="no"):
            scripts.run_all(calls)

    assert scripts.run(Call(COUNT, ["n"], [])) == 5


def test_a_redis_that_hangs_is_unavailable_and_answers_are_not_mixed_up(
    scripts: Scripts, client: redis.Redis
) -> None:
    scripts.run(Call(COUNT, ["n"], []))
    client.client_pause(1500, all=False)  # writes wait

    with pytest.raises(Unavailable):
        scripts.run(Call(COUNT, ["n"], []))
    client.client_unpause()
    assert scripts.run(Call(ECHO, ["k"], [3])) == ["k", "3", 3]


def test_g5_g9_a_server_that_may_not_write_is_unavailable(
    scripts: Scripts, client: redis.Redis
) -> None:
    client.config_set("min-replicas-to-write", 1)
    try:
        with pytest.raises(Unavailable):
            scripts.run(Call(COUNT, ["n"], []))
        with pytest.raises(Unavailable), guarded():
            client.set("k", "v")
    finally:
        client.config_set("min-replicas-to-write", 0)

    assert scripts.run(Call(COUNT, ["n"], [])) == 1


def test_nobody_there_is_unavailable() -> None:
    with pytest.raises(Unavailable):
        Scripts(connect("redis://127.0.0.1:1")).run(Call(ECHO, ["k"], [1]))


def test_threads_take_turns(scripts: Scripts) -> None:
    def count() -> None:
        for _ in range(50):
            scripts.run_all([Call(COUNT, ["n"], []), Call(ECHO, ["k"], [1])])

    threads = [threading.Thread(target=count) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert scripts.run(Call(COUNT, ["n"], [])) == 401
