"""What clients ask for and send, besides new messages."""

from typing import Annotated, Literal

from pydantic import Field

from chalicelib.messages.fields import Rev
from chalicelib.messages.models.messages import Draft
from chalicelib.wire import Id, Input, PageSize


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
            "chats. For other chats, the answer has only the newest changes: read their messages "
            "in the history.",
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
