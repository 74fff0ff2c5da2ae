"""The events about chats and messages that sockets get."""

from pydantic import Field

from chalicelib.live.events import declare
from chalicelib.messages.fields import ChatId, UserId
from chalicelib.messages.models.chats import ChatState
from chalicelib.messages.models.messages import Message
from chalicelib.messages.models.receipts import Receipt
from chalicelib.wire import Model


class UserTyping(Model):
    """Somebody is typing in a chat, or has stopped. A client stops showing it after some
    seconds."""

    chat_id: ChatId
    user_id: UserId
    typing: bool = Field(description="Whether they type, or have stopped.")


MESSAGE_NEW = declare(
    "message.new",
    Message,
    scope="chats.read",
    tag="Messages",
    about="A new message of a chat, in its newest version.",
)
MESSAGE_CHANGED = declare(
    "message.changed",
    Message,
    scope="chats.read",
    tag="Messages",
    about="A new version of a message: it was edited or deleted.",
)
CHAT_CHANGED = declare(
    "chat.changed",
    ChatState,
    scope="chats.read",
    tag="Chats",
    about="A new state of a chat: its title, photo or number of members changed.",
)
RECEIPT = declare("chat.receipt", Receipt, scope="chats.read", tag="Chats")
TYPING = declare("chat.typing", UserTyping, scope="chats.read", tag="Chats")
