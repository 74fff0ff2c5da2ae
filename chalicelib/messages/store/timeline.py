"""The part of a store with the messages of chats, in order."""

from datetime import datetime
from typing import Protocol

from chalicelib.messages.models import ChangePage, Message, NewMessage, Stored


class Timeline(Protocol):
    """The messages of each chat, in the order of their revs."""

    def append(self, new: NewMessage, *, unanswered: int) -> Stored | None:
        """Check membership, take the next rev, store the message pending: all or nothing.

        Raises NotAnswered if the sender has stored `unanswered` messages and no other member has
        written. The message's time is by the server's clock.

        If the chat has a message with this (sender_id, client_id), nothing is stored, and that
        message is returned. After this returns, `changes` never says that it is complete up to the
        message's rev without the message. Revs grow; they may leave gaps.
        """

    def history(
        self, chat_id: str, *, member: str, before: int | None, limit: int
    ) -> list[Message] | None:
        """Messages with a seq below `before`, newest first. None: from the newest on."""

    def changes(self, chat_id: str, *, member: str, since: int, limit: int) -> ChangePage | None:
        """Messages whose rev is above `since`, in the order of rev; complete up to the answer's
        rev."""

    def undelivered(
        self, chat_id: str, *, member: str, since: int, until: int, limit: int
    ) -> list[Message] | None:
        """Messages of others with a seq from `since` to `until` and after `member`'s
        delivered_seq, oldest first, without deleted ones."""

    def now(self) -> datetime:
        """The time by the server's clock, which messages get their times from."""
