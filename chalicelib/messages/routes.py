"""Chats and messages over HTTP."""

from chalice import Blueprint

from chalicelib.auth.models import Identity
from chalicelib.deps import deps
from chalicelib.errors import ChatNotFound, NotAnswered, UserNotFound
from chalicelib.messages.models import (
    Changes,
    Chat,
    Draft,
    HistoryPage,
    Known,
    Message,
    NewChat,
    News,
    Page,
    Seen,
    Since,
)
from chalicelib.messages.pages import ChatPage, HistoryOf
from chalicelib.rest import Reply, endpoint
from chalicelib.wire import Id

bp = Blueprint(__name__)


@endpoint(
    bp,
    "POST /v1/chats",
    errors=(UserNotFound,),
    scope="chats.write",
    limit="chats",
    status=(201, 200),
)
def open_chat(identity: Identity, body: NewChat) -> Reply[Chat]:
    """Open a direct chat: 201, or 200 where it exists."""
    chat, made = deps.messages.open_direct(identity, body.user_id)
    return Reply(chat, 201 if made else 200)


@endpoint(bp, "GET /v1/chats", scope="chats.read")
def list_chats(identity: Identity, query: Page) -> ChatPage:
    """Your chats, newest activity first."""
    return deps.messages.chats(identity, query)


@endpoint(bp, "GET /v1/chats/{chat_id}", errors=(ChatNotFound,), scope="chats.read")
def get_chat(chat_id: Id, identity: Identity) -> Chat:
    """A chat with its members' receipts, its last message and your unread count."""
    return deps.messages.chat(identity, chat_id)


@endpoint(
    bp,
    "POST /v1/chats/{chat_id}/messages",
    errors=(ChatNotFound, NotAnswered),
    scope="chats.write",
    limit="send",
    status=(201, 200),
)
def send_message(chat_id: Id, identity: Identity, body: Draft) -> Reply[Message]:
    """Send a message: 201, or 200 with the message stored first for a resend. To somebody who has
    not written in this chat yet: three at most."""
    message, new = deps.messages.send(identity, chat_id, body)
    return Reply(message, 201 if new else 200)


@endpoint(bp, "GET /v1/chats/{chat_id}/messages", errors=(ChatNotFound,), scope="chats.read")
def list_messages(chat_id: Id, identity: Identity, query: HistoryPage) -> HistoryOf:
    """A chat's messages, newest first. A page may hold fewer than `limit`; follow `next`."""
    return deps.messages.history(identity, chat_id, before=query.before, limit=query.limit)


@endpoint(bp, "GET /v1/chats/{chat_id}/changes", errors=(ChatNotFound,), scope="chats.read")
def list_changes(chat_id: Id, identity: Identity, query: Since) -> Changes:
    """Messages created or changed after a rev, in its order; complete up to the answer's rev."""
    return deps.messages.changes(identity, chat_id, since=query.since, limit=query.limit)


@endpoint(
    bp, "POST /v1/chats/{chat_id}/read", errors=(ChatNotFound,), scope="chats.write", status=204
)
def read(chat_id: Id, identity: Identity, body: Seen) -> None:
    """You have read everything up to `seq`."""
    deps.messages.read(identity, chat_id, body.seq)


@endpoint(
    bp,
    "POST /v1/chats/{chat_id}/delivered",
    errors=(ChatNotFound,),
    scope="chats.write",
    status=204,
)
def delivered(chat_id: Id, identity: Identity, body: Seen) -> None:
    """This device has everything up to `seq`."""
    deps.messages.delivered(identity, chat_id, body.seq)


@endpoint(bp, "POST /v1/sync", scope="chats.read")
def sync(identity: Identity, body: Known) -> News:
    """Every chat that has news for you; repeat while `more`."""
    return deps.messages.sync(identity, body.chats)
