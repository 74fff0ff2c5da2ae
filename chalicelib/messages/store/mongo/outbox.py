"""The outbox in MongoDB: changes to deliver, and events to publish.

A change that is not delivered is in its chat's document: a new message, complete, in `outbox`; any
other change in `changes`. The event of a new chat is a mark in the chat's document until it is
published. The event of a message has its own document: a chat has no room for all messages that are
sent while RabbitMQ is down.
"""

import logging
from collections.abc import Collection
from datetime import datetime

from pydantic import ValidationError

from chalicelib.domain_events.models import ChatCreated
from chalicelib.messages.events import ChatEvent
from chalicelib.messages.models.changes import Change
from chalicelib.messages.models.chats import ChatState
from chalicelib.messages.models.messages import Message
from chalicelib.messages.store.mongo.changes import take_out_change, take_out_message
from chalicelib.messages.store.mongo.completing import completed
from chalicelib.messages.store.mongo.documents import (
    STATE,
    Document,
    Documents,
    again,
    chat_state,
    stored,
)
from chalicelib.messages.store.outbox import NO_CHAT, Outbox, Place

log = logging.getLogger(__name__)

NEW_CHAT: Document = {"member_ids": 1, "created_at": 1}


class MongoOutbox(Outbox):
    """A chat's document has its changes that are not settled."""

    def __init__(self, documents: Documents) -> None:
        self._db = documents

    @again
    def settle(self, change: Change, *, published: bool = True) -> None:
        with self._db.bounded():
            if change.new_message is None:
                self._db.chats.update_one(
                    {"_id": change.chat_id, "changes.rev": change.rev}, take_out_change(change.rev)
                )
                return
            if not published:
                # First: a function that dies in between leaves a message that is delivered again.
                self._keep(ChatEvent.of(change.new_message))
            self._settle_new(change.new_message)

    @again
    def pending(self, *, before: datetime, limit: int, after: Place | None = None) -> list[Change]:
        with self._db.bounded():
            while True:
                found = list(self._db.chats.aggregate(waiting(before, limit, after)))
                changes = self._changes(found)
                if changes or len(found) < limit:
                    return changes
                after = (found[-1]["at"], found[-1]["chat"]["_id"], found[-1]["rev"])

    @again
    def unpublished(self, *, limit: int, after: str = NO_CHAT) -> list[ChatEvent]:
        with self._db.bounded():
            later = {"_id": {"$gt": after}}
            messages = self._db.events.find(later).sort("_id").limit(limit)
            new = {"unpublished": True, **later}
            chats = self._db.chats.find(new, NEW_CHAT).sort("_id").limit(limit)
            found = [
                *(ChatEvent(one["_id"], one["type"], one["data"], one["at"]) for one in messages),
                *(
                    ChatEvent.of_chat(one["_id"], one["member_ids"], one["created_at"])
                    for one in chats
                ),
            ]
        return sorted(found, key=lambda event: event.id)[:limit]

    @again
    def published(self, events: Collection[ChatEvent]) -> None:
        of_chats = [event.id for event in events if event.type == ChatCreated.type]
        of_messages = [event.id for event in events if event.id not in of_chats]
        with self._db.bounded():
            if of_chats:
                self._db.chats.update_many(
                    {"_id": {"$in": of_chats}}, {"$unset": {"unpublished": ""}}
                )
            if of_messages:
                self._db.events.delete_many({"_id": {"$in": of_messages}})

    def _changes(self, found: list[Document]) -> list[Change]:
        """The changes that can be delivered. Those whose message is not there are removed."""
        messages = completed(
            self._db,
            (_part(one) for one in found),
            also=[one["message_id"] for one in found if one["message_id"]],
        )
        changes = []
        for one in found:
            if one["message_id"] is None:
                changes.append(_change(one, chat_state(one["chat"])))
            elif one["message_id"] not in messages:
                self._forget(one)
            else:
                try:
                    changes.append(_change(one, stored(messages[one["message_id"]])))
                except ValidationError:
                    ids = {"chat_id": one["chat"]["_id"], "rev": one["rev"]}
                    log.error("change not understood", extra=ids)
        return changes

    def _settle_new(self, message: Message) -> None:
        last = {"$literal": {"id": message.id, "seq": message.seq}}
        newer = {"$gt": [message.seq, {"$ifNull": ["$last.seq", 0]}]}
        self._db.chats.update_one(
            {"_id": message.chat_id, "outbox._id": message.id},
            [
                {"$set": {"last": {"$cond": [newer, last, "$last"]}}},
                *take_out_message(message.id),
            ],
        )

    def _forget(self, one: Document) -> None:
        """Remove a change whose message is not there: a resend whose function died before it
        removed its entry, or a message that the server lost."""
        new = "new" in one
        out = take_out_message(one["message_id"]) if new else take_out_change(one["rev"])
        self._db.chats.update_one({"_id": one["chat"]["_id"]}, out)

    def _keep(self, event: ChatEvent) -> None:
        """Store the event of a message."""
        waiting = {"type": event.type, "data": event.data, "at": event.at}
        self._db.events.replace_one({"_id": event.id}, waiting, upsert=True)


def waiting(before: datetime, limit: int, after: Place | None) -> list[Document]:
    """The stages that find changes which are not settled, in the order of their places, each with
    its `chat`. `message_id` is null for a new state of the chat; a new message has `new`, its entry
    in the outbox."""
    created: Document = {"$lt": before}
    later: Document = {}
    if after is not None:
        at, chat_id, rev = after
        created["$gte"] = at
        later["$or"] = [
            {"at": {"$gt": at}},
            {"chat._id": {"$gt": chat_id}},
            {"chat._id": chat_id, "rev": {"$gt": rev}},
        ]
    due = {"$elemMatch": {"created_at": created}}
    chat = {name: f"${name}" for name in ("_id", "member_ids", *STATE)}
    place = {"at": "$$entry.created_at", "rev": "$$entry.rev"}
    new = _each("outbox", {**place, "message_id": "$$entry._id", "new": "$$entry"})
    others = _each("changes", {**place, "message_id": {"$ifNull": ["$$entry.id", None]}})
    return [
        {"$match": {"$or": [{"outbox": due}, {"changes": due}]}},
        {"$project": {"chat": chat, "waiting": {"$concatArrays": [new, others]}}},
        {"$unwind": "$waiting"},
        {"$replaceWith": {"$mergeObjects": [{"chat": "$chat"}, "$waiting"]}},
        {"$match": {"at": created, **later}},
        {"$sort": {"at": 1, "chat._id": 1, "rev": 1}},
        {"$limit": limit},
    ]


def _each(array: str, fields: Document) -> Document:
    entries = {"$ifNull": [f"${array}", []]}
    return {"$map": {"input": entries, "as": "entry", "in": fields}}


def _part(one: Document) -> Document:
    """A chat's document with this change only, as `completed` takes it."""
    if "new" in one:
        return {"outbox": [one["new"]]}
    version = {"id": one["message_id"], "rev": one["rev"]}
    return {"changes": [version] if one["message_id"] else []}


def _change(one: Document, newest: Message | ChatState) -> Change:
    chat = one["chat"]
    return Change(chat["_id"], one["rev"], one["at"], newest, chat["member_ids"], first=False)
