"""The registry of sockets, on a real Redis."""

import time
import uuid
from contextlib import suppress
from itertools import count
from typing import Any, cast
from unittest.mock import ANY

import pytest
import redis

from chalicelib.auth.sessions.revocation import Revocation
from chalicelib.drivers.redis import connect
from chalicelib.errors import RateLimited, Unauthorized, Unavailable
from chalicelib.identity import Identity
from chalicelib.ids import direct_chat_id
from chalicelib.limits.table import Use
from chalicelib.live.connections import Connections
from chalicelib.live.events import Socket
from chalicelib.live.keys import shard as shard_of
from chalicelib.live.models import Owed
from chalicelib.live.registry import LIFETIME
from chalicelib.wire import now
from tests.contract.accounts import RoundTrips, Slots
from tests.contract.messages.store.room import Room
from tests.fake_message_store import FakeMessageStore
from tests.messaging import Messaging
from tests.unit.messages.fakes import FakeBroker
from tests.unit.settings import settings

CHAT = "00000000-0000-7000-8000-00000000000c"
ANY_TIME: Any = ANY


@pytest.fixture
def connections(client: redis.Redis) -> Connections:
    return Connections(client, settings(delivered_within_seconds=1))


def someone(session_id: str = "s1") -> Identity:
    return Identity(user_id=str(uuid.uuid4()), session_id=session_id)


def age(client: redis.Redis, connection_id: str, field: str, *, seconds: int) -> None:
    """Backdate a time in a socket's record."""
    client.hincrby(f"conn:{{{connection_id}}}", field, -seconds)


def program_of(user: Identity) -> Identity:
    """A program that may read the user's chats."""
    return Identity(
        user_id=user.user_id,
        session_id="grant",
        client_id="board",
        scopes=frozenset({"chats.read"}),
    )


def ids(connections: Connections, *people: Identity) -> list[str]:
    return [s.connection_id for s in connections.of([one.user_id for one in people])]


def watching(connections: Connections, *people: Identity) -> list[list[str]]:
    found = connections.watchers([one.user_id for one in people])
    return [[socket.connection_id for socket in sockets] for sockets in found]


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


def test_scripts_lost_in_a_restart_are_loaded_again(
    connections: Connections, client: redis.Redis
) -> None:
    ana = someone()
    connections.open(ana, "c1")
    client.script_flush()

    assert connections.admit("c1").user_id == ana.user_id


class TestOwing:
    def owe(self, connections: Connections, seq: int) -> tuple[Identity, Identity]:
        ana, bo = someone(), someone()
        connections.open(ana, "a" + ana.user_id)
        connections.open(bo, "b" + bo.user_id)
        self.send(connections, ana, bo, seq)
        return ana, bo

    def send(self, connections: Connections, ana: Identity, bo: Identity, seq: int) -> None:
        connections.of_owing(
            [ana.user_id, bo.user_id], chat_id=CHAT, seq=seq, sender_id=ana.user_id
        )

    def test_users_with_a_socket_owe_except_the_sender(self, connections: Connections) -> None:
        _, bo = self.owe(connections, 5)
        assert connections.claim_overdue(100) == []
        time.sleep(1.1)

        assert connections.claim_overdue(100) == [Owed(bo.user_id, CHAT, 5, since=5)]

    def test_a_user_without_a_socket_owes_nothing(self, connections: Connections) -> None:
        ana, bo = someone(), someone()
        self.send(connections, ana, bo, 5)
        time.sleep(1.1)

        assert connections.claim_overdue(100) == []

    def test_an_acknowledgement_removes_it(self, connections: Connections) -> None:
        ana, bo = self.owe(connections, 5)
        connections.of([ana.user_id], delivered=Owed(bo.user_id, CHAT, 5))
        time.sleep(1.1)

        assert connections.claim_overdue(100) == []

    def test_later_messages_stay_owed(self, connections: Connections) -> None:
        ana, bo = self.owe(connections, 5)
        self.send(connections, ana, bo, 6)
        connections.settle([Owed(bo.user_id, CHAT, 5)])
        time.sleep(1.1)

        assert connections.claim_overdue(100) == [Owed(bo.user_id, CHAT, 6, since=6)]

    def test_a_later_message_does_not_move_the_deadline(self, connections: Connections) -> None:
        ana, bo = self.owe(connections, 5)
        time.sleep(0.7)
        self.send(connections, ana, bo, 6)
        time.sleep(0.4)

        assert connections.claim_overdue(100) == [Owed(bo.user_id, CHAT, 6, since=5)]

    def test_g1_earlier_messages_stay_owed_when_a_later_one_is_settled(
        self, connections: Connections
    ) -> None:
        ana, bo = self.owe(connections, 5)
        for seq in (6, 7):
            self.send(connections, ana, bo, seq)
        connections.settle([Owed(bo.user_id, CHAT, 7, since=7)])
        connections.settle([Owed(bo.user_id, CHAT, 9, since=9)])
        time.sleep(1.1)

        assert connections.claim_overdue(100) == [Owed(bo.user_id, CHAT, 6, since=5)]

    def test_later_messages_may_stay_overdue(self, connections: Connections) -> None:
        ana, bo = self.owe(connections, 5)
        self.send(connections, ana, bo, 6)
        connections.settle([Owed(bo.user_id, CHAT, 5)], rest_is_overdue=True)

        assert connections.claim_overdue(100) == [Owed(bo.user_id, CHAT, 6, since=6)]

    def test_g1_an_earlier_message_that_comes_later_is_owed_too(
        self, connections: Connections
    ) -> None:
        ana, bo = self.owe(connections, 10)
        self.send(connections, ana, bo, 9)
        connections.settle([Owed(bo.user_id, CHAT, 10, since=10)])
        time.sleep(1.1)

        assert connections.claim_overdue(100) == [Owed(bo.user_id, CHAT, 9, since=9)]

    def test_a_claimed_one_is_not_claimed_again_before_its_time(
        self, connections: Connections
    ) -> None:
        self.owe(connections, 5)
        time.sleep(1.1)

        assert len(connections.claim_overdue(100)) == 1
        assert connections.claim_overdue(100) == []


class TestOverdue:
    """One user owes in hundreds of chats, as with a socket that never acknowledges anything."""

    def owe(self, connections: Connections, user_id: str, chats: int) -> list[str]:
        chat_ids = [str(uuid.uuid4()) for _ in range(chats)]
        connections.open(Identity(user_id=user_id, session_id="s"), user_id)
        for chat_id in chat_ids:
            connections.of_owing([user_id], chat_id=chat_id, seq=1, sender_id="")
        return chat_ids

    def neighbours(self) -> tuple[str, str]:
        """Two users in one shard."""
        one = str(uuid.uuid4())
        others = (str(uuid.uuid4()) for _ in count())
        return one, next(other for other in others if shard_of(other) == shard_of(one))

    def test_g1_all_of_it_can_be_claimed_at_once(self, connections: Connections) -> None:
        (greedy, _), found = self.neighbours(), []
        chat_ids = self.owe(connections, greedy, 12)
        time.sleep(1.1)

        while claimed := connections.claim_overdue(64):
            found += [owed.chat_id for owed in claimed]

        assert sorted(found) == sorted(chat_ids)

    def test_g1_many_of_one_user_delay_nobody_else(self, connections: Connections) -> None:
        greedy, modest = self.neighbours()
        self.owe(connections, greedy, 700)
        self.owe(connections, modest, 1)
        time.sleep(1.1)

        claims = [connections.claim_overdue(200) for _ in range(3)]

        assert modest in [owed.user_id for claimed in claims for owed in claimed]

    def test_g1_a_run_of_the_job_pushes_all_that_is_overdue(
        self, client: redis.Redis, connections: Connections
    ) -> None:
        greedy, modest = self.neighbours()
        store, broker, nobody = FakeMessageStore(), FakeBroker(), cast(Any, None)
        for user_id, chats in ((greedy, 301), (modest, 1)):
            connections.open(Identity(user_id=user_id, session_id="s"), user_id)
            for _ in range(chats):
                room = Room(store)
                room.id = direct_chat_id(room.ana, user_id)
                store.chats.open_direct(room.id, members=(room.ana, user_id), at=now())
                message = room.say(room.ana)
                connections.of_owing(
                    [user_id], chat_id=room.id, seq=message.seq, sender_id=room.ana
                )
        time.sleep(1.1)
        messages = Messaging(
            settings(),
            store=store,
            connections=connections,
            gateway=nobody,
            broker=lambda: broker,
            users=nobody,
        )

        assert messages.redelivery.push_overdue() == 302

        pushed = [user_id for event in broker.published for user_id in event.user_ids]
        assert sorted(pushed) == sorted([greedy] * 301 + [modest])
        assert pushed.index(modest) < 10
        assert client.keys("owed*") == []


class TestWatching:
    def test_returns_presence_and_the_watchers_to_tell(self, connections: Connections) -> None:
        ana, bo, cy = someone(), someone(), someone()
        connections.open(ana, "c1")
        connections.open(bo, "c2")

        found = connections.watch(connections.admit("c1"), [bo.user_id, cy.user_id])

        assert [(one.online, one.last_seen_at) for one in found] == [(True, None), (False, None)]
        assert watching(connections, bo, cy) == [["c1"], ["c1"]]

    def test_a_user_who_goes_offline_was_last_seen_now(self, connections: Connections) -> None:
        ana, bo = someone(), someone()
        connections.open(ana, "c1")
        connections.open(bo, "c2")
        connections.forget("c2")

        (found,) = connections.watch(connections.admit("c1"), [bo.user_id])

        assert not found.online
        assert found.last_seen_at is not None
        assert abs(found.last_seen_at.timestamp() - time.time()) < 5

    def test_replaces_the_users_that_the_socket_watched(self, connections: Connections) -> None:
        ana, bo, cy = someone(), someone(), someone()
        connections.open(ana, "c1")
        caller = connections.admit("c1")
        connections.watch(caller, [bo.user_id])

        connections.watch(caller, [cy.user_id])

        assert watching(connections, bo, cy) == [[], ["c1"]]

    def test_a_ping_says_when_to_renew(self, connections: Connections, client: redis.Redis) -> None:
        ana, bo = someone(), someone()
        connections.open(ana, "c1")
        caller = connections.admit("c1")
        connections.watch(caller, [bo.user_id])

        assert connections.renew(caller) == []
        age(client, "c1", "watched_at", seconds=310)
        assert connections.renew(caller) == [bo.user_id]
        connections.watch(caller, [bo.user_id])
        assert connections.renew(caller) == []

    def test_a_ping_costs_little_however_many_are_watched(
        self, connections: Connections, client: redis.Redis
    ) -> None:
        connections.open(someone(), "c1")
        caller = connections.admit("c1")
        watched = [someone().user_id for _ in range(200)]
        connections.watch(caller, watched)
        connections.renew(connections.admit("c1"))
        client.config_resetstat()

        connections.renew(connections.admit("c1"))

        stats: Any = client.info("commandstats")
        assert sum(command["calls"] for command in stats.values()) < 30

    def test_watching_costs_a_script_per_shard_however_many_are_watched(
        self, connections: Connections, client: redis.Redis
    ) -> None:
        connections.open(someone(), "c1")
        caller = connections.admit("c1")
        connections.watch(caller, [someone().user_id for _ in range(200)])
        watched = [someone().user_id for _ in range(200)]
        client.config_resetstat()

        assert len(connections.watch(caller, watched)) == 200

        stats: Any = client.info("commandstats")
        assert stats["cmdstat_evalsha"]["calls"] <= 64 + 64 + 1

    def test_of_a_forgotten_user_nothing_is_known_and_a_late_ping_tells_nothing(
        self, connections: Connections, client: redis.Redis
    ) -> None:
        ana, bo = someone(), someone()
        connections.open(ana, "c1")
        connections.open(bo, "c2")
        connections.watch(connections.admit("c2"), [ana.user_id])
        caller = connections.admit("c1")
        connections.drop(connections.of([ana.user_id]))
        connections.forget_user(ana.user_id)
        connections.renew(caller)
        connections.forget("c1")

        kept = [key for key in client.scan_iter() if ana.user_id in str(key)]
        assert not [key for key in kept if not key.startswith("rate:")]
        (found,) = connections.watch(connections.admit("c2"), [ana.user_id])
        assert (found.online, found.last_seen_at) == (False, None)

    def test_a_ping_brings_no_dropped_socket_back(self, connections: Connections) -> None:
        ana = someone()
        connections.open(ana, "c1")
        caller = connections.admit("c1")
        connections.drop(connections.of([ana.user_id]))

        assert connections.renew(caller) is None
        assert ids(connections, ana) == []
        with pytest.raises(Unauthorized):
            connections.admit("c1")


def test_a_redis_that_is_not_there_is_unavailable() -> None:
    connections = Connections(connect("redis://127.0.0.1:1"), settings())

    for call in (
        lambda: connections.admit("c1"),
        lambda: connections.open(someone(), "c1"),
        lambda: connections.of(["u"]),
        lambda: connections.forget("c1"),
        lambda: connections.forget_user("u"),
        lambda: connections.claim_overdue(9),
        lambda: connections.ping(),
    ):
        with pytest.raises(Unavailable):
            call()


class TestSkewedClocks:
    """A function whose clock is wrong: all times are by the clock of Redis."""

    @pytest.fixture(params=[-300, 300], ids=["behind", "ahead"])
    def skewed(self, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
        real, seconds = time.time, int(request.param)
        monkeypatch.setattr(time, "time", lambda: real() + seconds)
        return seconds

    @pytest.mark.usefixtures("skewed")
    def test_an_acknowledgement_is_overdue_by_the_clock_of_redis(
        self, connections: Connections
    ) -> None:
        bo = someone()
        connections.open(bo, "b1")
        connections.of_owing([bo.user_id], chat_id=CHAT, seq=5, sender_id="ana")
        assert connections.claim_overdue(100) == []
        connections.settle([Owed(bo.user_id, CHAT, 4)])
        time.sleep(1.1)

        assert connections.claim_overdue(100) == [Owed(bo.user_id, CHAT, 5, since=5)]
        assert connections.claim_overdue(100) == []

    def test_a_socket_expires_by_the_clock_of_redis(
        self, connections: Connections, client: redis.Redis, skewed: int
    ) -> None:
        bo = someone()
        connections.open(bo, "b1")
        place = f"conns:{{{shard_of(bo.user_id)}}}:{bo.user_id}"
        # Nearly at its end by the clock of Redis, and past it by ours if that is ahead.
        for entry, expiry in cast(Any, client.zrange(place, 0, -1, withscores=True)):
            client.zadd(place, {entry: expiry - LIFETIME + 200})

        assert ids(connections, bo) == ["b1"]
        assert connections.renew(connections.admit("b1")) == []
        assert ids(connections, bo) == ["b1"]

    @pytest.mark.usefixtures("skewed")
    def test_presence_uses_the_clock_of_redis(
        self, connections: Connections, client: redis.Redis
    ) -> None:
        ana, bo = someone(), someone()
        connections.open(ana, "a1")
        connections.open(bo, "b1")
        [(online, _)] = connections.watch(connections.admit("a1"), [bo.user_id])
        assert online
        assert watching(connections, bo) == [["a1"]]

        now = cast(Any, client.time())[0]
        _, left_at = connections.forget("b1") or ("", None)
        assert left_at is not None
        assert abs(left_at.timestamp() - now) < 5
        [(online, seen)] = connections.watch(connections.admit("a1"), [bo.user_id])
        assert (online, seen) == (False, left_at)

    @pytest.mark.usefixtures("skewed")
    def test_a_socket_is_young_by_the_clock_of_redis(self, connections: Connections) -> None:
        bo = someone()
        connections.open(bo, "b1")
        assert [socket.young for socket in connections.of([bo.user_id])] == [True]

        connections.renew(connections.admit("b1"))

        assert [socket.young for socket in connections.of([bo.user_id])] == [False]


class TestEviction:
    """Redis may drop any key that expires, and a server that lost its data has none."""

    def test_g1_a_socket_that_is_not_in_its_users_list_is_refused(
        self, connections: Connections, client: redis.Redis
    ) -> None:
        bo = someone()
        for name in ("b1", "b2"):
            connections.open(bo, name)
        client.delete(f"conns:{{{shard_of(bo.user_id)}}}:{bo.user_id}")
        connections.open(bo, "b3")

        assert connections.renew(connections.admit("b1")) is None
        assert connections.renew(connections.admit("b3")) == []

    def test_what_is_owed_without_its_seqs_is_forgotten_when_it_is_claimed(
        self, connections: Connections, client: redis.Redis
    ) -> None:
        bo = someone()
        connections.open(bo, "b1")
        connections.of_owing([bo.user_id], chat_id=CHAT, seq=5, sender_id="ana")
        client.delete(f"owed-seqs:{{{shard_of(bo.user_id)}}}")
        time.sleep(1.1)

        connections.settle(connections.claim_overdue(100))

        assert client.keys("owed*") == []

    def test_g1_what_is_owed_without_its_deadline_is_overdue_with_the_next_message(
        self, connections: Connections, client: redis.Redis
    ) -> None:
        bo = someone()
        connections.open(bo, "b1")
        for seq in (5, 6):
            connections.of_owing([bo.user_id], chat_id=CHAT, seq=seq, sender_id="ana")
            if seq == 5:
                client.delete(f"owed:{{{shard_of(bo.user_id)}}}")
        time.sleep(1.1)

        assert connections.claim_overdue(100) == [Owed(bo.user_id, CHAT, 6, since=5)]

    def test_nothing_that_is_owed_may_be_evicted(
        self, connections: Connections, client: redis.Redis
    ) -> None:
        """The policy takes keys that expire, and no others."""
        bo = someone()
        connections.open(bo, "b1")
        connections.of_owing([bo.user_id], chat_id=CHAT, seq=5, sender_id="ana")

        owed = cast(Any, client.keys("owed*"))
        assert len(owed) == 2
        assert [client.ttl(key) for key in owed] == [-1, -1]
