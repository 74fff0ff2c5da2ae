"""The events about chats and messages for other services."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from chalicelib.broker.cloud_events import CloudEvent
from chalicelib.domain_events.models import TYPES, ChatCreated, MessageCreated
from chalicelib.messages.models.messages import Message


class ChatEvent(NamedTuple):
    """An event as a store keeps it. Its `id` is the id of the new chat or message: every function
    that publishes it uses the same one."""

    id: str
    type: str
    data: dict[str, Any]
    at: datetime

    @classmethod
    def of(cls, message: Message) -> "ChatEvent":
        """The event of a new message."""
        data = {
            "message_id": message.id,
            "chat_id": message.chat_id,
            "seq": message.seq,
            "sender_id": message.sender_id,
        }
        return cls(message.id, MessageCreated.type, data, message.created_at)

    @classmethod
    def of_chat(cls, chat_id: str, member_ids: Sequence[str], at: datetime) -> "ChatEvent":
        """The event of a new chat."""
        data = {"chat_id": chat_id, "member_ids": sorted(member_ids)}
        return cls(chat_id, ChatCreated.type, data, at)

    def published_by(self, issuer: str) -> CloudEvent:
        """The event as it is published. Raises KeyError or ValidationError if a later version of
        the code wrote it."""
        data = TYPES[self.type].model_validate(self.data)
        return CloudEvent.of(data, self.id, time=self.at, issuer=issuer)
