"""Sending and delivering, on fakes."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from chalicelib.errors import (
    AppError,
    ChatNotFound,
    Unavailable,
)
from chalicelib.messages.models.chats import Chat
from chalicelib.wire import now
from tests.fake_message_store import FakeMessageStore
from tests.messaging import Messaging
from tests.unit.messages.fakes import FakeBroker, FakeGateway
from tests.unit.messages.people import ANA, ANA_ID, BO_ID, CY, NOWHERE, draft


class TestSend:
    def test_everyone_but_the_sending_socket_gets_the_event(
        self, messages: Messaging, chat: Chat, gateway: FakeGateway
    ) -> None:
        message, new = messages.sending.send(ANA, chat.id, draft())

        assert new
        assert sorted(to for to, _ in gateway.sent) == [ANA_ID, BO_ID]
        event = gateway.sent[0][1]
        assert event["event"] == "message.new"
        assert event["data"] == message.model_dump(mode="json")
        assert gateway.skipped == ["ana-1"]

    def test_only_absent_members_are_pushed_to(
        self, messages: Messaging, chat: Chat, gateway: FakeGateway, broker: FakeBroker
    ) -> None:
        messages.sending.send(ANA, chat.id, draft())
        assert broker.published == []

        gateway.online = set()
        message, _ = messages.sending.send(ANA, chat.id, draft("a\n b", client_id="x2"))

        assert [event.user_ids for event in broker.published] == [[BO_ID]]
        assert broker.published[0].preview == "a b"
        assert broker.published[0].seq == message.seq

    def test_costs_one_append_and_one_settle(
        self, messages: Messaging, chat: Chat, store: FakeMessageStore
    ) -> None:
        store.calls.clear()
        messages.sending.send(ANA, chat.id, draft())

        assert store.calls == ["append", "settle"]

    def test_g2_a_resend_returns_the_first_and_tells_nobody_again(
        self, messages: Messaging, chat: Chat, gateway: FakeGateway
    ) -> None:
        first, _ = messages.sending.send(ANA, chat.id, draft("first"))
        gateway.sent.clear()

        second, new = messages.sending.send(ANA, chat.id, draft("second"))

        assert (second, new) == (first, False)
        assert gateway.sent == []

    @pytest.mark.parametrize("broken", ["gateway", "broker", "settle"])
    def test_g1_what_cannot_be_delivered_is_stored_and_answered_and_a_resend_completes_it(
        self,
        messages: Messaging,
        chat: Chat,
        store: FakeMessageStore,
        gateway: FakeGateway,
        broker: FakeBroker,
        broken: str,
    ) -> None:
        gateway.online, gateway.sick, broker.sick = set(), broken == "gateway", broken == "broker"
        store.fail_on = {"settle"} if broken == "settle" else set()
        first, new = messages.sending.send(ANA, chat.id, draft())
        assert new

        gateway.sick = broker.sick = False
        store.fail_on = set()
        second, new = messages.sending.send(ANA, chat.id, draft())

        assert (second, new) == (first, False)
        assert [event.message_id for event in broker.published] == [first.id]
        assert store.outbox.pending(before=now() + timedelta(days=1), limit=9) == []

    def test_a_socket_that_cannot_be_asked_keeps_the_message_pending_and_pushes_the_absent(
        self,
        messages: Messaging,
        chat: Chat,
        store: FakeMessageStore,
        gateway: FakeGateway,
        broker: FakeBroker,
        later: Callable[[timedelta], None],
    ) -> None:
        gateway.failed, gateway.online = True, {ANA_ID}
        messages.sending.send(ANA, chat.id, draft())
        assert [event.user_ids for event in broker.published] == [[BO_ID]]
        assert len(store.outbox.pending(before=now() + timedelta(days=1), limit=9)) == 1

        gateway.online = {ANA_ID, BO_ID}
        later(timedelta(hours=2))
        messages.redelivery.redeliver_pending()

        assert [event.user_ids for event in broker.published] == [[BO_ID]]
        assert store.outbox.pending(before=now() + timedelta(days=1), limit=9) == []

    def test_a_socket_that_cannot_be_asked_for_long_leads_to_a_push(
        self,
        messages: Messaging,
        chat: Chat,
        store: FakeMessageStore,
        gateway: FakeGateway,
        broker: FakeBroker,
        later: Callable[[timedelta], None],
    ) -> None:
        gateway.failed = True
        messages.sending.send(ANA, chat.id, draft())
        assert broker.published == []

        later(timedelta(hours=2))
        messages.redelivery.redeliver_pending()

        assert [event.user_ids for event in broker.published] == [[BO_ID]]
        assert store.outbox.pending(before=now() + timedelta(days=1), limit=9) == []

    def test_a_store_that_is_down_refuses(
        self, messages: Messaging, chat: Chat, store: FakeMessageStore, gateway: FakeGateway
    ) -> None:
        store.fail_on = {"append"}
        with pytest.raises(Unavailable):
            messages.sending.send(ANA, chat.id, draft())

        assert gateway.sent == []

    def test_g4_a_stranger_cannot_tell_the_chat_from_none(
        self, messages: Messaging, chat: Chat, gateway: FakeGateway
    ) -> None:
        errors = []
        for chat_id in (chat.id, NOWHERE):
            for call in (
                lambda c: messages.sending.send(CY, c, draft()),
                lambda c: messages.reading.chat(CY, c),
                lambda c: messages.reading.history(CY, c, before=None, limit=5),
                lambda c: messages.reading.changes(CY, c, since=0, limit=5),
                lambda c: messages.receipts.read(CY, c, 1),
                lambda c: messages.receipts.delivered(CY, c, 1),
                lambda c: messages.receipts.typing(CY, c, True),
            ):
                with pytest.raises(ChatNotFound) as caught:
                    call(chat_id)
                errors.append(caught.value.to_wire())

        assert all(error == errors[0] for error in errors)
        assert gateway.sent == []


def test_errors_carry_no_text(messages: Messaging, chat: Chat) -> None:
    with pytest.raises(AppError) as caught:
        messages.sending.send(CY, chat.id, draft("hunter2"))

    assert "hunter2" not in str(caught.value.to_wire())
