"""Changes of chats: in the outbox, and as clients catch up with them.

A change takes the next rev of its chat. It is a new message, a new version of a message, or a new
state of the chat itself.
"""

from datetime import datetime
from typing import NamedTuple

from pydantic import Field

from chalicelib.messages.fields import StateRev, UpToRev
from chalicelib.messages.models.chats import Chat, ChatState
from chalicelib.messages.models.messages import ChangedMessages, Message
from chalicelib.wire import Model


class Change(NamedTuple):
    """A change of a chat, as the outbox has it, with the newest version of the message or the
    newest state of the chat."""

    chat_id: str
    rev: int
    at: datetime  # when it was made
    newest: Message | ChatState
    member_ids: list[str]
    first: bool  # False: its delivery may have been tried before

    @property
    def new_message(self) -> Message | None:
        """The message, if the change is a new message; otherwise None."""
        if isinstance(self.newest, Message) and self.newest.seq == self.rev:
            return self.newest
        return None


class Stored(NamedTuple):
    """The result of `Timeline.append`: the message and its recipients."""

    message: Message
    member_ids: list[str]
    created: bool  # False: a resend; `message` is the one that was stored first
    pending: bool  # its delivery is not complete

    @property
    def change(self) -> Change:
        """The new message as a change."""
        message = self.message
        return Change(
            message.chat_id,
            message.seq,
            message.created_at,
            message,
            self.member_ids,
            first=self.created,
        )


class ChangePage(Model):
    """What changed in a chat after a rev; complete up to `rev`."""

    items: ChangedMessages
    rev: UpToRev
    state_rev: StateRev
    chat: Chat | None = Field(
        None,
        description="The chat as it is now, if its `state_rev` is above your rev and not above "
        "`rev`; otherwise null.",
    )
    more: bool = Field(
        description="Whether there are more changes after `rev`: ask again from there."
    )

    def covers_state(self, since: int) -> bool:
        """Whether the last change of the chat's own state is after `since` and in this page."""
        return since < self.state_rev <= self.rev


class ChatSync(Model):
    """One chat in the answer to `sync`: its state, and its changes since the client's rev."""

    chat: Chat = Field(
        description="The chat as it is now. Its own state has changed if its `state_rev` is above "
        "the rev you sent."
    )
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
