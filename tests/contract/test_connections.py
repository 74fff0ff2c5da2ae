"""The registry of sockets, on a real Redis."""

import time
import uuid
from collections.abc import Iterator
from itertools import count
from typing import Any, cast
from unittest.mock import ANY

import pytest
import redis

from chalicelib.auth.models import Identity
from chalicelib.auth.revocation import Revocation
from chalicelib.connections import LIFETIME, Connections
from chalicelib.connections import _shard as shard_of
from chalicelib.errors import RateLimited, Unauthorized, Unavailable
from chalicelib.ids import direct_chat_id
from chalicelib.limits import Use
from chalicelib.messages.models import Owed
from chalicelib.messages.service import Messages
from chalicelib.redis import connect
from chalicelib.wire import now
from tests.contract.accounts import RoundTrips
from tests.contract.message_store.room import Room
from tests.fakes import FakeMessageStore
from tests.unit.messages.fakes import FakeBroker
from tests.unit.settings import settings

CHAT = "00000000-0000-7000-8000-00000000000c"
ANY_TIME: Any = ANY


@pytest.fixture
def client(redis_url: str) -> Iterator[redis.Redis]:
    client = connect(redis_url)
    client.flushdb()
    yield client
    client.close()


@pytest.fixture
def connections(client: redis.Redis) -> Connections:
    return Connections(client, settings(delivered_within_seconds=1))


def someone(session_id: str = "s1") -> Identity:
    return Identity(user_id=str(uuid.uuid4()), session_id=session_id)


def age(client: redis.Redis, connection_id: str, field: str, *, seconds: int) -> None:
    """Have something that a socket's record tells have happened earlier."""
    client.hincrby(f"conn:{{{connection_id}}}", field, -seconds)


def ids(connections: Connections, *people: Identity) -> list[str]:
    return [s.connection_id for s in connections.of([one.user_id for one in people])]


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


def test_the_first_frame_of_a_socket_that_is_seen_takes_of_the_socket_alone(
    client: redis.Redis,
) -> None:
    given = settings(rate_limits={"send": {"user": (2, 900)}})
    connections = Connections(client, given)
    connections.open(someone(), "c1")
    for _ in range(3):
        connections.admit("c1", SEND)

    with pytest.raises(RateLimited):
        connections.admit("c1", SEND)
    connections.admit("c1")


def test_a_user_has_the_same_bucket_on_all_sockets_and_over_http(client: redis.Redis) -> None:
    given = settings(rate_limits={"send": {"user": (4, 900)}})
    connections, ana = Connections(client, given), someone()
    for name in ("c1", "c2"):
        connections.open(ana, name)
        connections.admit(name)
        connections.admit(name, SEND)
    Revocation(client, given).admit(ana.user_id, "another", SEND)
    connections.admit("c1", SEND)

    for name in ("c1", "c2"):
        with pytest.raises(RateLimited):
            connections.admit(name, SEND)


def test_a_frame_is_one_round_trip_also_with_buckets_of_its_user(
    client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    connections = Connections(client, settings())
    connections.open(someone(), "c1")
    for _ in range(2):
        connections.admit("c1", SEND)
    trips = RoundTrips(client, monkeypatch)

    connections.admit("c1", SEND)

    assert trips.count == 1


def test_a_socket_may_be_refused_so_often_and_no_more(client: redis.Redis) -> None:
    connections = Connections(client, settings(rate_limits={"refused": {"socket": (3, 900)}}))
    connections.open(someone(), "c1")

    assert [connections.refused("c1") for _ in range(5)] == [False] * 3 + [True] * 2
    assert not connections.refused("nobody")
    assert client.keys("*nobody*") == []


def test_whose_sockets_are_which_is_remembered_of_a_bounded_number(
    client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chalicelib.connections.CALLERS", 2)
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

    lives = {key: client.ttl(key) for key in client.scan_iter()}
    assert lives
    assert all(life > 0 for life in lives.values())
    assert lives["conn:{c1}"] in range(LIFETIME - 5, LIFETIME + 1)


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

    def test_who_has_a_socket_owes_but_the_sender(self, connections: Connections) -> None:
        _, bo = self.owe(connections, 5)
        assert connections.claim_overdue(100) == []
        time.sleep(1.1)

        assert connections.claim_overdue(100) == [Owed(bo.user_id, CHAT, 5, since=5)]

    def test_who_has_none_owes_nothing(self, connections: Connections) -> None:
        ana, bo = someone(), someone()
        self.send(connections, ana, bo, 5)
        time.sleep(1.1)

        assert connections.claim_overdue(100) == []

    def test_an_acknowledgement_strikes_it_out(self, connections: Connections) -> None:
        ana, bo = self.owe(connections, 5)
        connections.of([ana.user_id], delivered=Owed(bo.user_id, CHAT, 5))
        time.sleep(1.1)

        assert connections.claim_overdue(100) == []

    def test_what_was_sent_after_the_acknowledged_stays_owed(
        self, connections: Connections
    ) -> None:
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

    def test_g1_what_was_sent_before_stays_owed_when_a_later_one_is_settled_alone(
        self, connections: Connections
    ) -> None:
        ana, bo = self.owe(connections, 5)
        for seq in (6, 7):
            self.send(connections, ana, bo, seq)
        connections.settle([Owed(bo.user_id, CHAT, 7, since=7)])
        connections.settle([Owed(bo.user_id, CHAT, 9, since=9)])
        time.sleep(1.1)

        assert connections.claim_overdue(100) == [Owed(bo.user_id, CHAT, 6, since=5)]

    def test_the_rest_of_what_was_settled_may_be_overdue_too(
        self, connections: Connections
    ) -> None:
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

    def test_what_is_claimed_is_nobody_elses_until_it_comes_again(
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

    def test_g1_the_many_of_one_hold_up_nobody_else(self, connections: Connections) -> None:
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
                store.open_direct(room.id, members=(room.ana, user_id), at=now())
                message = room.say(room.ana)
                connections.of_owing(
                    [user_id], chat_id=room.id, seq=message.seq, sender_id=room.ana
                )
        time.sleep(1.1)
        messages = Messages(
            settings(),
            store=store,
            connections=connections,
            gateway=nobody,
            broker=lambda: broker,
            users=nobody,
        )

        assert messages.push_overdue() == 302

        pushed = [user_id for event in broker.published for user_id in event.user_ids]
        assert sorted(pushed) == sorted([greedy] * 301 + [modest])
        assert pushed.index(modest) < 10
        assert client.keys("owed*") == []


class TestWatching:
    def test_tells_how_they_are_and_whom_to_tell(self, connections: Connections) -> None:
        ana, bo, cy = someone(), someone(), someone()
        connections.open(ana, "c1")
        connections.open(bo, "c2")

        found = connections.watch(connections.admit("c1"), [bo.user_id, cy.user_id])

        assert [(one.online, one.last_seen_at) for one in found] == [(True, None), (False, None)]
        assert connections.watchers([bo.user_id, cy.user_id]) == [["c1"], ["c1"]]

    def test_who_left_was_last_seen_now(self, connections: Connections) -> None:
        ana, bo = someone(), someone()
        connections.open(ana, "c1")
        connections.open(bo, "c2")
        connections.forget("c2")

        (found,) = connections.watch(connections.admit("c1"), [bo.user_id])

        assert not found.online
        assert found.last_seen_at is not None
        assert abs(found.last_seen_at.timestamp() - time.time()) < 5

    def test_replaces_whom_the_socket_watched(self, connections: Connections) -> None:
        ana, bo, cy = someone(), someone(), someone()
        connections.open(ana, "c1")
        caller = connections.admit("c1")
        connections.watch(caller, [bo.user_id])

        connections.watch(caller, [cy.user_id])

        assert connections.watchers([bo.user_id, cy.user_id]) == [[], ["c1"]]

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
        assert sum(command["calls"] for command in stats.values()) < 20

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

        assert not [key for key in client.scan_iter() if ana.user_id in str(key)]
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
