"""The part of a store with the messages of chats, in the order of their changes."""

from datetime import datetime
from typing import Protocol

from chalicelib.messages.content import Content
from chalicelib.messages.models.changes import Change, ChangePage, Stored
from chalicelib.messages.models.messages import Message, NewMessage


class Timeline(Protocol):
    """The messages of each chat, in the order of their revs."""

    def append(self, new: NewMessage, *, unanswered: int) -> Stored | None:
        """Check membership, take the next rev, store the message pending: all or nothing.

        Raises NotAnswered if the sender has stored `unanswered` messages and no other member has
        written. The message's time is by the server's clock.

        If the chat has a message with this (sender_id, client_id), nothing is stored, and that
        message is returned. After this returns, `changes` never says that it is complete up to the
        message's rev without the message, unless a newer version of it has a rev above that.
        Revs grow; they may leave gaps.
        """

    def revise(
        self, chat_id: str, seq: int, *, member: str, content: Content | None
    ) -> Change | None:
        """Store a new version of a message under the next rev: with this content, or deleted for
        None. The change goes into the outbox. All or nothing.

        None if `member` is not in the chat, if there is no such message, or if it is deleted. If it
        is deleted at the same time, it stays deleted: the result is None, or the deleted message
        under a new rev. The caller checks whether `member` may change the message.

        After this returns, `changes` never says that it is complete up to the version's rev without
        the version, unless a newer version has a rev above that.
        """

    def history(
        self, chat_id: str, *, member: str, before: int | None, limit: int
    ) -> list[Message] | None:
        """Messages with a seq below `before`, newest first. None: from the newest on."""

    def changes(self, chat_id: str, *, member: str, since: int, limit: int) -> ChangePage | None:
        """Messages whose rev is above `since`, each in its newest version, in the order of rev;
        complete up to the answer's rev. Its `chat` is None."""

    def undelivered(
        self, chat_id: str, *, member: str, since: int, until: int, limit: int
    ) -> list[Message] | None:
        """Messages of others with a seq from `since` to `until` and after `member`'s
        delivered_seq, oldest first, without deleted ones."""

    def now(self) -> datetime:
        """The time by the server's clock, which messages get their times from."""
