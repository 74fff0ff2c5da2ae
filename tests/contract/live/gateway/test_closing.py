"""Sockets are told why they close, and closed."""

import time
from typing import Any

import pytest
from pydantic_core import from_json

from chalicelib.auth.sessions.revocation import Revocation
from chalicelib.errors import Unauthorized, Unavailable
from chalicelib.identity import Identity
from chalicelib.live.connections import Connections
from chalicelib.live.events import UNKNOWN, Socket, ended
from chalicelib.live.gateway import Gateway
from tests.contract.accounts import RoundTrips
from tests.contract.live.gateway.management import Management
from tests.contract.live.gateway.told import of, online, told
from tests.unit.settings import settings


def test_g5_closing_a_session_refuses_its_sockets_and_leaves_the_others(
    gateway: Gateway, connections: Connections, management: Management
) -> None:
    online(connections, "bo", "b1", "gone1")
    connections.open(Identity(user_id="bo", session_id="s2"), "b2")

    gateway.close_session("bo", "s1")

    assert [s.connection_id for s in connections.of(["bo"])] == ["b2"]
    assert of(management, "b1") == [("POST", told("revoked")), ("DELETE", None)]
    assert of(management, "gone1") == [("POST", told("revoked"))]


@pytest.mark.parametrize(
    ("name", "asked"),
    [
        ("b", ["POST", "DELETE"]),
        ("gone", ["POST"]),
        ("full", ["POST", "DELETE"]),
        ("once", ["POST", "POST", "DELETE"]),
        ("sick", ["POST", "POST", "DELETE", "DELETE"]),
    ],
)
def test_g5_a_socket_gets_the_reason_and_is_closed_even_if_that_fails(
    gateway: Gateway, management: Management, name: str, asked: list[str]
) -> None:
    sockets = [Socket("bo", f"{name}{n}", "s1") for n in range(3)]

    gateway.hang_up(sockets, ended("signed_out"))

    for socket in sockets:
        calls = of(management, socket.connection_id)
        assert [method for method, _ in calls] == asked
        assert calls[0] == ("POST", told("signed_out"))


def test_g5_g9_sockets_that_cannot_be_told_in_time_are_closed_all_the_same(
    gateway: Gateway, management: Management, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chalicelib.live.gateway.TELL_SECONDS", 0.2)
    monkeypatch.setattr("chalicelib.live.gateway.POSTS_SECONDS", 1.5)
    sockets = [Socket("bo", f"hung{n}", "s1") for n in range(16)]
    started = time.monotonic()

    gateway.hang_up(sockets, ended("signed_out"))

    assert time.monotonic() - started < 2.5
    for socket in sockets:
        assert [method for method, _ in of(management, socket.connection_id)] == ["POST", "DELETE"]


def test_a_socket_that_is_young_is_closed_although_it_cannot_be_told_yet(
    gateway: Gateway, management: Management
) -> None:
    gateway.hang_up([Socket("bo", "gone1", "s1", young=True)], ended("signed_out"))

    assert [method for method, _ in of(management, "gone1")] == ["POST", "DELETE"]


def test_g5_ending_sessions_refuses_and_closes_all_of_theirs_in_two_round_trips(
    gateway: Gateway,
    connections: Connections,
    management: Management,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    client = connections._redis
    revocation = Revocation(client, settings())
    online(connections, "bo", "b1", "b2")
    for session_id, name in (("s2", "b3"), ("s3", "b4")):
        connections.open(Identity(user_id="bo", session_id=session_id), name)
    ended = ["s1", "s2"]
    gateway.end_sessions(
        "bo", ended, revocation.tombstones("bo", ended), "revoked"
    )  # loads the scripts
    online(connections, "bo", "b1", "b2")
    management.calls.clear()
    trips = RoundTrips(client, monkeypatch)

    gateway.end_sessions("bo", ended, revocation.tombstones("bo", ended), "revoked")

    assert trips.count == 2
    assert [revocation.stands("bo", one) for one in ("s1", "s2", "s3")] == [False, False, None]
    assert [s.connection_id for s in connections.of(["bo"])] == ["b4"]
    for name in ("b1", "b2"):
        assert of(management, name) == [("POST", told("revoked")), ("DELETE", None)]
    for name in ("b1", "b2", "b3"):
        with pytest.raises(Unauthorized):
            connections.admit(name)


def test_g5_a_socket_that_opens_while_its_session_ends_is_closed_too(
    gateway: Gateway,
    connections: Connections,
    management: Management,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    online(connections, "bo", "b1")
    late = Identity(user_id="bo", session_id="s1")
    expel = connections.expel
    opened: list[object] = []

    def racing(*arguments: Any) -> Any:
        if not opened:
            opened.append(connections.open(late, "b2"))
        return expel(*arguments)

    monkeypatch.setattr(connections, "expel", racing)
    tombstones = Revocation(connections._redis, settings()).tombstones("bo", ["s1"])
    gateway.end_sessions("bo", ["s1"], tombstones, "signed_out")

    assert connections.of(["bo"]) == []
    for name in ("b1", "b2"):
        assert of(management, name) == [("POST", told("signed_out")), ("DELETE", None)]


def test_g5_a_lost_answer_of_redis_leaves_no_socket_signed_in(
    gateway: Gateway,
    connections: Connections,
    management: Management,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    online(connections, "bo", "b1")
    expel = connections.expel

    def lost(*arguments: Any) -> Any:
        expel(*arguments)
        raise Unavailable("redis")

    revocation = Revocation(connections._redis, settings())
    tombstones = revocation.tombstones("bo", ["s1"])
    monkeypatch.setattr(connections, "expel", lost)
    with pytest.raises(Unavailable):
        gateway.end_sessions("bo", ["s1"], tombstones, "signed_out")

    assert revocation.stands("bo", "s1") is False
    with pytest.raises(Unauthorized):
        connections.admit("b1")
    # Nobody knows whether the session stands, so it is not said to have ended.
    assert of(management, "b1") == [("POST", from_json(UNKNOWN.to_wire())), ("DELETE", None)]
