"""The part of a store that holds the messages of a chat, in their order."""

from datetime import datetime
from typing import Protocol

from chalicelib.messages.models import ChangePage, Message, NewMessage, Stored


class Timeline(Protocol):
    """The messages of each chat, in the order of their revs."""

    def append(self, new: NewMessage, *, unanswered: int) -> Stored | None:
        """Check membership, take the next rev, store the message pending: all or nothing.

        Raises NotAnswered where the sender has stored `unanswered` messages and nobody else has
        written yet. The message's time is that of the server's clock.

        A (sender_id, client_id) known in this chat stores nothing and answers with the message
        stored first. Once this returns, no reader can be told that it is complete past the
        message's rev without being given the message. Revs grow; they may leave gaps.
        """

    def history(
        self, chat_id: str, *, member: str, before: int | None, limit: int
    ) -> list[Message] | None:
        """Messages with a seq below `before` (None: from the newest), newest first."""

    def changes(self, chat_id: str, *, member: str, since: int, limit: int) -> ChangePage | None:
        """Messages whose rev is above `since`, in the order of rev; complete up to the answer's
        rev."""

    def undelivered(
        self, chat_id: str, *, member: str, since: int, until: int, limit: int
    ) -> list[Message] | None:
        """Messages of others with a seq from `since` to `until` and after `member`'s
        delivered_seq, oldest first, but those that were deleted."""

    def now(self) -> datetime:
        """The time by the server's clock, which gave the messages theirs."""
