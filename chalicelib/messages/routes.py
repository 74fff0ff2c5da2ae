"""Chats and messages over HTTP."""

from typing import Annotated

from chalice import Blueprint
from pydantic import Field

from chalicelib.deps import deps
from chalicelib.edge.rest import Reply, endpoint
from chalicelib.errors import ChatNotFound, NotAnswered, UserNotFound
from chalicelib.identity import Identity
from chalicelib.messages.models.changes import ChangePage, SyncAnswer
from chalicelib.messages.models.chats import Chat
from chalicelib.messages.models.messages import Draft, Message
from chalicelib.messages.models.requests import NewChat, ReceiptUpdate, Since, SyncRequest
from chalicelib.messages.pages import (
    ChatPage,
    ChatQuery,
    HistoryQuery,
    MemberPage,
    MemberQuery,
    MessagePage,
)
from chalicelib.wire import Id

bp = Blueprint(__name__)

ChatId = Annotated[Id, Field(description="The chat's id.")]


@endpoint(
    bp,
    "POST /v1/chats",
    tag="Chats",
    errors=(UserNotFound,),
    scope="chats.write",
    limit="chats",
    status=(201, 200),
)
def open_chat(identity: Identity, body: NewChat) -> Reply[Chat]:
    """Open a direct chat.

    201 if it is new, 200 with the chat that you have with this user already.
    """
    chat, made = deps.opening.open_direct(identity, body.user_id)
    return Reply(chat, 201 if made else 200)


@endpoint(bp, "GET /v1/chats", tag="Chats", scope="chats.read")
def list_chats(identity: Identity, query: ChatQuery) -> ChatPage:
    """List your chats.

    Newest activity first.
    """
    return deps.reading.chats(identity, query)


@endpoint(bp, "GET /v1/chats/{chat_id}", tag="Chats", errors=(ChatNotFound,), scope="chats.read")
def get_chat(chat_id: ChatId, identity: Identity) -> Chat:
    """Get one of your chats.

    It has your receipts, in a direct chat also those of the other member, the last message and your
    unread count.
    """
    return deps.reading.chat(identity, chat_id)


@endpoint(
    bp,
    "GET /v1/chats/{chat_id}/members",
    tag="Chats",
    errors=(ChatNotFound,),
    scope="chats.read",
)
def list_members(chat_id: ChatId, identity: Identity, query: MemberQuery) -> MemberPage:
    """List a chat's members.

    In the order of `user_id`, with their receipts. Until a direct chat is answered, the other
    member's receipts are 0.
    """
    return deps.reading.members(identity, chat_id, query)


@endpoint(
    bp,
    "POST /v1/chats/{chat_id}/messages",
    tag="Messages",
    errors=(ChatNotFound, NotAnswered),
    scope="chats.write",
    limit="send",
    status=(201, 200),
)
def send_message(chat_id: ChatId, identity: Identity, body: Draft) -> Reply[Message]:
    """Send a message.

    201 if it is new. A resend with the same `client_id` is answered with 200 and the message
    that was stored first. To somebody who has not written in this chat yet, you can send three
    at most.
    """
    message, new = deps.sending.send(identity, chat_id, body)
    return Reply(message, 201 if new else 200)


@endpoint(
    bp,
    "GET /v1/chats/{chat_id}/messages",
    tag="Messages",
    errors=(ChatNotFound,),
    scope="chats.read",
)
def list_messages(chat_id: ChatId, identity: Identity, query: HistoryQuery) -> MessagePage:
    """List a chat's messages.

    Newest first. A page may hold fewer than `limit`; follow `next`.
    """
    return deps.reading.history(identity, chat_id, before=query.before, limit=query.limit)


@endpoint(
    bp,
    "GET /v1/chats/{chat_id}/changes",
    tag="Messages",
    errors=(ChatNotFound,),
    scope="chats.read",
)
def list_changes(chat_id: ChatId, identity: Identity, query: Since) -> ChangePage:
    """List what changed in a chat.

    Messages created or changed after a rev, each in its newest version, in the order of their
    `rev`; complete up to the `rev` of the answer. It has the chat if the chat's own state changed.
    """
    return deps.reading.changes(identity, chat_id, since=query.since, limit=query.limit)


@endpoint(
    bp,
    "POST /v1/chats/{chat_id}/read",
    tag="Messages",
    errors=(ChatNotFound,),
    scope="chats.write",
    status=204,
)
def read(chat_id: ChatId, identity: Identity, body: ReceiptUpdate) -> None:
    """Say that you have read messages.

    All of the chat up to `seq`. A smaller `seq` than before changes nothing.
    """
    deps.receipts.read(identity, chat_id, body.seq)


@endpoint(
    bp,
    "POST /v1/chats/{chat_id}/delivered",
    tag="Messages",
    errors=(ChatNotFound,),
    scope="chats.write",
    status=204,
)
def delivered(chat_id: ChatId, identity: Identity, body: ReceiptUpdate) -> None:
    """Say that this device has received messages.

    All of the chat up to `seq`. A smaller `seq` than before changes nothing.
    """
    deps.receipts.delivered(identity, chat_id, body.seq)


@endpoint(bp, "POST /v1/sync", tag="Chats", scope="chats.read")
def sync(identity: Identity, body: SyncRequest) -> SyncAnswer:
    """Get every chat that has news for you.

    For a client that was away. Repeat it while `more` is true.
    """
    return deps.reading.sync(identity, body.chats)
