"""Delivery of changes that are not new messages, on fakes."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from chalicelib.errors import Unavailable
from chalicelib.messages.content import TextContent
from chalicelib.messages.models.changes import Change
from chalicelib.messages.models.chats import Chat
from chalicelib.messages.models.messages import Message
from chalicelib.wire import now
from tests.fake_message_store import FakeMessageStore
from tests.messaging import Messaging
from tests.unit.messages.fakes import FakeBroker, FakeGateway
from tests.unit.messages.people import ANA, ANA_ID, BO_ID, draft

A_DAY = timedelta(days=1)


def edit(store: FakeMessageStore, message: Message, text: str = "better") -> Change:
    content = TextContent(kind="text", text=text)
    change = store.timeline.revise(message.chat_id, message.seq, member=ANA_ID, content=content)
    assert change is not None
    return change


def delete(store: FakeMessageStore, message: Message) -> Change:
    change = store.timeline.revise(message.chat_id, message.seq, member=ANA_ID, content=None)
    assert change is not None
    return change


def rename(store: FakeMessageStore, chat: Chat, title: str) -> Change:
    change = store.chats.rename(chat.id, member=ANA_ID, title=title)
    assert change is not None
    return change


def pending(store: FakeMessageStore) -> list[Change]:
    return store.outbox.pending(before=now() + A_DAY, limit=99)


@pytest.fixture
def message(messages: Messaging, chat: Chat, gateway: FakeGateway, broker: FakeBroker) -> Message:
    """One of Ana's that was delivered."""
    message, _ = messages.sending.send(ANA, chat.id, draft())
    gateway.sent.clear()
    gateway.skipped.clear()
    broker.told.clear()
    return message


class TestANewVersion:
    def test_reaches_all_members_but_the_socket_that_made_it(
        self, messages: Messaging, store: FakeMessageStore, message: Message, gateway: FakeGateway
    ) -> None:
        change = edit(store, message)

        messages.delivery.deliver(change, skip="ana-1")

        assert sorted(to for to, _ in gateway.sent) == [ANA_ID, BO_ID]
        assert isinstance(change.newest, Message)
        assert gateway.sent[0][1] == {
            "event": "message.changed",
            "data": change.newest.model_dump(mode="json"),
        }
        assert gateway.skipped == ["ana-1"]
        assert pending(store) == []

    def test_closes_sockets_that_do_not_read_only_when_it_is_tried_again(
        self,
        messages: Messaging,
        store: FakeMessageStore,
        message: Message,
        gateway: FakeGateway,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        attempts: list[bool] = []

        def tell_all(*_: object, again: bool, **__: object) -> bool:
            attempts.append(again)
            return True

        monkeypatch.setattr(gateway, "tell_all", tell_all)

        messages.delivery.attempt(edit(store, message))
        messages.delivery.attempt(*pending(store))

        assert attempts == [False, True]

    def test_is_not_pushed_and_not_published_to_other_services(
        self,
        messages: Messaging,
        store: FakeMessageStore,
        message: Message,
        gateway: FakeGateway,
        broker: FakeBroker,
    ) -> None:
        gateway.online = set()

        for change in (edit(store, message), delete(store, message)):
            messages.delivery.deliver(change)

        assert (broker.published, broker.told, gateway.sent) == ([], [], [])
        assert pending(store) == []

    def test_is_settled_without_an_event_if_there_is_a_newer_one(
        self, messages: Messaging, store: FakeMessageStore, message: Message, gateway: FakeGateway
    ) -> None:
        edit(store, message, "first")
        edit(store, message, "second")

        messages.redelivery.redeliver_pending()  # not due yet
        assert gateway.sent == []
        for change in pending(store):
            messages.delivery.deliver(change)

        told = [event["data"]["content"]["text"] for to, event in gateway.sent if to == BO_ID]
        assert told == ["second"]
        assert pending(store) == []

    def test_of_a_pending_message_comes_with_the_message_and_by_itself(
        self, messages: Messaging, store: FakeMessageStore, chat: Chat, gateway: FakeGateway
    ) -> None:
        """No member has seen the first version, so `message.new` has the newest one."""
        gateway.sick = True
        message, _ = messages.sending.send(ANA, chat.id, draft())
        edit(store, message)
        gateway.sick = False

        for change in pending(store):
            messages.delivery.deliver(change)

        told = [
            (event["event"], event["data"]["rev"], event["data"]["content"]["text"])
            for to, event in gateway.sent
            if to == BO_ID
        ]
        assert told == [("message.new", 2, "better"), ("message.changed", 2, "better")]


class TestADeletion:
    def test_has_no_content(
        self, messages: Messaging, store: FakeMessageStore, message: Message, gateway: FakeGateway
    ) -> None:
        messages.delivery.deliver(delete(store, message))

        assert [event["data"]["content"] for _, event in gateway.sent] == [None, None]
        assert {event["event"] for _, event in gateway.sent} == {"message.changed"}

    def test_before_the_delivery_no_push_and_no_text_goes_out(
        self,
        messages: Messaging,
        store: FakeMessageStore,
        chat: Chat,
        gateway: FakeGateway,
        broker: FakeBroker,
    ) -> None:
        gateway.sick = True
        message, _ = messages.sending.send(ANA, chat.id, draft("a secret"))
        delete(store, message)
        gateway.sick, gateway.online = False, {BO_ID}
        broker.published.clear()
        broker.told.clear()

        for change in pending(store):
            messages.delivery.deliver(change)

        assert [event["event"] for _, event in gateway.sent] == ["message.changed"]
        assert "a secret" not in str(gateway.sent)
        assert broker.published == []
        assert [event.id for event in broker.told] == [message.id]
        assert pending(store) == []

    def test_before_the_delivery_the_event_is_kept_while_rabbitmq_is_down(
        self,
        messages: Messaging,
        store: FakeMessageStore,
        chat: Chat,
        broker: FakeBroker,
        gateway: FakeGateway,
    ) -> None:
        gateway.sick = True
        message, _ = messages.sending.send(ANA, chat.id, draft())
        delete(store, message)
        gateway.sick, broker.sick = False, True
        store.events.clear()

        for change in pending(store):
            messages.delivery.deliver(change)

        assert list(store.events) == [message.id]


class TestANewState:
    def test_reaches_all_members(
        self, messages: Messaging, store: FakeMessageStore, chat: Chat, gateway: FakeGateway
    ) -> None:
        messages.delivery.deliver(rename(store, chat, "Us"))

        data = {"chat_id": chat.id, "rev": 1, "title": "Us", "photo": None, "member_count": 2}
        assert sorted(gateway.sent, key=lambda one: one[0]) == [
            (user_id, {"event": "chat.changed", "data": data}) for user_id in (ANA_ID, BO_ID)
        ]
        assert pending(store) == []

    def test_is_settled_without_an_event_if_there_is_a_newer_one(
        self, messages: Messaging, store: FakeMessageStore, chat: Chat, gateway: FakeGateway
    ) -> None:
        rename(store, chat, "Us")
        rename(store, chat, "We")

        for change in pending(store):
            messages.delivery.deliver(change)

        told = [event["data"] for to, event in gateway.sent if to == BO_ID]
        assert [(one["rev"], one["title"]) for one in told] == [(2, "We")]
        assert pending(store) == []


class TestFailure:
    @pytest.mark.parametrize("what", [edit, delete])
    def test_of_a_socket_leaves_the_change_to_the_job(
        self,
        messages: Messaging,
        store: FakeMessageStore,
        message: Message,
        gateway: FakeGateway,
        later: Callable[[timedelta], None],
        what: Callable[[FakeMessageStore, Message], Change],
    ) -> None:
        change = what(store, message)
        gateway.failed = True
        with pytest.raises(Unavailable):
            messages.delivery.deliver(change)
        messages.delivery.attempt(change)
        assert [one.rev for one in pending(store)] == [2]

        gateway.failed = False
        later(timedelta(minutes=5))
        assert messages.redelivery.redeliver_pending() == 1

        assert pending(store) == []
        assert {event["data"]["rev"] for _, event in gateway.sent} == {2}

    def test_of_a_socket_for_an_hour_settles_the_change(
        self,
        messages: Messaging,
        store: FakeMessageStore,
        message: Message,
        gateway: FakeGateway,
        later: Callable[[timedelta], None],
    ) -> None:
        """Its client gets the change with its next sync."""
        edit(store, message)
        gateway.failed = True
        later(timedelta(hours=1, minutes=1))

        assert messages.redelivery.redeliver_pending() == 1

        assert pending(store) == []

    def test_of_redis_leaves_the_change_to_the_job(
        self, messages: Messaging, store: FakeMessageStore, message: Message, gateway: FakeGateway
    ) -> None:
        change = edit(store, message)
        gateway.sick = True

        messages.delivery.attempt(change)

        assert [one.rev for one in pending(store)] == [2]
