"""Chats and their members."""

from typing import Annotated, Literal

from pydantic import Field

from chalicelib.messages.fields import ChatId, DeliveredSeq, LastRev, ReadSeq, StateRev, UserId
from chalicelib.messages.models.messages import Message
from chalicelib.wire import Model, OurId, Utc

Role = Annotated[
    Literal["owner", "admin", "member"], Field(description="What the member may do in the chat.")
]
JoinedRev = Annotated[
    int, Field(description="The chat's rev when the member joined.", examples=[0])
]
Title = Annotated[
    str | None, Field(description="The name of a group; null for a direct chat.", examples=[None])
]
Photo = Annotated[
    OurId | None, Field(description="The id of the chat's photo; null if it has none.")
]
MemberCount = Annotated[int, Field(description="How many members the chat has.", examples=[2])]


class Me(Model):
    """Your own membership of a chat, with your receipts."""

    role: Role = "member"
    joined_rev: JoinedRev = 0
    read_seq: ReadSeq = 0
    delivered_seq: DeliveredSeq = 0


class Member(Me):
    """A member of a chat, with their receipts."""

    user_id: UserId


class Partner(Model):
    """The other member of a direct chat, with their receipts."""

    user_id: UserId
    read_seq: ReadSeq = 0
    delivered_seq: DeliveredSeq = 0


class Chat(Model):
    """A chat as one of its members sees it. It has the same size for any number of members."""

    id: ChatId
    kind: Literal["direct", "group"] = Field(
        description="`direct`: between two people. `group`: between any number of people."
    )
    title: Title = None
    photo: Photo = None
    member_count: MemberCount
    me: Me = Field(description="Your membership, with your receipts.")
    partner: Partner | None = Field(
        description="The other member of a direct chat; null for a group. Until the chat is "
        "answered, their receipts are 0."
    )
    answered: bool = Field(
        description="Whether both members have written. Until then, each of them sees only their "
        "own receipts. The first message of the second member makes it true, without a new "
        "`state_rev`. Always true for a group."
    )
    last_rev: LastRev
    state_rev: StateRev
    last_message: Message | None = Field(
        description="The newest message; null if there is none yet."
    )
    unread_count: int = Field(
        description="How many messages of others you have not read; counted up to 1,000.",
        examples=[1],
    )
    created_at: Utc = Field(description="When it was opened.")
    last_activity_at: Utc = Field(
        description="When its newest message was stored. Without messages: when it was opened."
    )

    def as_seen(self) -> "Chat":
        """The chat as its reader may see it: without the partner's receipts until it is
        answered."""
        if self.answered or self.partner is None:
            return self
        return self.model_copy(update={"partner": Partner(user_id=self.partner.user_id)})


class ChatState(Model):
    """The chat's own state: its title, photo and number of members."""

    chat_id: ChatId
    rev: int = Field(
        description="The `state_rev` of the chat. Of two states, the one with the "
        "higher rev is newer.",
        examples=[42],
    )
    title: Title = None
    photo: Photo = None
    member_count: MemberCount
