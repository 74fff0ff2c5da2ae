"""The part of a store with chats and their members."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Protocol

from chalicelib.messages.models.changes import Change
from chalicelib.messages.models.chats import Chat, Member

UNREAD_WINDOW = 1000
"""`unread_count` counts in this many revs at most, up to the newest message. Later changes of older
messages do not move what is counted."""


class Chats(Protocol):
    """Chats, as each of their members sees them.

    A direct chat is answered once both members have written. Until then neither sees the other's
    receipts, typing and presence. The answer is a new message, not a change of the chat's state.

    Reading a chat costs the same for any number of members.
    """

    def open_direct(
        self, chat_id: str, *, members: tuple[str, str], at: datetime
    ) -> tuple[Chat, bool]:
        """Make the chat unless it exists. Returns the chat as members[0] sees it, and whether it is
        new. The event of a new chat goes into the outbox.

        Raises LookupError if a chat of this id has other members.
        """

    def get(self, chat_id: str, *, member: str) -> Chat | None:
        """A chat with the receipts that `member` may see, its last message, and `member`'s unread
        count."""

    def page(
        self, member: str, *, limit: int, before: tuple[datetime, str] | None = None
    ) -> list[Chat]:
        """`member`'s chats, newest activity first, then by id descending: those after `before` =
        (last_activity_at, id)."""

    def news(self, member: str, known: Mapping[str, int], *, limit: int) -> list[Chat]:
        """`member`'s chats whose last rev is above the one in `known` (0 for others), newest
        activity first."""

    def members(
        self, chat_id: str, *, member: str, limit: int, after: str | None = None
    ) -> list[Member] | None:
        """The members of a chat in the order of their user ids, from the first one after `after`
        on, with the receipts that `member` may see."""

    def rename(self, chat_id: str, *, member: str, title: str) -> Change | None:
        """Store a new title of a chat under the next rev. The change goes into the outbox. All or
        nothing.

        None if `member` is not in the chat. The caller checks whether they may rename it."""

    def acquainted(self, member: str, others: Collection[str]) -> set[str]:
        """Those of `others` with whom `member` is in an answered chat."""
