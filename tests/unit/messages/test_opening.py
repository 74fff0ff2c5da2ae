"""Opening chats, on fakes."""

import pytest

from chalicelib.errors import (
    UserNotFound,
    ValidationFailed,
)
from chalicelib.messages.models import Chat
from tests.messaging import Messaging
from tests.unit.messages.people import ANA, ANA_ID, BO, BO_ID, NOWHERE


class TestOpenDirect:
    def test_both_get_the_same_chat(self, messages: Messaging, chat: Chat) -> None:
        again, made = messages.opening.open_direct(BO, ANA_ID)

        assert (again.id, made) == (chat.id, False)
        assert {member.user_id for member in chat.members} == {ANA_ID, BO_ID}

    def test_somebody_else_must_exist(self, messages: Messaging) -> None:
        with pytest.raises(UserNotFound):
            messages.opening.open_direct(ANA, NOWHERE)
        with pytest.raises(ValidationFailed):
            messages.opening.open_direct(ANA, ANA_ID)
