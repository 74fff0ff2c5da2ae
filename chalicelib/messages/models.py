"""Chats, memberships and messages, as services hand them around and clients see them."""

import re
from datetime import datetime
from typing import Annotated, Literal, NamedTuple

from pydantic import AfterValidator, Field

from chalicelib.ids import new_id
from chalicelib.messages.content import Content
from chalicelib.socket_events import declare
from chalicelib.wire import UUID, Id, Input, Limit, Model, Token, Utc

Rev = Annotated[int, Field(ge=0, le=2**53 - 1)]
"""A place in a chat's order; JavaScript clients must be able to hold it exactly."""


def _one_case(value: str) -> str:
    return value.lower() if re.fullmatch(UUID, value) else value


ClientId = Annotated[Token, Field(min_length=1, max_length=64), AfterValidator(_one_case)]
"""A client's own name for its message. A UUID is the same one in either case."""


UNANSWERED = 3
"""So many messages may be written to somebody who has written none."""


class Message(Model):
    """A message of a chat. `seq` is the `rev` it was created with and never changes."""

    id: str
    chat_id: str
    seq: int
    rev: int
    sender_id: str
    client_id: str
    content: Content
    created_at: Utc
    edited_at: Utc | None = None
    deleted_at: Utc | None = None


class Member(Model):
    """A membership with its receipts: cursors, so one write covers any number of messages."""

    user_id: str
    role: Literal["owner", "admin", "member"] = "member"
    joined_rev: int = 0
    read_seq: int = 0
    delivered_seq: int = 0


class Chat(Model):
    """A chat as one of its members sees it. `unread_count` counts at most 1,000.

    Until it is `answered`, each member sees only their own receipts.
    """

    id: str
    kind: Literal["direct"]
    answered: bool
    members: list[Member]
    last_rev: int
    last_message: Message | None
    unread_count: int
    created_at: Utc
    last_activity_at: Utc

    def seen_by(self, member: str) -> "Chat":
        """Without what the others share only once it is answered."""
        if self.answered:
            return self
        nothing = {"read_seq": 0, "delivered_seq": 0}
        members = [
            one if one.user_id == member else one.model_copy(update=nothing) for one in self.members
        ]
        return self.model_copy(update={"members": members})


class Draft(Input):
    """What a client sends to have a message stored. `client_id` makes a resend harmless."""

    client_id: ClientId
    content: Content


class NewMessage(Model):
    """A message before the store has given it its place, and the time by its own clock."""

    id: str
    chat_id: str
    sender_id: str
    client_id: str
    content: Content
    created_at: Utc | None = None
    """Only for a message from another time than now."""

    @classmethod
    def of(cls, draft: Draft, *, chat_id: str, sender_id: str) -> "NewMessage":
        return cls(
            id=new_id(),
            chat_id=chat_id,
            sender_id=sender_id,
            client_id=draft.client_id,
            content=draft.content,
        )

    def at(self, rev: int, time: datetime | None = None) -> Message:
        """The message in its place, stored at a time unless it has one."""
        return Message(seq=rev, rev=rev, **{**dict(self), "created_at": self.created_at or time})


class Stored(NamedTuple):
    """What `MessageStore.append` did: the message stored (first), and to whom it goes."""

    message: Message
    member_ids: list[str]
    created: bool  # False: a resend, `message` is the one stored first
    pending: bool  # its delivery is not settled


class Changes(Model):
    """Messages created or changed after a rev, in its order; complete up to `rev`."""

    items: list[Message]
    rev: int
    more: bool


class Receipt(Model):
    """How far a member has received and read a chat."""

    chat_id: str
    user_id: str
    read_seq: int
    delivered_seq: int


class Cursors(NamedTuple):
    """A receipt after an attempt to move it. Only `seen_by` may learn of it: everyone in the chat,
    once it is answered, and nobody but its own member until then."""

    receipt: Receipt
    moved: bool
    answered: bool
    seen_by: list[str]


class Owed(NamedTuple):
    """An acknowledgement: of a chat's messages from `since` up to `seq`, by one of its members."""

    user_id: str
    chat_id: str
    seq: int
    since: int = 0


class ChatNews(Model):
    """One chat in the answer to `sync`: its state, and its changes since the client's rev."""

    chat: Chat
    changes: list[Message]
    rev: int
    more: bool


class News(Model):
    """The answer to `sync`. `more`: chats were left out, sync again with the revs now known."""

    items: list[ChatNews]
    more: bool


class NewChat(Input):
    """Opens a direct chat with a user."""

    kind: Literal["direct"]
    user_id: Id


class Seen(Input):
    """A receipt: everything up to `seq`."""

    seq: Rev


class Known(Input):
    """What a client has: the rev of each chat it knows (at most 1,000 chats)."""

    chats: Annotated[dict[Id, Rev], Field(max_length=1000)]


class Page(Input):
    """Query of a list."""

    limit: Limit = 50
    cursor: Annotated[str, Field(max_length=256)] | None = None


class HistoryPage(Input):
    """Query of a chat's history."""

    before: Rev | None = None
    limit: Limit = 50


class Since(Input):
    """Query of a chat's changes."""

    since: Rev
    limit: Limit = 50


class SendMessage(Draft):
    """Data of `message.send`."""

    chat_id: Id


class SeenIn(Seen):
    """Data of `chat.read` and `chat.delivered`."""

    chat_id: Id


class Typing(Input):
    """Data of `chat.typing`."""

    chat_id: Id
    typing: bool


class SinceIn(Since):
    """Data of `chat.changes`."""

    chat_id: Id


class Watch(Input):
    """Data of `presence.watch`: whom this socket wants to know about, replacing whom it did."""

    user_ids: Annotated[list[Id], Field(max_length=200)]


class Nothing(Input):
    """No data."""


class PresenceOf(Model):
    """Whether a user is online, and if not, when they last were (null: long ago or never)."""

    user_id: str
    online: bool
    last_seen_at: Utc | None


class PresenceList(Model):
    """The presence of those asked for with whom one shares a chat."""

    items: list[PresenceOf]


class TypingOf(Model):
    """Somebody types in a chat, or stopped. A client forgets it after some seconds."""

    chat_id: str
    user_id: str
    typing: bool


MESSAGE_NEW = declare("message.new", Message, scope="chats.read")
RECEIPT = declare("chat.receipt", Receipt, scope="chats.read")
TYPING = declare("chat.typing", TypingOf, scope="chats.read")
PRESENCE = declare("presence", PresenceOf, scope="chats.read")
