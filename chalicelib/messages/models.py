"""Chats, members and messages: in services, in stores, and for clients."""

from datetime import datetime
from typing import Annotated, Literal, NamedTuple

from pydantic import Field

from chalicelib.ids import new_id
from chalicelib.live.events import declare
from chalicelib.messages.content import Content, StoredContent
from chalicelib.messages.fields import (
    ChatId,
    ClientId,
    DeliveredSeq,
    LastRev,
    MessageId,
    ReadSeq,
    Rev,
    UpToRev,
    UserId,
)
from chalicelib.wire import Id, Input, Model, PageSize, Utc

UNANSWERED = 3
"""How many messages a user may send in a chat before another member has written in it."""


class Message(Model):
    """A message of a chat."""

    id: MessageId
    chat_id: ChatId
    seq: int = Field(
        description="Its place in the chat: the `rev` it was created with. It never changes.",
        examples=[42],
    )
    rev: int = Field(description="The rev of its last change.", examples=[42])
    sender_id: Annotated[UserId, Field(description="Who wrote it.")]
    client_id: str = Field(
        description="The sender's own name for it.",
        examples=["3e0f6a52-9c1d-4b7e-8f21-6a5d0c9b7e14"],
    )
    content: StoredContent = Field(description="What it says.")
    created_at: Utc = Field(description="When it was stored.")
    edited_at: Utc | None = Field(
        None, description="When it was last edited; null if never.", examples=[None]
    )
    deleted_at: Utc | None = Field(
        None, description="When it was deleted; null if it was not.", examples=[None]
    )


ChangedMessages = Annotated[
    list[Message], Field(description="Messages as they are now, in the order of their `rev`.")
]


class Member(Model):
    """A member with their receipts. Receipts are cursors, so one write covers any number of
    messages."""

    user_id: UserId
    role: Literal["owner", "admin", "member"] = Field(
        "member", description="What the member may do in the chat."
    )
    joined_rev: int = Field(0, description="The rev of the chat when they joined.", examples=[0])
    read_seq: ReadSeq = 0
    delivered_seq: DeliveredSeq = 0


class Chat(Model):
    """A chat as one of its members sees it."""

    id: ChatId
    kind: Literal["direct"] = Field(description="`direct`: between two people.")
    answered: bool = Field(
        description="Whether both have written. Until then, each sees only their own receipts."
    )
    members: list[Member] = Field(description="Its members, you among them.")
    last_rev: LastRev
    last_message: Message | None = Field(
        description="The newest message; null if there is none yet."
    )
    unread_count: int = Field(
        description="How many messages of others you have not read; counted up to 1,000.",
        examples=[1],
    )
    created_at: Utc = Field(description="When it was opened.")
    last_activity_at: Utc = Field(description="When its newest message was stored, or it was made.")

    def seen_by(self, member: str) -> "Chat":
        """The chat as `user_id` may see it: without the receipts of others until it is answered."""
        if self.answered:
            return self
        nothing = {"read_seq": 0, "delivered_seq": 0}
        members = [
            one if one.user_id == member else one.model_copy(update=nothing) for one in self.members
        ]
        return self.model_copy(update={"members": members})


class Draft(Input):
    """What a client sends to have a message stored."""

    client_id: ClientId
    content: Content = Field(description="What the message says.")


class NewMessage(Model):
    """A message before the store gives it a seq, a rev and a time by the server's clock."""

    id: str
    chat_id: str
    sender_id: str
    client_id: str
    content: Content
    created_at: Utc | None = None
    """Only set if the message's time is not now."""

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
        """The message at this rev, with `time` if it has none of its own."""
        return Message(seq=rev, rev=rev, **{**dict(self), "created_at": self.created_at or time})


class Stored(NamedTuple):
    """The result of `Timeline.append`: the message and its recipients."""

    message: Message
    member_ids: list[str]
    created: bool  # False: a resend; `message` is the one that was stored first
    pending: bool  # its delivery is not complete


class ChangePage(Model):
    """Messages created or changed after a rev, in order; complete up to `rev`."""

    items: ChangedMessages
    rev: UpToRev
    more: bool = Field(description="Whether there are more after `rev`: ask again from there.")


class Receipt(Model):
    """How far a member has received and read a chat."""

    chat_id: ChatId
    user_id: UserId
    read_seq: ReadSeq
    delivered_seq: DeliveredSeq


class ReceiptState(NamedTuple):
    """A receipt after an attempt to move it. Only the users in `seen_by` may see it: all members if
    the chat is answered, otherwise only its own member."""

    receipt: Receipt
    moved: bool
    answered: bool
    seen_by: list[str]


class ChatSync(Model):
    """One chat in the answer to `sync`: its state, and its changes since the client's rev."""

    chat: Chat = Field(description="The chat as it is now.")
    changes: ChangedMessages
    rev: UpToRev
    more: bool = Field(
        description="Whether there are more changes after `rev`: ask for them, or sync again."
    )


class SyncAnswer(Model):
    """The answer to `sync`."""

    items: list[ChatSync] = Field(description="The chats with changes.")
    more: bool = Field(
        description="Whether chats were left out: sync again with the revs that you know now."
    )


class NewChat(Input):
    """Opens a direct chat with a user."""

    kind: Literal["direct"] = Field(description="`direct`: between you and one other user.")
    user_id: Id = Field(description="Whom to chat with.")


class ReceiptUpdate(Input):
    """A receipt: all messages up to `seq`."""

    seq: Annotated[Rev, Field(description="The `seq` of the newest message that it covers.")]


class SyncRequest(Input):
    """The revs that a client has."""

    chats: Annotated[
        dict[Id, Rev],
        Field(
            max_length=1000,
            description="The rev up to which you know each chat, by the chat's id; at most 1,000 "
            "chats. Chats that are not named are answered as new ones.",
            examples=[{"0199b7a2-5c1e-7d34-8f60-2b9d41c7e853": 42}],
        ),
    ]


class SendMessage(Draft):
    """Data of `message.send`."""

    chat_id: Id = Field(description="The chat's id.")


class ChatReceiptUpdate(ReceiptUpdate):
    """Data of `chat.read` and `chat.delivered`."""

    chat_id: Id = Field(description="The chat's id.")


class Typing(Input):
    """Data of `chat.typing`."""

    chat_id: Id = Field(description="The chat's id.")
    typing: bool = Field(description="Whether you type, or have stopped.")


class Since(Input):
    """Query of a chat's changes."""

    since: Annotated[Rev, Field(description="Only what changed after this rev is answered.")]
    limit: PageSize = 50


class SinceIn(Since):
    """Data of `chat.changes`."""

    chat_id: Id = Field(description="The chat's id.")


class Watch(Input):
    """Data of `presence.watch`: the users that this socket watches, instead of earlier ones."""

    user_ids: Annotated[
        list[Id], Field(max_length=200, description="The users to watch; none to stop.")
    ]


class Nothing(Input):
    """No data."""


class UserTyping(Model):
    """Somebody is typing in a chat, or has stopped. A client stops showing it after some
    seconds."""

    chat_id: ChatId
    user_id: UserId
    typing: bool = Field(description="Whether they type, or have stopped.")


MESSAGE_NEW = declare("message.new", Message, scope="chats.read", tag="Messages")
RECEIPT = declare("chat.receipt", Receipt, scope="chats.read", tag="Chats")
TYPING = declare("chat.typing", UserTyping, scope="chats.read", tag="Chats")
