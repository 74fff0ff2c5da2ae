"""Which events about chats and messages are published, and when, on fakes."""

import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from chalicelib import metrics
from chalicelib.errors import Unavailable
from chalicelib.identity import Identity
from chalicelib.ids import new_id
from chalicelib.messages.content import TextContent
from chalicelib.messages.delivery import publisher
from chalicelib.messages.events import ChatEvent
from chalicelib.messages.models.chats import Chat
from chalicelib.messages.models.messages import Draft, Message
from chalicelib.wire import now
from tests.fake_message_store import FakeMessageStore
from tests.messaging import Messaging, new_messages
from tests.unit.messages.fakes import FakeBroker, FakeGateway, FakeOwing, FakeUsers
from tests.unit.settings import settings

A_DAY = timedelta(days=1)


class World:
    """Ana has opened a chat with Bo; both are online."""

    def __init__(self, **given: Any) -> None:
        self.store, self.broker, self.owing = FakeMessageStore(), FakeBroker(), FakeOwing()
        self.ana, self.bo = (Identity(user_id=new_id(), session_id="s") for _ in range(2))
        self.gateway = FakeGateway(online=[self.ana.user_id, self.bo.user_id])
        users: Any = FakeUsers([self.ana.user_id, self.bo.user_id])
        # What is pending is redelivered at once.
        self.messages = Messaging(
            settings(**given).model_copy(update={"pending_after_seconds": -60}),
            store=self.store,
            connections=self.owing,
            gateway=self.gateway,
            broker=lambda: self.broker,
            users=lambda: users,
        )

    def open(self) -> Chat:
        return self.messages.opening.open_direct(self.ana, self.bo.user_id)[0]

    def send(self, client_id: str = "x") -> Message:
        draft = Draft(client_id=client_id, content=TextContent(kind="text", text="secret"))
        return self.messages.sending.send(self.ana, self.open().id, draft)[0]

    @property
    def told(self) -> list[tuple[str, str]]:
        """Type and id of what other services got."""
        return [(event.type, event.id) for event in self.broker.told]

    @property
    def left(self) -> list[str]:
        return [event.id for event in self.store.outbox.unpublished(limit=99)]

    @property
    def pending(self) -> list[Message]:
        return new_messages(self.store.outbox.pending(before=now() + A_DAY, limit=99))


@pytest.fixture
def world() -> World:
    world = World()
    world.open()
    world.broker.told.clear()
    return world


def test_a_chat_is_published_when_it_is_made_and_only_then() -> None:
    world = World()

    chat = world.open()
    world.open()

    assert world.told == [("chat.created", chat.id)]
    assert world.left == []


def test_a_chat_is_made_though_rabbitmq_is_down_and_the_job_publishes_it() -> None:
    world = World()
    world.broker.sick = True
    chat = world.open()
    assert world.left == [chat.id]
    with pytest.raises(Unavailable):
        world.messages.publisher.publish_left()

    world.broker.sick = False
    assert world.messages.publisher.publish_left() == 1

    assert (world.told, world.left) == ([("chat.created", chat.id)], [])


def test_a_chat_is_made_though_its_event_cannot_be_taken_out() -> None:
    world = World()
    world.store.fail_on = {"published"}

    chat = world.open()

    assert (world.told, world.left) == ([("chat.created", chat.id)], [chat.id])


def test_the_event_of_a_message_has_its_ids_alone(world: World) -> None:
    message = world.send()

    [event] = world.broker.told
    assert (event.type, event.id, event.subject) == ("message.created", message.id, message.id)
    assert event.time == message.created_at
    assert event.data.model_dump() == {
        "message_id": message.id,
        "chat_id": message.chat_id,
        "seq": message.seq,
        "sender_id": message.sender_id,
    }
    assert "secret" not in event.model_dump_json()
    assert (world.left, world.pending) == ([], [])


@pytest.fixture
def order(world: World, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The steps for a message: post to sockets, begin its event, finish it."""
    done: list[str] = []

    def noted(target: Any, name: str) -> None:
        method = getattr(target, name)

        def wrapped(*arguments: Any, **named: Any) -> Any:
            done.append(name)
            return method(*arguments, **named)

        monkeypatch.setattr(target, name, wrapped)

    noted(world.gateway, "tell")
    noted(world.broker, "begin")
    noted(world.broker, "finish")
    return done


@pytest.mark.parametrize("online", ["both", "the receiver alone"])
def test_an_event_is_sent_before_the_posts_to_sockets(
    world: World, order: list[str], online: str
) -> None:
    """Over HTTP a sender may have no socket, and is not pushed to."""
    if online != "both":
        world.gateway.online = {world.bo.user_id}

    world.send()

    assert order == ["begin", "tell", "finish"]


def test_a_containers_first_event_is_sent_after_the_posts_to_sockets(
    world: World, order: list[str]
) -> None:
    """Loading the driver and connecting would hold them up."""
    world.messages.publisher._used = False

    world.send()

    assert order == ["tell", "finish"]


def test_an_event_goes_with_the_push_where_somebody_is_absent(
    world: World, order: list[str]
) -> None:
    world.gateway.online = {world.ana.user_id}

    world.send()

    assert order == ["tell", "finish"]
    assert (len(world.told), len(world.broker.published)) == (1, 1)


def test_g1_a_message_that_sockets_have_is_not_delivered_again_for_its_event(world: World) -> None:
    world.broker.sick = True

    message = world.send()

    assert (world.pending, world.left) == ([], [message.id])
    told_sockets = len(world.gateway.sent)
    for _ in range(3):
        assert world.messages.redelivery.redeliver_pending() == 0
        with pytest.raises(Unavailable):
            world.messages.publisher.publish_left()
    assert world.send() == message  # a resend
    world.broker.sick = False
    assert world.messages.publisher.publish_left() == 1

    assert len(world.gateway.sent) == told_sockets
    assert (world.told, world.left) == ([("message.created", message.id)], [])


@pytest.mark.parametrize("refuses", [True, False])
def test_g1_a_push_does_not_depend_on_a_queue_that_takes_no_events(
    world: World, refuses: bool
) -> None:
    world.gateway.online = set()
    world.broker.refuses = refuses

    message = world.send()

    assert [event.message_id for event in world.broker.published] == [message.id]
    assert (world.pending, world.left) == ([], [message.id] if refuses else [])


def test_g1_a_message_whose_push_is_not_queued_stays_pending_with_its_event(world: World) -> None:
    world.gateway.online = set()
    world.broker.sick = True
    message = world.send()
    assert (world.pending, world.left) == ([message], [])

    world.broker.sick = False
    assert world.messages.redelivery.redeliver_pending() == 1

    assert [event.message_id for event in world.broker.published] == [message.id]
    assert (world.told, world.pending) == ([("message.created", message.id)], [])


def test_an_event_comes_twice_at_most_though_delivery_is_tried_again_each_minute(
    world: World,
) -> None:
    world.gateway.failed = True
    message = world.send()
    for _ in range(5):
        world.messages.redelivery.redeliver_pending()
    assert world.told == [("message.created", message.id)]

    world.gateway.failed = False
    world.messages.redelivery.redeliver_pending()

    assert set(world.told) == {("message.created", message.id)}
    assert len(world.told) == 2
    assert (world.pending, world.left) == ([], [])


def test_an_event_of_what_could_not_be_settled_comes_again_with_its_id(world: World) -> None:
    world.store.fail_on = {"settle"}
    message = world.send()
    world.store.fail_on = set()

    world.messages.redelivery.redeliver_pending()

    assert world.told == [("message.created", message.id)] * 2


def test_a_message_that_was_not_stored_is_not_published(world: World) -> None:
    world.store.fail_on = {"append"}

    with pytest.raises(Unavailable):
        world.send()

    assert world.told == []


@pytest.mark.parametrize("sick", [True, False])
def test_without_events_of_messages_rabbitmq_is_asked_for_pushes_alone(sick: bool) -> None:
    world = World(message_events=False)
    chat = world.open()
    world.broker.sick = sick
    world.send("online")
    world.gateway.online = set()
    absent = world.send("absent")

    assert world.told == [("chat.created", chat.id)]
    assert world.left == []
    assert world.pending == ([absent] if sick else [])


class TestTheJob:
    @pytest.fixture
    def left(self, world: World) -> list[Message]:
        """Seven events that wait."""
        world.broker.sick = True
        sent = [world.send(f"{number}") for number in range(3)]
        answer = Draft(client_id="a", content=TextContent(kind="text", text="yes"))
        sent.append(world.messages.sending.send(world.bo, sent[0].chat_id, answer)[0])
        sent += [world.send(f"{number}") for number in range(3, 6)]
        world.broker.sick = False
        return sent

    @pytest.fixture
    def age(self, monkeypatch: pytest.MonkeyPatch) -> Callable[[], float]:
        counted: list[float] = []
        monkeypatch.setattr(
            metrics, "count", lambda name, value=1: counted.append(value) if "Age" in name else None
        )
        return lambda: counted[-1]

    def test_publishes_all_in_pages(
        self, world: World, left: list[Message], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(publisher, "BATCH", 3)

        assert world.messages.publisher.publish_left() == 7

        assert {event_id for _, event_id in world.told} == {message.id for message in left}
        assert world.left == []
        assert world.messages.publisher.publish_left() == 0

    def test_ends_in_time(
        self, world: World, left: list[Message], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(publisher, "JOB_SECONDS", -1)

        assert world.messages.publisher.publish_left() == 0
        assert len(world.left) == len(left)

    def test_tells_how_long_the_oldest_has_waited(
        self,
        world: World,
        left: list[Message],
        age: Callable[[], float],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        later = now() + timedelta(minutes=5)
        monkeypatch.setattr(publisher, "now", lambda: later)
        world.broker.sick = True
        with pytest.raises(Unavailable):
            world.messages.publisher.publish_left()
        assert 300 <= age() < 400

        world.broker.sick = False
        world.messages.publisher.publish_left()
        world.messages.publisher.publish_left()
        assert age() == 0

    def test_an_event_of_later_code_keeps_back_no_other(
        self, world: World, left: list[Message], caplog: pytest.LogCaptureFixture
    ) -> None:
        strange = [
            ChatEvent(new_id(), "chat.renamed", {"chat_id": new_id()}, now()),
            ChatEvent(new_id(), "chat.created", {"chat": 1}, now()),
        ]
        world.store.events |= {event.id: event for event in strange}

        with caplog.at_level(logging.ERROR):
            assert world.messages.publisher.publish_left() == len(left)

        assert sorted(world.left) == sorted(event.id for event in strange)
        assert {record.message for record in caplog.records} == {"event not understood"}
