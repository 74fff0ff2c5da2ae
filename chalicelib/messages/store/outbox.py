"""The part of a store with the outbox: changes to deliver, and events to publish."""

from collections.abc import Collection
from datetime import datetime
from typing import Protocol

from chalicelib.messages.events import ChatEvent
from chalicelib.messages.models.changes import Change

Place = tuple[datetime, str, int]
"""(at, chat_id, rev): the place of a change among the pending ones."""

NO_CHAT = "00000000-0000-0000-0000-000000000000"
"""Comes before every id."""


class Outbox(Protocol):
    """Changes that are not delivered, and events that are not published."""

    def settle(self, change: Change, *, published: bool = True) -> None:
        """Note that the change was delivered: it is no longer pending. Safe to repeat.

        If the event of a new message was not `published`, it is stored, and `unpublished` returns
        it.
        """

    def pending(self, *, before: datetime, limit: int, after: Place | None = None) -> list[Change]:
        """Changes that were made before a time and are not settled, oldest first, after `after`.
        Each comes with the newest state of what changed. `first` is False. Empty only if there are
        no more.

        A change that this code cannot read is left out: newer code wrote it, and was rolled back.
        The change stays in the outbox until the newer code is back."""

    def unpublished(self, *, limit: int, after: str = NO_CHAT) -> list[ChatEvent]:
        """Events of delivered messages and of new chats that are not published, by id, after the id
        `after`."""

    def published(self, events: Collection[ChatEvent]) -> None:
        """RabbitMQ has confirmed these events: delete them. Safe to repeat."""
