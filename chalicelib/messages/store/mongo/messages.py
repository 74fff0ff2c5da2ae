"""Chats and messages in MongoDB. A chat's outbox holds its messages until they are delivered.

Two documents change when a message is stored: the chat (its counter) and the message. A function
that dies in between leaves the whole message in the chat's outbox. The next one that reads the chat
completes the work: `Documents.landed`.
"""

from collections.abc import Collection, Mapping
from datetime import datetime
from itertools import islice
from typing import ClassVar

from pymongo import ASCENDING, DESCENDING, IndexModel, MongoClient, ReturnDocument
from pymongo.errors import DuplicateKeyError

from chalicelib.errors import NotAnswered
from chalicelib.errors.counted import unavailable
from chalicelib.messages.events import ChatEvent
from chalicelib.messages.models import (
    ChangePage,
    Chat,
    Cursors,
    Message,
    NewMessage,
    Receipt,
    Stored,
)
from chalicelib.messages.store import NO_CHAT, MessageStore, Place
from chalicelib.messages.store.mongo.documents import (
    SHORT,
    Document,
    Documents,
    again,
    cursors,
    insert_new,
    may_be_sent,
    sent_as,
    stored,
    take_out,
    take_place,
)

INDEX_SECONDS = 120.0
OUTBOX_LIMIT = 200
"""So many unsettled messages of 16 KB keep a chat far below MongoDB's 16 MB a document."""
LOOK_AT = 200

NEWEST_FIRST = [("last_activity_at", DESCENDING), ("_id", DESCENDING)]


class MongoMessages(MessageStore):
    """Revs may have gaps: a resend of a settled message takes one and leaves it empty."""

    INDEXES: ClassVar[dict[str, list[IndexModel]]] = {
        "chats": [
            IndexModel([("member_ids", ASCENDING)]),
            IndexModel([("outbox.created_at", ASCENDING)], sparse=True),
            IndexModel([("unpublished", ASCENDING)], sparse=True),
        ],
        "messages": [
            IndexModel([("chat_id", ASCENDING), ("seq", ASCENDING)], unique=True),
            IndexModel([("chat_id", ASCENDING), ("rev", ASCENDING)]),
            IndexModel(
                [("chat_id", ASCENDING), ("sender_id", ASCENDING), ("client_id", ASCENDING)],
                unique=True,
            ),
        ],
    }

    def __init__(self, url: str, *, prefix: str = "") -> None:
        """`prefix` goes before the names of all collections."""
        # `Documents.bounded` limits a call; the time to connect also limits checks of the server.
        # What is acknowledged or read is on disk on most servers of a replica set: a crash or a
        # failover takes nothing back. Arguments win over what the URL says.
        self._client: MongoClient[Document] = MongoClient(
            url,
            tz_aware=True,
            connectTimeoutMS=3000,
            maxPoolSize=4,
            w="majority",
            journal=True,
            readConcernLevel="majority",
        )
        self._db = Documents(self._client.get_default_database("parley"), prefix)

    def create_indexes(self) -> None:
        """Safe to repeat, and to run twice at once."""
        with self._db.bounded(INDEX_SECONDS):
            for name, indexes in self.INDEXES.items():
                self._db.chats.database[name].create_indexes(indexes)

    def look_who_wrote(self, unanswered: int) -> None:
        """Note in each chat of an older version whether it is answered. Safe to repeat, and to run
        twice at once."""
        unknown: Document = {"_id": {"$gt": ""}, "asked": {"$exists": False}, "answered": None}
        while True:
            with self._db.bounded(INDEX_SECONDS):
                page = list(self._db.chats.find(unknown).sort("_id", ASCENDING).limit(LOOK_AT))
                if not page:
                    return
                self._db.look_who_wrote(page, unanswered)
            unknown["_id"] = {"$gt": page[-1]["_id"]}

    def open_direct(
        self, chat_id: str, *, members: tuple[str, str], at: datetime
    ) -> tuple[Chat, bool]:
        with self._db.bounded():
            made = False
            chat = self._db.chat(chat_id, members[0])
            if chat is None:
                made = self._make(chat_id, members, at)
                chat = self._db.chat(chat_id, members[0])
            if chat is None:
                raise LookupError("this chat has other members")
            return self._db.views([chat], members[0])[0], made

    @again
    def append(self, new: NewMessage, *, unanswered: int) -> Stored | None:
        entry = {"_id": new.id, **new.model_dump(exclude={"id"})}
        same = {"sender_id": new.sender_id, "client_id": new.client_id}
        with self._db.bounded():
            chat = self._db.chats.find_one_and_update(
                {
                    "_id": new.chat_id,
                    "member_ids": new.sender_id,
                    "outbox": {"$not": {"$elemMatch": same}},
                    f"outbox.{OUTBOX_LIMIT - 1}": {"$exists": False},
                    "$or": may_be_sent(new, unanswered),
                },
                take_place(entry),
                projection={"member_ids": 1, "last_rev": 1, "placed_at": 1},
                return_document=ReturnDocument.AFTER,
            )
            if chat is None:
                return self._refused(new, unanswered)
            message = new.at(chat["last_rev"], chat["placed_at"])
            place = {"seq": message.seq, "rev": message.rev, "created_at": message.created_at}
            try:
                self._db.messages.insert_one({**entry, **place})
            except DuplicateKeyError:
                first = self._db.messages.find_one(sent_as(new))
                if first is None:
                    # Its place is another's: the server went back on a counter it had confirmed.
                    # The job takes it out of the outbox; sent again, it gets another place.
                    raise unavailable("messages") from None
                if (first["_id"], first["seq"]) != (new.id, message.seq):
                    # A resend, or our own second try, of what is settled.
                    self._db.chats.update_one({"_id": new.chat_id}, take_out(new.id))
                    ours = first["_id"] == new.id
                    return Stored(stored(first), chat["member_ids"], created=ours, pending=False)
                # else a reader was faster than we are
            return Stored(message, chat["member_ids"], created=True, pending=True)

    @again
    def settle(self, message: Message, *, published: bool = True) -> None:
        last = {"$literal": {"id": message.id, "seq": message.seq}}
        newer = {"$gt": [message.seq, {"$ifNull": ["$last.seq", 0]}]}
        with self._db.bounded():
            if not published:
                # First: who dies in between leaves a message that is delivered once more.
                self._db.keep(ChatEvent.of(message))
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
                    # A resend whose sender died before taking it back.
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
            return self._db.unpublished(limit, after)

    @again
    def published(self, events: Collection[ChatEvent]) -> None:
        with self._db.bounded():
            self._db.published(events)

    @again
    def chat(self, chat_id: str, *, member: str) -> Chat | None:
        with self._db.bounded():
            chat = self._db.chats.find_one({"_id": chat_id, "member_ids": member}, SHORT)
            return self._db.views([chat], member)[0] if chat else None

    @again
    def chats(
        self, member: str, *, limit: int, before: tuple[datetime, str] | None = None
    ) -> list[Chat]:
        wanted: Document = {"member_ids": member}
        if before is not None:
            at, chat_id = before
            wanted["$or"] = [
                {"last_activity_at": {"$lt": at}},
                {"last_activity_at": at, "_id": {"$lt": chat_id}},
            ]
        with self._db.bounded():
            found = self._db.chats.find(wanted, SHORT).sort(NEWEST_FIRST).limit(limit)
            return self._db.views(list(found), member)

    @again
    def news(self, member: str, known: Mapping[str, int], *, limit: int) -> list[Chat]:
        """Looks at the revs of all chats first: they are small, and most have no news."""
        with self._db.bounded():
            revs = self._db.chats.find({"member_ids": member}, {"last_rev": 1}).sort(NEWEST_FIRST)
            fresh = (one["_id"] for one in revs if one["last_rev"] > known.get(one["_id"], 0))
            ids = list(islice(fresh, limit))
            if not ids:
                return []
            found = self._db.chats.find({"_id": {"$in": ids}, "member_ids": member}, SHORT)
            return self._db.views(list(found.sort(NEWEST_FIRST)), member)

    @again
    def history(
        self, chat_id: str, *, member: str, before: int | None, limit: int
    ) -> list[Message] | None:
        with self._db.bounded():
            chat = self._db.chat(chat_id, member)
            if chat is None:
                return None
            self._db.landed(chat.get("outbox", []))
            newest = chat["last_rev"] if before is None else min(before - 1, chat["last_rev"])
            return self._db.page(
                {"chat_id": chat_id}, "seq", DESCENDING, low=0, high=newest, limit=limit
            )

    @again
    def changes(self, chat_id: str, *, member: str, since: int, limit: int) -> ChangePage | None:
        with self._db.bounded():
            chat = self._db.chat(chat_id, member)
            if chat is None:
                return None
            self._db.landed(chat.get("outbox", []))
            last = chat["last_rev"]
            items = self._db.page(
                {"chat_id": chat_id}, "rev", ASCENDING, low=since, high=last, limit=limit + 1
            )
        more = len(items) > limit
        rev = items[limit - 1].rev if more else last
        return ChangePage(items=items[:limit], rev=rev, more=more)

    def move_cursors(
        self, chat_id: str, *, member: str, read: int = 0, delivered: int = 0
    ) -> Cursors | None:
        with self._db.bounded():
            chat = self._db.chat(chat_id, member)
            if chat is None:
                return None
            read = min(read, chat["last_rev"])
            delivered = min(max(read, delivered), chat["last_rev"])
            old = self._db.memberships.find_one_and_update(
                {"_id": f"{chat_id}:{member}"},
                {"$max": {"read_seq": read, "delivered_seq": delivered}},
                return_document=ReturnDocument.BEFORE,
            )
        if old is None:
            return None
        receipt = Receipt(
            chat_id=chat_id,
            user_id=member,
            read_seq=max(old["read_seq"], read),
            delivered_seq=max(old["delivered_seq"], delivered),
        )
        moved = read > old["read_seq"] or delivered > old["delivered_seq"]
        return cursors(receipt, chat, moved=moved)

    @again
    def observers(self, chat_id: str, *, member: str) -> list[str] | None:
        with self._db.bounded():
            chat = self._db.chats.find_one(
                {"_id": chat_id, "member_ids": member}, {"member_ids": 1, "answered": 1}
            )
        if chat is None:
            return None
        return [one for one in chat["member_ids"] if one != member and chat.get("answered")]

    @again
    def acquainted(self, member: str, others: Collection[str]) -> set[str]:
        wanted = [other for other in others if other != member]
        together = {
            "$and": [{"member_ids": member}, {"member_ids": {"$in": wanted}}, {"answered": True}]
        }
        known = {"$setIntersection": ["$member_ids", {"$literal": wanted}]}
        with self._db.bounded():
            found = self._db.chats.aggregate(
                [
                    {"$match": together},
                    {"$project": {"known": known}},
                    {"$unwind": "$known"},
                    {"$group": {"_id": "$known"}},
                ]
            )
            return {one["_id"] for one in found}

    @again
    def cursors(self, pairs: Collection[tuple[str, str]]) -> dict[tuple[str, str], Cursors]:
        chat_ids = list({chat_id for chat_id, _ in pairs})
        with self._db.bounded():
            chats = {
                chat["_id"]: chat
                for chat in self._db.chats.find(
                    {"_id": {"$in": chat_ids}}, {"member_ids": 1, "answered": 1}
                )
            }
            there = [
                (chat_id, user_id)
                for chat_id, user_id in pairs
                if chat_id in chats and user_id in chats[chat_id]["member_ids"]
            ]
            members = self._db.members(there)
        return {
            (one["chat_id"], one["user_id"]): cursors(
                Receipt.model_validate(one), chats[one["chat_id"]], moved=False
            )
            for one in members
        }

    @again
    def undelivered(
        self, chat_id: str, *, member: str, since: int, until: int, limit: int
    ) -> list[Message] | None:
        with self._db.bounded():
            chat = self._db.chat(chat_id, member)
            if chat is None:
                return None
            [mine] = self._db.members([(chat_id, member)])
            self._db.landed(chat.get("outbox", []))
            others = {"chat_id": chat_id, "sender_id": {"$ne": member}, "deleted_at": None}
            low, high = max(mine["delivered_seq"], since - 1), min(until, chat["last_rev"])
            return self._db.page(others, "seq", ASCENDING, low=low, high=high, limit=limit)

    def drop(self) -> None:
        """Forget everything. For stores that were made to try something."""
        with self._db.bounded():
            for collection in (
                self._db.chats,
                self._db.memberships,
                self._db.messages,
                self._db.events,
            ):
                collection.drop()

    @again
    def now(self) -> datetime:
        with self._db.bounded():
            aware = self._client.codec_options
            time: datetime = self._client.admin.command("hello", codec_options=aware)["localTime"]
            return time

    @again
    def ping(self) -> None:
        with self._db.bounded():
            self._client.admin.command("ping")

    def close(self) -> None:
        """Only for those who are done with it; a function keeps its store."""
        self._client.close()

    def _make(self, chat_id: str, members: tuple[str, str], at: datetime) -> bool:
        """Memberships first: a chat that can be seen is whole."""
        fresh = {"role": "member", "joined_rev": 0, "read_seq": 0, "delivered_seq": 0}
        insert_new(
            self._db.memberships,
            [
                {"_id": f"{chat_id}:{user_id}", "chat_id": chat_id, "user_id": user_id, **fresh}
                for user_id in members
            ],
        )
        chat = {
            "_id": chat_id,
            "kind": "direct",
            "member_ids": list(members),
            "last_rev": 0,
            "asked": [],
            "created_at": at,
            "last_activity_at": at,
            "unpublished": True,
        }
        try:
            self._db.chats.insert_one(chat)
        except DuplicateKeyError:
            return False
        return True

    def _refused(self, new: NewMessage, unanswered: int) -> Stored | None:
        """Why a chat took no message: a stranger, a resend, too much that nobody answered, or too
        much that is not settled."""
        chat = self._db.chat(new.chat_id, new.sender_id)
        if chat is None:
            return None
        outbox, same = chat.get("outbox", []), (new.sender_id, new.client_id)
        self._db.landed(entry for entry in outbox if entry["client_id"] == new.client_id)
        first = self._db.messages.find_one(sent_as(new))
        waits = any((one["sender_id"], one["client_id"]) == same for one in outbox)
        if first is None and (waits or len(outbox) >= OUTBOX_LIMIT):
            raise unavailable("messages")
        if first is None:
            self._db.look_who_wrote([chat], unanswered)
            if not self._db.chats.find_one(
                {"_id": new.chat_id, "$or": may_be_sent(new, unanswered)}
            ):
                raise NotAnswered()
            return self.append(new, unanswered=unanswered)  # an answer has just come
        return Stored(
            stored(first),
            chat["member_ids"],
            created=first["_id"] == new.id,  # true where the driver had to try twice
            pending=any(entry["_id"] == first["_id"] for entry in outbox),
        )
