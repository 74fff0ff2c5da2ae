"""Checks that a server does what the store needs, before it stores chats there."""

from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta

from pydantic import ValidationError
from pymongo.errors import OperationFailure

from chalicelib.errors import NotAnswered, Unavailable
from chalicelib.ids import direct_chat_id, new_id
from chalicelib.messages.content import TextContent
from chalicelib.messages.models.messages import Draft, Message, NewMessage
from chalicelib.messages.store import StoreUnfit
from chalicelib.messages.store.mongo.store import MongoStore
from chalicelib.wire import now

NEEDS = (
    "MESSAGES_URL: this server cannot keep chats. It must be MongoDB 4.2 or newer, because "
    "updates are sent as aggregation pipelines; servers that only speak its protocol may lack them"
)


def require_fit(url: str) -> None:
    """Use a test chat in new collections, which are dropped afterwards.

    Raises StoreUnfit with a sentence for the operator, or Unavailable. The version that a
    server reports is not looked at: servers that imitate MongoDB report one too.
    """
    store = MongoStore(url, prefix=f"fitness_{new_id()}_")
    try:
        wrong = next(_differences(store), None)
    except ValidationError:
        wrong = "text in an update"
    except OperationFailure as error:
        raise StoreUnfit(f"{NEEDS} (it answers with error {error.code}).") from None
    finally:
        with suppress(Unavailable, OperationFailure):
            store.drop()
        store.close()
    if wrong is not None:
        raise StoreUnfit(f"{NEEDS} (it is wrong about: {wrong}).")


def _differences(store: MongoStore) -> Iterator[str]:
    """The differences from MongoDB."""
    ana, bo, at = new_id(), new_id(), now()
    chat_id = direct_chat_id(ana, bo)
    store.chats.open_direct(chat_id, members=(ana, bo), at=at)
    # In an expression, each of these would not be plain text.
    draft = Draft(client_id="$last_rev", content=TextContent(kind="text", text="$$ROOT"))
    new = NewMessage.of(draft, chat_id=chat_id, sender_id=ana)
    sent = store.timeline.append(new, unanswered=1)
    if sent is None or sent.message != new.at(1, sent.message.created_at):
        yield "sending"
        return
    # Like a sender that died: the next reader of the chat finds the message in the outbox.
    store._db.messages.delete_one({"_id": new.id})
    changes = store.timeline.changes(chat_id, member=bo, since=0, limit=9)
    if changes is None or changes.items != [sent.message]:
        yield "catching up"
    later = at + timedelta(hours=1)
    if [one.newest for one in store.outbox.pending(before=later, limit=9)] != [sent.message]:
        yield "the outbox"
    store.outbox.settle(sent.change, published=False)
    if store.outbox.pending(before=later, limit=9):
        yield "settling"
    events = store.outbox.unpublished(limit=9)
    store.outbox.published(events)
    wanted = {chat_id, sent.message.id}
    if {one.id for one in events} != wanted or store.outbox.unpublished(limit=9):
        yield "events"
    chats = store.chats.page(bo, limit=9)
    if [(one.last_message, one.unread_count) for one in chats] != [(sent.message, 1)]:
        yield "listing"
    moved = store.cursors.move(chat_id, member=bo, read=1)
    if moved is None or not moved.moved:
        yield "receipts"
    with suppress(NotAnswered):
        second = new.model_copy(update={"id": new_id(), "client_id": "2"})
        store.timeline.append(second, unanswered=1)
        yield "what nobody answered"
    if store.chats.acquainted(ana, [bo]):
        yield "who does not know whom"
    answer = NewMessage.of(draft, chat_id=chat_id, sender_id=bo)
    answered = store.timeline.append(answer, unanswered=1)
    if answered is None or store.chats.acquainted(ana, [bo, new_id()]) != {bo}:
        yield "who knows whom"
        return
    store.outbox.settle(answered.change)
    yield from _differences_of_changes(store, answered.message)


def _differences_of_changes(store: MongoStore, message: Message) -> Iterator[str]:
    """The differences from MongoDB when a message gets a new version, and its chat a new title."""
    chat_id, bo = message.chat_id, message.sender_id
    content = TextContent(kind="text", text="$content")
    edited = store.timeline.revise(chat_id, message.seq, member=bo, content=content)
    renamed = store.chats.rename(chat_id, member=bo, title="$title")
    if edited is None or renamed is None:
        yield "changing"
        return
    # Like a function that died: the next reader of the chat finds the version in its changes.
    store._db.messages.update_one({"_id": message.id}, {"$set": message.model_dump(exclude={"id"})})
    later = now() + timedelta(hours=1)
    pending = [(one.rev, one.newest) for one in store.outbox.pending(before=later, limit=9)]
    wanted = message.model_copy(
        update={"content": content, "rev": edited.rev, "edited_at": edited.at}
    )
    if pending != [(edited.rev, wanted), (renamed.rev, renamed.newest)]:
        yield "changes"
    store.outbox.settle(edited)
    store.outbox.settle(renamed)
    if store.outbox.pending(before=later, limit=9):
        yield "settling changes"
    chat = store.chats.get(chat_id, member=bo)
    if chat is None or (chat.title, chat.last_message) != ("$title", wanted):
        yield "showing changes"
