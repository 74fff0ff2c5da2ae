"""The outbox in MongoDB: messages to deliver, and events to publish.

A message that is not delivered is in its chat's document, complete. The event of a new chat is a
mark in the chat's document until it is published. The event of a message has its own document: a
chat has no room for all messages that are sent while RabbitMQ is down.
"""

from collections.abc import Collection
from datetime import datetime

from chalicelib.domain_events.models import ChatCreated
from chalicelib.messages.events import ChatEvent
from chalicelib.messages.models import Message, Stored
from chalicelib.messages.store.mongo.documents import Document, Documents, again, stored
from chalicelib.messages.store.outbox import NO_CHAT, Outbox, Place

NEW_CHAT: Document = {"member_ids": 1, "created_at": 1}


class MongoOutbox(Outbox):
    """A chat's document has an `outbox`: its messages that are not settled."""

    def __init__(self, documents: Documents) -> None:
        self._db = documents

    @again
    def settle(self, message: Message, *, published: bool = True) -> None:
        last = {"$literal": {"id": message.id, "seq": message.seq}}
        newer = {"$gt": [message.seq, {"$ifNull": ["$last.seq", 0]}]}
        with self._db.bounded():
            if not published:
                # First: a function that dies in between leaves a message that is delivered again.
                self._keep(ChatEvent.of(message))
            self._db.chats.update_one(
                {"_id": message.chat_id, "outbox._id": message.id},
                [
                    {"$set": {"last": {"$cond": [newer, last, "$last"]}}},
                    *take_out(message.id),
                ],
            )

    @again
    def pending(self, *, before: datetime, limit: int, after: Place | None = None) -> list[Stored]:
        created: Document = {"$lt": before}
        later: Document = {}
        if after is not None:
            at, chat_id, seq = after
            created["$gte"] = at
            later["$or"] = [
                {"outbox.created_at": {"$gt": at}},
                {"_id": {"$gt": chat_id}},
                {"_id": chat_id, "outbox.seq": {"$gt": seq}},
            ]
        with self._db.bounded():
            found = list(
                self._db.chats.aggregate(
                    [
                        {"$match": {"outbox": {"$elemMatch": {"created_at": created}}}},
                        {"$project": {"outbox": 1, "member_ids": 1}},
                        {"$unwind": "$outbox"},
                        {"$match": {"outbox.created_at": created, **later}},
                        {"$sort": {"outbox.created_at": 1, "_id": 1, "outbox.seq": 1}},
                        {"$limit": limit},
                    ]
                )
            )
            landed = self._db.landed(chat["outbox"] for chat in found)
            for chat in found:
                if chat["outbox"]["_id"] not in landed:
                    # A resend whose function died before it removed its entry.
                    out = take_out(chat["outbox"]["_id"])
                    self._db.chats.update_one({"_id": chat["_id"]}, out)
        return [
            Stored(
                stored(landed[chat["outbox"]["_id"]]),
                chat["member_ids"],
                created=False,
                pending=True,
            )
            for chat in found
            if chat["outbox"]["_id"] in landed
        ]

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

    def _keep(self, event: ChatEvent) -> None:
        """Store the event of a message."""
        waiting = {"type": event.type, "data": event.data, "at": event.at}
        self._db.events.replace_one({"_id": event.id}, waiting, upsert=True)


def take_out(message_id: str) -> list[Document]:
    """Remove a message from the outbox. An empty outbox is removed too, so the sparse index skips
    the chat."""
    others = {"$ne": ["$$entry._id", {"$literal": message_id}]}
    outbox = {"input": {"$ifNull": ["$outbox", []]}, "as": "entry", "cond": others}
    return [
        {"$set": {"outbox": {"$filter": outbox}}},
        {"$set": {"outbox": {"$cond": [{"$eq": ["$outbox", []]}, "$$REMOVE", "$outbox"]}}},
    ]
