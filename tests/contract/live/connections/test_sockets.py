"""Sockets open, identify the callers of frames, and close, on a real Redis."""

import time
from typing import Any

import pytest
import redis

from chalicelib.errors import Unauthorized
from chalicelib.identity import Identity
from chalicelib.live.connections import Connections
from chalicelib.live.events import Socket
from chalicelib.live.keys import shard as shard_of
from chalicelib.live.models import Owed
from chalicelib.live.registry import LIFETIME
from tests.contract.accounts import Slots
from tests.contract.live.connections.people import ANY_TIME, CHAT, ids, program_of, someone
from tests.contract.live.connections.test_frames import SEND
from tests.unit.settings import settings


def test_an_open_socket_is_found_and_says_who_calls(connections: Connections) -> None:
    ana = someone()

    assert connections.open(ana, "c1=") == []
    assert ids(connections, ana) == ["c1="]
    caller = connections.admit("c1=")
    assert (caller.user_id, caller.session_id, caller.connection_id) == (
        ana.user_id,
        "s1",
        "c1=",
    )
    assert caller.scopes == ana.scopes


def test_a_frame_has_the_scopes_of_its_socket(connections: Connections) -> None:
    ana = someone()
    connections.open(program_of(ana), "p1")

    caller = connections.admit("p1")

    assert (caller.client_id, caller.scopes) == ("board", frozenset({"chats.read"}))
    assert connections.of([ana.user_id]) == [
        Socket(ana.user_id, "p1", "grant", "board", frozenset({"chats.read"}), young=True)
    ]


class TestSocketsOfPrograms:
    def test_do_not_count_for_presence(self, connections: Connections) -> None:
        ana, bo, cy = someone(), someone(), someone()
        connections.open(program_of(bo), "p1")
        assert connections.open(bo, "b1") == []
        connections.open(program_of(bo), "p2")
        connections.open(program_of(cy), "p3")
        connections.renew(connections.admit("p3"))
        connections.open(ana, "a1")

        def watched() -> list[bool]:
            people = [bo.user_id, cy.user_id]
            found = connections.watch(connections.admit("a1"), people)
            assert found[1] == (False, None)
            return [one.online for one in found]

        assert watched() == [True, False]
        assert connections.forget("p1") == (bo.user_id, None)
        assert connections.forget("b1") == (bo.user_id, ANY_TIME)
        assert watched() == [False, False]
        assert connections.forget("p2") == (bo.user_id, None)
        assert connections.drop(connections.of([cy.user_id])) == {}
        assert ids(connections, bo, cy) == []

    def test_owe_no_acknowledgement(self, connections: Connections) -> None:
        bo, cy = someone(), someone()
        connections.open(program_of(bo), "p1")
        connections.open(program_of(cy), "p2")
        connections.open(cy, "c1")
        people = [bo.user_id, cy.user_id]

        found = connections.of_owing(people, chat_id=CHAT, seq=5, sender_id="")
        time.sleep(1.1)

        assert [socket.connection_id for socket in found] == ["p1", "c1", "p2"]
        assert connections.claim_overdue(100) == [Owed(cy.user_id, CHAT, 5, since=5)]

    def test_a_deleted_user_has_none(self, connections: Connections, client: redis.Redis) -> None:
        bo = someone()
        connections.open(program_of(bo), "p1")

        connections.drop(connections.of([bo.user_id]))
        connections.forget_user(bo.user_id)

        assert client.keys() == []


class TestAnEarlierVersion:
    """Records in Redis that it left name no client."""

    @pytest.fixture
    def bo(self, client: redis.Redis, connections: Connections) -> Identity:
        bo = someone()
        until = {"old s1": time.time() + 900}
        client.zadd(f"conns:{{{shard_of(bo.user_id)}}}:{bo.user_id}", until)
        scopes = "account chats.read chats.write users.read"
        old: Any = {"user_id": bo.user_id, "session_id": "s1", "scopes": scopes, "checked_at": 1}
        client.hset("conn:{old}", mapping=old)
        client.zadd(f"watchers:{{{shard_of(bo.user_id)}}}:{bo.user_id}", {"old": time.time() + 900})
        return bo

    def test_its_sockets_are_found_without_scopes(
        self, connections: Connections, bo: Identity
    ) -> None:
        assert connections.of([bo.user_id]) == [Socket(bo.user_id, "old", "s1")]
        ((watcher,),) = connections.watchers([bo.user_id])
        assert (watcher.connection_id, watcher.scopes) == ("old", frozenset())
        with pytest.raises(Unauthorized):
            connections.admit("old")

    def test_its_sockets_can_be_dropped(
        self, connections: Connections, client: redis.Redis, bo: Identity
    ) -> None:
        connections.drop(connections.of([bo.user_id]))

        assert ids(connections, bo) == []
        assert not client.exists("conn:{old}")

    def test_its_sockets_can_be_forgotten(self, connections: Connections, bo: Identity) -> None:
        assert connections.forget("old") == (bo.user_id, ANY_TIME)
        assert ids(connections, bo) == []


def test_opening_answers_the_sockets_that_were_there(connections: Connections) -> None:
    ana = someone()
    connections.open(ana, "c1")

    assert [s.connection_id for s in connections.open(ana, "c2")] == ["c1"]


def test_an_unknown_socket_is_not_signed_in(connections: Connections) -> None:
    with pytest.raises(Unauthorized):
        connections.admit("nobody")


def test_g5_a_dropped_socket_is_refused_at_its_next_frame(connections: Connections) -> None:
    ana = someone()
    connections.open(ana, "c1")
    connections.drop(connections.of([ana.user_id]))

    with pytest.raises(Unauthorized):
        connections.admit("c1")
    assert ids(connections, ana) == []


def test_forgetting_tells_whether_it_was_the_last(connections: Connections) -> None:
    ana = someone()
    connections.open(ana, "c1")
    connections.open(ana, "c2")

    assert connections.forget("c1") == (ana.user_id, None)
    assert connections.forget("c2") == (ana.user_id, ANY_TIME)
    assert connections.forget("c2") is None


def test_dropping_tells_whose_last_ones_they_were_and_tells_it_once(
    connections: Connections,
) -> None:
    ana, bo = someone(), someone()
    for one, name in ((ana, "a1"), (ana, "a2"), (bo, "b1"), (bo, "b2")):
        connections.open(one, name)
    all_of_ana, all_of_bo = connections.of([ana.user_id]), connections.of([bo.user_id])

    assert connections.drop([*all_of_ana, all_of_bo[0]]) == {ana.user_id: ANY_TIME}
    assert connections.drop(all_of_ana) == {}
    assert connections.forget("a1") is None
    assert connections.forget("b2") == (bo.user_id, ANY_TIME)


def test_no_script_touches_two_slots(client: redis.Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    connections, bo = Connections(client, settings()), someone()
    slots = Slots(connections._scripts, monkeypatch)
    for number, who in enumerate((someone(), program_of(bo), bo)):
        connections.open(who, f"c{number}")
        caller = connections.admit(f"c{number}", SEND)
        connections.renew(caller)
        connections.watch(caller, [someone().user_id for _ in range(9)])
    connections.of_owing([bo.user_id, someone().user_id], chat_id=CHAT, seq=1, sender_id="")
    connections.settle([Owed(bo.user_id, CHAT, 1)])
    connections.claim_overdue(9)

    assert {len(one) for one in slots.of_each} == {1}


def test_everything_expires(connections: Connections, client: redis.Redis) -> None:
    ana, bo = someone(), someone()
    connections.open(ana, "c1")
    connections.open(bo, "c2")
    connections.watch(connections.admit("c1"), [bo.user_id])
    connections.admit("c1")

    keys = list(client.scan_iter())
    assert "conn:{c1}" in keys
    assert all(client.pttl(key) != -1 for key in keys)  # for ever
    assert LIFETIME - 5 < client.pttl("conn:{c1}") / 1000 <= LIFETIME
