"""The events about chats and messages for other services."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from chalicelib.broker.cloud_events import CloudEvent
from chalicelib.domain_events.models import TYPES, ChatCreated, MessageCreated
from chalicelib.messages.models import Chat, Message


class ChatEvent(NamedTuple):
    """An event as a store keeps it. Its `id` is the id of the new chat or message: every function
    that publishes it uses the same one."""

    id: str
    type: str
    data: dict[str, Any]
    at: datetime

    @classmethod
    def of(cls, made: Chat | Message) -> "ChatEvent":
        """The event of a new chat or of a new message."""
        if isinstance(made, Chat):
            member_ids = [member.user_id for member in made.members]
            return cls.of_chat(made.id, member_ids, made.created_at)
        data = {
            "message_id": made.id,
            "chat_id": made.chat_id,
            "seq": made.seq,
            "sender_id": made.sender_id,
        }
        return cls(made.id, MessageCreated.type, data, made.created_at)

    @classmethod
    def of_chat(cls, chat_id: str, member_ids: Sequence[str], at: datetime) -> "ChatEvent":
        """The event of a new chat, for the store that creates it."""
        data = {"chat_id": chat_id, "member_ids": sorted(member_ids)}
        return cls(chat_id, ChatCreated.type, data, at)

    def published_by(self, issuer: str) -> CloudEvent:
        """The event as it is published. Raises KeyError or ValidationError if a later version of
        the code wrote it."""
        data = TYPES[self.type].model_validate(self.data)
        return CloudEvent.of(data, self.id, time=self.at, issuer=issuer)
