"""Receipts and typing, on fakes."""

from dataclasses import replace
from typing import Any

import pytest

from chalicelib.errors import (
    ChatNotFound,
    Unavailable,
)
from chalicelib.live.models import Owed
from chalicelib.messages.models.chats import Chat
from tests.fake_message_store import FakeMessageStore
from tests.messaging import Messaging
from tests.unit.messages.fakes import FakeGateway
from tests.unit.messages.people import ANA, ANA_ID, BO, BO_ID, NOWHERE, draft


class TestReceipts:
    def test_a_moved_cursor_is_told_to_everyone_and_strikes_out_what_was_owed(
        self, messages: Messaging, chat: Chat, gateway: FakeGateway
    ) -> None:
        messages.sending.send(BO, chat.id, draft())
        message, _ = messages.sending.send(ANA, chat.id, draft())
        gateway.sent.clear()

        messages.receipts.delivered(BO, chat.id, message.seq)

        assert {to for to, _ in gateway.sent} == {ANA_ID, BO_ID}
        assert gateway.sent[0][1]["data"] == {
            "chat_id": chat.id,
            "user_id": BO_ID,
            "read_seq": 0,
            "delivered_seq": message.seq,
        }
        assert gateway.struck == [Owed(BO_ID, chat.id, message.seq)]

    def test_what_is_known_tells_nobody_but_still_strikes_out(
        self, messages: Messaging, chat: Chat, gateway: FakeGateway
    ) -> None:
        first, _ = messages.sending.send(ANA, chat.id, draft())
        message, _ = messages.sending.send(ANA, chat.id, draft(client_id="x2"))
        messages.receipts.read(BO, chat.id, message.seq)
        gateway.sent.clear()

        messages.receipts.read(BO, chat.id, first.seq)
        messages.receipts.delivered(BO, chat.id, message.seq)

        assert gateway.sent == []
        assert len(gateway.struck) == 3

    def test_g2_a_repeated_read_sends_the_receipt_again(
        self,
        messages: Messaging,
        chat: Chat,
        gateway: FakeGateway,
        store: FakeMessageStore,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        messages.sending.send(BO, chat.id, draft())
        message, _ = messages.sending.send(ANA, chat.id, draft())
        gateway.sent.clear()
        move = store.cursors.move

        def loses_its_answer(*arguments: Any, **cursors: Any) -> None:
            move(*arguments, **cursors)
            monkeypatch.undo()
            raise Unavailable("messages")

        monkeypatch.setattr(store.cursors, "move", loses_its_answer)
        with pytest.raises(Unavailable):
            messages.receipts.read(BO, chat.id, message.seq)
        assert gateway.sent == []

        messages.receipts.read(BO, chat.id, message.seq)

        assert {to for to, _ in gateway.sent} == {ANA_ID, BO_ID}

    def test_g1_what_a_program_received_no_phone_has(
        self, messages: Messaging, chat: Chat, gateway: FakeGateway
    ) -> None:
        message, _ = messages.sending.send(ANA, chat.id, draft())
        gateway.sent.clear()
        program = replace(BO, client_id="board")

        messages.receipts.delivered(program, chat.id, message.seq)

        assert (gateway.sent, gateway.struck) == ([], [])
        cursors = messages.receipts.of([(chat.id, BO_ID)])[chat.id, BO_ID]
        assert cursors.receipt.delivered_seq == 0
        with pytest.raises(ChatNotFound):
            messages.receipts.delivered(program, NOWHERE, 1)

    def test_a_receipt_that_cannot_be_told_is_kept(
        self, messages: Messaging, chat: Chat, gateway: FakeGateway
    ) -> None:
        message, _ = messages.sending.send(ANA, chat.id, draft())
        gateway.sick = True

        messages.receipts.read(BO, chat.id, message.seq)

        cursors = messages.receipts.of([(chat.id, BO_ID)])[chat.id, BO_ID]
        assert cursors.receipt.read_seq == message.seq

    def test_typing_goes_to_the_others(
        self, messages: Messaging, chat: Chat, gateway: FakeGateway
    ) -> None:
        for one in (ANA, BO):
            messages.sending.send(one, chat.id, draft())
        gateway.sent.clear()

        messages.receipts.typing(ANA, chat.id, True)

        assert [(to, event["event"]) for to, event in gateway.sent] == [(BO_ID, "chat.typing")]
