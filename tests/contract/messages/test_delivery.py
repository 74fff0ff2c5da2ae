"""Messages to sockets that take nothing, minute after minute, on a real Redis."""

import time
from datetime import timedelta
from typing import Any, cast

import pytest
import redis

from chalicelib.identity import Identity
from chalicelib.live.connections import Connections
from chalicelib.messages.content import TextContent
from chalicelib.messages.models.messages import Draft, Message
from chalicelib.wire import now
from tests.contract.messages.store.room import Room
from tests.contract.posts import Posts
from tests.fake_message_store import FakeMessageStore
from tests.messaging import Messaging, new_messages
from tests.unit.messages.fakes import FakeBroker
from tests.unit.settings import settings


class World:
    """Ana writes to Bo."""

    def __init__(self, connections: Connections) -> None:
        self.connections = connections
        self.gateway = Posts(connections)
        self.store, self.broker = FakeMessageStore(), FakeBroker()
        self.room = Room(self.store)
        # What is pending is redelivered at once.
        impatient = settings().model_copy(update={"pending_after_seconds": -60})
        self.messages = Messaging(
            impatient,
            store=self.store,
            connections=connections,
            gateway=self.gateway,
            broker=lambda: self.broker,
            users=cast(Any, None),
        )

    def open(self, user_id: str, name: str, status: int = 200, **of: Any) -> None:
        self.connections.open(Identity(user_id=user_id, session_id="s", **of), name)
        if status != 200:
            self.gateway.statuses[name] = status

    def send(self) -> Message:
        sender = Identity(user_id=self.room.ana, session_id="s", connection_id="a1")
        draft = Draft(client_id="x", content=TextContent(kind="text", text="hi"))
        return self.messages.sending.send(sender, self.room.id, draft)[0]

    def minutes(self, count: int) -> None:
        """What the jobs do meanwhile; an acknowledgement is overdue after a second here."""
        for _ in range(count):
            time.sleep(1.1)
            self.messages.redelivery.redeliver_pending()
            self.messages.redelivery.push_overdue()

    @property
    def pending(self) -> list[Message]:
        return new_messages(self.store.outbox.pending(before=now() + timedelta(minutes=1), limit=9))

    @property
    def pushed(self) -> list[tuple[str, list[str]]]:
        return [(event.message_id, event.user_ids) for event in self.broker.published]


@pytest.fixture
def world(client: redis.Redis) -> World:
    return World(Connections(client, settings(delivered_within_seconds=1)))


@pytest.mark.parametrize("status", [429, 500])
def test_g1_g6_a_sick_device_of_the_sender_gets_the_message_later_and_its_user_no_push(
    world: World, status: int
) -> None:
    world.open(world.room.ana, "a1")
    world.open(world.room.ana, "a2", status)
    world.gateway.stuck.add("a2")

    message = world.send()
    assert world.pending == [message]
    world.minutes(2)
    world.gateway.statuses.clear()
    world.minutes(1)

    assert "a2" in [to for to, event in world.gateway.sent if event["event"] == "message.new"]
    assert world.pending == []
    assert world.pushed == [(message.id, [world.room.bo])]


def test_g1_g6_a_user_whose_socket_does_not_read_gets_one_push_and_loses_the_socket(
    world: World,
) -> None:
    """API Gateway answers 429 when its buffer for a socket is full."""
    world.open(world.room.bo, "b1", 429)

    message = world.send()
    assert (world.pending, world.pushed) == ([message], [])
    world.minutes(3)

    assert world.gateway.sent == [("b1", {"closed": True})]
    assert world.connections.of([world.room.bo]) == []
    assert world.pending == []
    assert world.pushed == [(message.id, [world.room.bo])]


def test_g1_g6_nothing_is_lost_and_nobody_closed_while_the_accounts_rate_is_used_up(
    world: World,
) -> None:
    """Then API Gateway answers everything 429."""
    world.open(world.room.bo, "b1", 429)
    world.gateway.stuck.add("b1")

    message = world.send()
    world.minutes(3)
    assert world.pending == [message]
    assert world.pushed == [(message.id, [world.room.bo])]

    world.gateway.statuses.clear()
    world.minutes(1)
    assert [to for to, event in world.gateway.sent if event["data"]["id"] == message.id] == ["b1"]
    assert (world.pending, len(world.pushed)) == ([], 1)


def test_g6_a_message_that_comes_during_connect_is_owed_and_not_pushed_at_once(
    world: World,
) -> None:
    world.open(world.room.bo, "b1", 410)

    message = world.send()

    assert (world.pending, world.pushed) == ([], [])
    world.minutes(1)
    assert world.pushed == [(message.id, [world.room.bo])]


def test_g1_g6_a_user_whose_socket_fails_gets_one_push_and_the_event_later(
    world: World,
) -> None:
    world.open(world.room.bo, "b1", 500)

    message = world.send()
    world.minutes(3)
    assert world.pending == [message]
    assert world.pushed == [(message.id, [world.room.bo])]

    world.gateway.statuses.clear()
    world.minutes(2)
    assert [to for to, event in world.gateway.sent if event["data"]["id"] == message.id] == ["b1"]
    assert world.pending == []
    assert world.pushed == [(message.id, [world.room.bo])]


PROGRAM: dict[str, Any] = {"client_id": "board", "scopes": frozenset({"chats.read", "chats.write"})}


@pytest.mark.parametrize("status", [200, 429, 500])
def test_g1_g6_a_user_with_only_a_program_connected_gets_one_push_at_once(
    world: World, status: int
) -> None:
    world.open(world.room.bo, "p1", status, **PROGRAM)

    message = world.send()
    assert (world.pending, world.pushed) == ([], [(message.id, [world.room.bo])])
    world.minutes(2)

    assert world.pushed == [(message.id, [world.room.bo])]


def test_g1_what_a_program_acknowledges_the_phone_still_owes(world: World) -> None:
    world.open(world.room.bo, "b1")
    world.open(world.room.bo, "p1", **PROGRAM)

    message = world.send()
    world.messages.receipts.delivered(world.connections.admit("p1"), message.chat_id, message.seq)
    assert world.pushed == []
    world.minutes(1)

    assert world.pushed == [(message.id, [world.room.bo])]


def test_g6_a_message_that_could_not_be_settled_is_not_pushed_again(world: World) -> None:
    world.store.fail_on = {"settle"}

    message = world.send()
    world.minutes(2)
    world.store.fail_on = set()
    world.minutes(1)

    assert world.pending == []
    assert world.pushed == [(message.id, [world.room.bo])]


@pytest.mark.parametrize("minutes", [-5, 5], ids=["behind", "ahead"])
def test_g1_what_is_pending_is_redelivered_in_time_whatever_clock_the_job_has(
    client: redis.Redis, monkeypatch: pytest.MonkeyPatch, minutes: int
) -> None:
    world = World(Connections(client, settings()))
    world.messages = Messaging(
        settings(pending_after_seconds=30),
        store=world.store,
        connections=world.connections,
        gateway=world.gateway,
        broker=lambda: world.broker,
        users=cast(Any, None),
    )
    world.store.fail_on = {"settle"}
    world.send()
    world.store.fail_on = set()
    with monkeypatch.context() as patch:
        wrong = now() + timedelta(minutes=minutes)
        patch.setattr("chalicelib.messages.delivery.service.now", lambda: wrong)
        assert world.messages.redelivery.redeliver_pending() == 0

        half_a_minute = now() + timedelta(seconds=31)
        patch.setattr(world.store.timeline, "now", lambda: half_a_minute)
        assert world.messages.redelivery.redeliver_pending() == 1
