"""The part of a store that holds what is stored and not yet delivered or published."""

from collections.abc import Collection
from datetime import datetime
from typing import Protocol

from chalicelib.messages.events import ChatEvent
from chalicelib.messages.models import Message, Stored

Place = tuple[datetime, str, int]
"""(created_at, chat_id, seq): where a message stands among those that are pending."""

NO_CHAT = "00000000-0000-0000-0000-000000000000"
"""Comes before every id."""


class Outbox(Protocol):
    """Messages that are not delivered, and events that are not published."""

    def settle(self, message: Message, *, published: bool = True) -> None:
        """The message was delivered: it is no longer pending. Safe to repeat.

        Its event is done as well if it was `published`; otherwise it waits in `unpublished`.
        """

    def pending(self, *, before: datetime, limit: int, after: Place | None = None) -> list[Stored]:
        """Messages created before a time and not settled, oldest first: those after `after`.
        `created` is False."""

    def unpublished(self, *, limit: int, after: str = NO_CHAT) -> list[ChatEvent]:
        """Events to publish, of delivered messages and of new chats, ordered by id: those after the
        id `after`."""

    def published(self, events: Collection[ChatEvent]) -> None:
        """RabbitMQ has these events: forget them. Safe to repeat."""
