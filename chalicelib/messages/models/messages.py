"""Messages, and what a client sends to have one stored."""

from datetime import datetime
from typing import Annotated

from pydantic import Field

from chalicelib.ids import new_id
from chalicelib.messages.content import Content, StoredContent
from chalicelib.messages.fields import ChatId, ClientId, MessageId, UserId
from chalicelib.wire import Input, Model, Utc

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
    rev: int = Field(
        description="The rev of its last change. Of two versions, the one with the "
        "higher rev is newer.",
        examples=[42],
    )
    sender_id: Annotated[UserId, Field(description="Who wrote it.")]
    client_id: str = Field(
        description="The id that the sender's client chose for it.",
        examples=["3e0f6a52-9c1d-4b7e-8f21-6a5d0c9b7e14"],
    )
    content: StoredContent | None = Field(description="What it says; null if it was deleted.")
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
    """Set only if the message gets another time than now."""

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
