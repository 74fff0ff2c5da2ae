"""Where chats and messages are kept: one small interface, two implementations, one contract."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Protocol

from chalicelib.config import SettingsInvalid
from chalicelib.messages.events import ChatEvent
from chalicelib.messages.models import ChangePage, Chat, Cursors, Message, NewMessage, Stored

Place = tuple[datetime, str, int]
"""(created_at, chat_id, seq): where a message stands among those that are pending."""

NO_CHAT = "00000000-0000-0000-0000-000000000000"
"""Comes before every id."""

UNREAD_WINDOW = 1000
"""`unread_count` looks at no more than this many of a chat's newest revs."""


class StoreUnfit(SettingsInvalid):
    """The server lacks what the store needs; says what, in a sentence for operators."""


class MessageStore(Protocol):
    """Chats, memberships and messages.

    Every method raises Unavailable when the server does not answer in time. `None` means that
    there is no such chat or that `member` is not in it: the caller cannot tell which (G4).

    A direct chat is answered once both members have written. Until then neither sees the other's
    receipts, typing and presence.
    """

    def open_direct(
        self, chat_id: str, *, members: tuple[str, str], at: datetime
    ) -> tuple[Chat, bool]:
        """Make the chat unless it exists: (chat as members[0] sees it, whether it was made).
        The event of a chat that was made waits in `unpublished`.

        Raises LookupError where a chat of this id has other members.
        """

    def append(self, new: NewMessage, *, unanswered: int) -> Stored | None:
        """Check membership, take the next rev, store the message pending: all or nothing.

        Raises NotAnswered where the sender has stored `unanswered` messages and nobody else has
        written yet. The message's time is that of the server's clock.

        A (sender_id, client_id) known in this chat stores nothing and answers with the message
        stored first. Once this returns, no reader can be told that it is complete past the
        message's rev without being given the message. Revs grow; they may leave gaps.
        """

    def settle(self, message: Message, *, published: bool = True) -> None:
        """The message was delivered: it is no longer pending. Safe to repeat.

        Its event is done as well if it was `published`; otherwise it waits in `unpublished`.
        """

    def pending(self, *, before: datetime, limit: int, after: Place | None = None) -> list[Stored]:
        """Messages created before a time and not settled, oldest first; those that come after
        `after`. None is `created`."""

    def unpublished(self, *, limit: int, after: str = NO_CHAT) -> list[ChatEvent]:
        """Events whose messages are delivered and chats made, in the order of their ids; those
        after the id `after`."""

    def published(self, events: Collection[ChatEvent]) -> None:
        """RabbitMQ has these events: they no longer wait. Safe to repeat."""

    def chat(self, chat_id: str, *, member: str) -> Chat | None:
        """A chat with the cursors that `member` may see, last message, and `member`'s unread
        count."""

    def chats(
        self, member: str, *, limit: int, before: tuple[datetime, str] | None = None
    ) -> list[Chat]:
        """`member`'s chats, newest activity first, then by id descending; those that come after
        `before` = (last_activity_at, id)."""

    def news(self, member: str, known: Mapping[str, int], *, limit: int) -> list[Chat]:
        """`member`'s chats whose last rev is above the one that is known of them (0 where none
        is), newest activity first."""

    def history(
        self, chat_id: str, *, member: str, before: int | None, limit: int
    ) -> list[Message] | None:
        """Messages with a seq below `before` (None: from the newest), newest first."""

    def changes(self, chat_id: str, *, member: str, since: int, limit: int) -> ChangePage | None:
        """Messages whose rev is above `since`, in the order of rev; complete up to the answer's
        rev."""

    def move_cursors(
        self, chat_id: str, *, member: str, read: int = 0, delivered: int = 0
    ) -> Cursors | None:
        """Move `member`'s cursors forward, never back and never past the chat's last rev.
        Reading is receiving: `read` moves both."""

    def observers(self, chat_id: str, *, member: str) -> list[str] | None:
        """The others, who may see what `member` does; nobody until the chat is answered."""

    def acquainted(self, member: str, others: Collection[str]) -> set[str]:
        """Those of `others` with whom `member` is in an answered chat."""

    def cursors(self, pairs: Collection[tuple[str, str]]) -> dict[tuple[str, str], Cursors]:
        """The cursors of (chat_id, user_id) pairs; what is not found is left out.
        `moved` is False."""

    def undelivered(
        self, chat_id: str, *, member: str, since: int, until: int, limit: int
    ) -> list[Message] | None:
        """Messages of others with a seq from `since` to `until` and after `member`'s
        delivered_seq, oldest first, but those that were deleted."""

    def now(self) -> datetime:
        """The time by the server's clock, which gave the messages theirs."""

    def ping(self) -> None:
        """Raises Unavailable unless the server answers."""
