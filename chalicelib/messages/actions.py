"""The actions of frames. If a client without sockets needs an action, there is also a REST
route."""

from chalicelib.deps import deps
from chalicelib.edge.frames import Action
from chalicelib.identity import Identity
from chalicelib.live.models import PresenceList
from chalicelib.messages.models import (
    ChangePage,
    ChatReceiptUpdate,
    Message,
    Nothing,
    SendMessage,
    SinceIn,
    SyncAnswer,
    SyncRequest,
    Typing,
    Watch,
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
    """The changes of a chat after a rev, in order; complete up to the answer's rev."""
    return deps.reading.changes(identity, data.chat_id, since=data.since, limit=data.limit)


def sync(identity: Identity, data: SyncRequest) -> SyncAnswer:
    """Every chat that has changes for you; repeat while `more`."""
    return deps.reading.sync(identity, data.chats)


def watch(identity: Identity, data: Watch) -> PresenceList:
    """The presence of users now and, by events, for the next 15 minutes; a ping renews that.

    Users with whom you have no answered chat are left out: watch again when one is answered.
    """
    return deps.presence.watch(identity, data.user_ids)


def ping(identity: Identity, data: Nothing) -> None:
    """Keep the socket open; send a ping every minute."""
    deps.presence.ping(identity)


ACTIONS = {
    "message.send": Action(send, scope="chats.write", limit="send", tag="Messages"),
    "chat.read": Action(read, scope="chats.write", tag="Chats"),
    "chat.delivered": Action(delivered, scope="chats.write", tag="Chats"),
    "chat.typing": Action(typing, scope="chats.write", limit="typing", tag="Chats"),
    "chat.changes": Action(changes, scope="chats.read", tag="Messages"),
    "sync": Action(sync, scope="chats.read", tag="Chats"),
    "presence.watch": Action(
        watch, scope="chats.read", limit="watch", counts="user_ids", tag="Presence"
    ),
    "ping": Action(ping, scope="chats.read", tag="Connection"),
}
