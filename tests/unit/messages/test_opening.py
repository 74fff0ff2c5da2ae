"""Opening chats, on fakes."""

import pytest

from chalicelib.errors import (
    UserNotFound,
    ValidationFailed,
)
from chalicelib.messages.models.chats import Chat
from tests.messaging import Messaging
from tests.unit.messages.people import ANA, ANA_ID, BO, BO_ID, NOWHERE


class TestOpenDirect:
    def test_both_get_the_same_chat(self, messages: Messaging, chat: Chat) -> None:
        again, made = messages.opening.open_direct(BO, ANA_ID)

        assert (again.id, made) == (chat.id, False)
        assert chat.partner is not None
        assert again.partner is not None
        assert (chat.partner.user_id, again.partner.user_id) == (BO_ID, ANA_ID)

    def test_somebody_else_must_exist(self, messages: Messaging) -> None:
        with pytest.raises(UserNotFound):
            messages.opening.open_direct(ANA, NOWHERE)
        with pytest.raises(ValidationFailed):
            messages.opening.open_direct(ANA, ANA_ID)
