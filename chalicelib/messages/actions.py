"""The actions of frames about chats and messages. If a client without sockets needs an action,
there is also a REST route."""

from chalicelib.deps import deps
from chalicelib.edge.frames import Action
from chalicelib.identity import Identity
from chalicelib.messages.models import socket_events  # noqa: F401, it declares the events
from chalicelib.messages.models.changes import ChangePage, SyncAnswer
from chalicelib.messages.models.messages import Message
from chalicelib.messages.models.requests import (
    ChatReceiptUpdate,
    SendMessage,
    SinceIn,
    SyncRequest,
    Typing,
)


def send(identity: Identity, data: SendMessage) -> Message:
    """Store a message and deliver it; a resend answers with the message stored first."""
    message, _ = deps.sending.send(identity, data.chat_id, data)
    return message


def read(identity: Identity, data: ChatReceiptUpdate) -> None:
    """You have read all messages up to `seq`."""
    deps.receipts.read(identity, data.chat_id, data.seq)


def delivered(identity: Identity, data: ChatReceiptUpdate) -> None:
    """This device has all messages up to `seq`. Send it at once, or you get a push."""
    deps.receipts.delivered(identity, data.chat_id, data.seq)


def typing(identity: Identity, data: Typing) -> None:
    """Show the other members that you are typing, or have stopped. Does nothing until the chat is
    answered."""
    deps.receipts.typing(identity, data.chat_id, data.typing)


def changes(identity: Identity, data: SinceIn) -> ChangePage:
    """The changes of a chat after a rev, in order; complete up to the answer's rev. The answer has
    the chat if its own state changed."""
    return deps.reading.changes(identity, data.chat_id, since=data.since, limit=data.limit)


def sync(identity: Identity, data: SyncRequest) -> SyncAnswer:
    """Every chat that has changes for you; repeat while `more`."""
    return deps.reading.sync(identity, data.chats)


ACTIONS = {
    "message.send": Action(send, scope="chats.write", limit="send", tag="Messages"),
    "chat.read": Action(read, scope="chats.write", tag="Chats"),
    "chat.delivered": Action(delivered, scope="chats.write", tag="Chats"),
    "chat.typing": Action(typing, scope="chats.write", limit="typing", tag="Chats"),
    "chat.changes": Action(changes, scope="chats.read", tag="Messages"),
    "sync": Action(sync, scope="chats.read", tag="Chats"),
}
