"""A chat in which only one member has written, on fakes."""

import pytest

from chalicelib.errors import (
    NotAnswered,
)
from chalicelib.identity import Identity
from chalicelib.live.models import Owed
from chalicelib.messages.models.chats import Chat, Partner
from tests.messaging import Messaging
from tests.unit.messages.fakes import FakeBroker, FakeGateway
from tests.unit.messages.people import ANA, ANA_ID, BO, BO_ID, draft


class TestStrangers:
    """A member who has not written gets messages, and reveals nothing to their sender."""

    def test_somebody_who_has_not_answered_gets_three_messages(
        self, messages: Messaging, chat: Chat, gateway: FakeGateway, broker: FakeBroker
    ) -> None:
        gateway.online = {ANA_ID}
        for number in range(3):
            messages.sending.send(ANA, chat.id, draft(client_id=f"m{number}"))
        gateway.sent.clear()

        with pytest.raises(NotAnswered) as refused:
            messages.sending.send(ANA, chat.id, draft(client_id="m3"))
        again, new = messages.sending.send(ANA, chat.id, draft(client_id="m1"))

        assert (refused.value.code, refused.value.status) == ("not_answered", 403)
        assert (again.client_id, new) == ("m1", False)
        assert len(broker.published) == 3
        assert gateway.sent == []
        messages.sending.send(BO, chat.id, draft())
        assert messages.sending.send(ANA, chat.id, draft(client_id="m3"))[1]

    def test_receipts_are_told_to_ones_own_sockets_only(
        self, messages: Messaging, chat: Chat, gateway: FakeGateway
    ) -> None:
        message, _ = messages.sending.send(ANA, chat.id, draft())
        gateway.sent.clear()

        messages.receipts.read(BO, chat.id, message.seq)
        messages.receipts.delivered(BO, chat.id, message.seq)

        assert [(to, event["event"]) for to, event in gateway.sent] == [(BO_ID, "chat.receipt")]
        assert gateway.struck == [Owed(BO_ID, chat.id, message.seq)] * 2

    @pytest.mark.parametrize("typist", [ANA, BO])
    def test_typing_is_told_to_nobody(
        self, messages: Messaging, chat: Chat, gateway: FakeGateway, typist: Identity
    ) -> None:
        messages.sending.send(ANA, chat.id, draft())
        gateway.sent.clear()

        messages.receipts.typing(typist, chat.id, True)

        assert gateway.sent == []

    def test_sync_tells_of_no_receipts(self, messages: Messaging, chat: Chat) -> None:
        message, _ = messages.sending.send(ANA, chat.id, draft())
        messages.receipts.read(BO, chat.id, message.seq)

        (item,) = messages.reading.sync(ANA, {}).items

        assert not item.chat.answered
        assert item.chat.me.read_seq == 0
        assert item.chat.partner == Partner(user_id=BO_ID)
