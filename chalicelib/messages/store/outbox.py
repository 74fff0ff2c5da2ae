"""The part of a store with the outbox: messages to deliver, and events to publish."""

from collections.abc import Collection
from datetime import datetime
from typing import Protocol

from chalicelib.messages.events import ChatEvent
from chalicelib.messages.models import Message, Stored

Place = tuple[datetime, str, int]
"""(created_at, chat_id, seq): the place of a message among the pending ones."""

NO_CHAT = "00000000-0000-0000-0000-000000000000"
"""Comes before every id."""


class Outbox(Protocol):
    """Messages that are not delivered, and events that are not published."""

    def settle(self, message: Message, *, published: bool = True) -> None:
        """Note that the message was delivered: it is no longer pending. Safe to repeat.

        If its event was `published`, the event is done as well; otherwise it is in `unpublished`.
        """

    def pending(self, *, before: datetime, limit: int, after: Place | None = None) -> list[Stored]:
        """Messages that were created before a time and are not settled, oldest first, after
        `after`. `created` is False."""

    def unpublished(self, *, limit: int, after: str = NO_CHAT) -> list[ChatEvent]:
        """Events of delivered messages and of new chats that are not published, by id, after the id
        `after`."""

    def published(self, events: Collection[ChatEvent]) -> None:
        """RabbitMQ has confirmed these events: delete them. Safe to repeat."""
