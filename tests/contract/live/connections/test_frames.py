"""The limits of frames, on a real Redis."""

import time
from contextlib import suppress
from typing import Any

import pytest
import redis

from chalicelib.auth.sessions.revocation import Revocation
from chalicelib.errors import RateLimited, Unauthorized
from chalicelib.limits.table import Use
from chalicelib.live.connections import Connections
from tests.contract.accounts import RoundTrips
from tests.contract.live.connections.people import CHAT, program_of, someone
from tests.unit.settings import settings


def test_frames_beyond_the_bucket_must_wait(client: redis.Redis) -> None:
    connections = Connections(client, settings(rate_limits={"frame": {"socket": (3, 300)}}))
    connections.open(someone(), "c0")
    for _ in range(2):
        connections.admit("c0")  # loads the scripts
    connections.open(someone(), "c1")
    for _ in range(3):
        connections.admit("c1")

    with pytest.raises(RateLimited) as caught:
        connections.admit("c1")
    assert 1 <= caught.value.details["retry_after"] <= 100


SEND = Use(limit="send", target="c")


def test_eight_sockets_on_many_functions_share_one_limit(client: redis.Redis) -> None:
    given = settings(rate_limits={"send": {"user": (20, 900)}})
    functions, ana = [Connections(client, given) for _ in range(5)], someone()
    names = [f"c{number}" for number in range(8)]
    for name in names:
        functions[0].open(ana, name)
    let_through = 0

    for function in functions:
        for name in names:
            with suppress(RateLimited):
                function.admit(name, SEND)
                let_through += 1

    assert let_through == 20
    functions[0].admit("c1")


def test_sockets_of_a_session_share_its_bucket_and_each_target_has_its_own(
    client: redis.Redis,
) -> None:
    given = settings(rate_limits={"send": {"session": (3, 900), "target": (2, 900)}})
    connections, ana = Connections(client, given), someone()
    for name in ("c1", "c2"):
        connections.open(ana, name)
        connections.admit(name, SEND)

    with pytest.raises(RateLimited):
        connections.admit("c1", SEND)
    connections.admit("c2", Use(limit="send", target="d"))
    with pytest.raises(RateLimited):
        connections.admit("c1", Use(limit="send", target="e"))


def test_a_frame_takes_as_many_tokens_as_it_costs(client: redis.Redis) -> None:
    given = settings(rate_limits={"watch": {"user": (300, 900), "session": (300, 900)}})
    connections = Connections(client, given)
    connections.open(someone(), "c1")
    for cost in (1, 199, 100):
        connections.admit("c1", Use(limit="watch", cost=cost))

    with pytest.raises(RateLimited) as caught:
        connections.admit("c1", Use(limit="watch", cost=100))
    assert caught.value.details["retry_after"] in range(295, 301)
    assert caught.value.fields["RateLimit"].count(";r=0") == 2


def test_what_costs_more_than_a_bucket_holds_takes_all_of_it(client: redis.Redis) -> None:
    given = settings(rate_limits={"watch": {"user": (7, 900)}})
    connections = Connections(client, given)
    connections.open(someone(), "c1")
    connections.admit("c1", Use(limit="watch", cost=200))

    with pytest.raises(RateLimited):
        connections.admit("c1", Use(limit="watch"))


def test_a_refused_frame_writes_nothing(client: redis.Redis) -> None:
    send = {"user": (1, 900), "session": (9, 900), "target": (9, 900)}  # none fills up meanwhile
    given = settings(rate_limits={"frame": {"socket": (2, 900)}, "send": send})
    connections = Connections(client, given)
    connections.open(someone(), "c1")
    connections.admit("c1", SEND)

    def refused() -> None:
        with pytest.raises(RateLimited):
            connections.admit("c1", SEND)

    refused()  # by its user's bucket, which costs the socket a token
    before = {key: client.dump(key) for key in client.scan_iter()}
    refused()
    assert {key: client.dump(key) for key in client.scan_iter()} == before


def test_a_user_has_the_same_bucket_on_all_sockets_and_over_http(client: redis.Redis) -> None:
    given = settings(rate_limits={"send": {"user": (4, 900)}})
    connections, ana = Connections(client, given), someone()
    for name in ("c1", "c2"):
        connections.open(ana, name)
        connections.admit(name)
        connections.admit(name, SEND)
    Revocation(client, given).check(ana.user_id, "another", SEND)
    connections.admit("c1", SEND)

    for name in ("c1", "c2"):
        with pytest.raises(RateLimited):
            connections.admit(name, SEND)


def test_a_socket_of_a_program_uses_up_nothing_of_its_users(client: redis.Redis) -> None:
    given = settings(rate_limits={"send": {"user": (2, 900), "target": (1, 900)}})
    connections, ana = Connections(client, given), someone()
    connections.open(program_of(ana), "p1")
    connections.open(ana, "c1")
    connections.admit("p1", SEND)
    for _ in range(2):  # of a socket that the function has not seen before, and of one that it has
        with pytest.raises(RateLimited):
            connections.admit("p1", SEND)

    connections.admit("c1", SEND)
    with pytest.raises(RateLimited):
        Revocation(client, given).check(ana.user_id, "another", SEND, "board")


def test_a_frame_is_one_round_trip_but_for_the_first_that_a_function_sees(
    client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    connections = Connections(client, settings())
    for name in ("c0", "c1"):
        connections.open(someone(), name)
    connections.admit("c0", SEND)
    trips = RoundTrips(client, monkeypatch)

    counts = []
    for _ in range(3):
        connections.admit("c1", SEND)
        counts.append(trips.count)

    assert counts == [2, 3, 4]


def test_a_socket_is_closed_after_too_many_refusals(
    client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    connections = Connections(client, settings(rate_limits={"refused": {"socket": (3, 900)}}))
    connections.open(someone(), "c1")

    # The frames after the one that closes it are left to that, for a while.
    assert [connections.refused("c1") for _ in range(5)] == [False] * 3 + [True, False]
    monkeypatch.setattr("chalicelib.live.connections.CLOSING_SECONDS", 0)
    assert connections.refused("c1")
    assert not connections.refused("nobody")
    assert client.keys("*nobody*") == []


def test_users_of_a_bounded_number_of_sockets_are_cached(
    client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chalicelib.live.connections.CALLERS", 2)
    connections = Connections(client, settings())
    for name in ("c1", "c2", "c3"):
        connections.open(someone(), name)
        connections.admit(name)
        connections.admit(name)
    connections.drop(connections.of([connections.admit("c3").user_id]))
    with pytest.raises(Unauthorized):
        connections.admit("c3")

    assert list(connections._callers) == ["c2"]


def test_the_bucket_fills_again(client: redis.Redis) -> None:
    connections = Connections(client, settings(rate_limits={"frame": {"socket": (1, 1)}}))
    connections.open(someone(), "c1")
    connections.admit("c1")
    time.sleep(1.1)

    connections.admit("c1")


def test_a_frame_costs_one_round_trip_and_finding_sockets_one(
    connections: Connections, client: redis.Redis
) -> None:
    people = [someone() for _ in range(30)]
    for number, one in enumerate(people):
        connections.open(one, f"c{number}")
    connections.admit("c0")
    users = [one.user_id for one in people]
    connections.of_owing(users, chat_id=CHAT, seq=1, sender_id=users[0])
    sent: list[int] = []
    connection = client.connection_pool.get_connection()
    client.connection_pool.release(connection)
    original: Any = type(connection).send_packed_command

    def counting(*args: Any, **kwargs: Any) -> None:
        sent.append(1)
        original(*args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(connection), "send_packed_command", counting)
        connections.admit("c0")
        assert len(sent) == 1
        found = connections.of_owing(users, chat_id=CHAT, seq=2, sender_id=users[0])

    assert len(found) == 30
    assert len(sent) == 2
