"""Chats and their members in MongoDB."""

from collections.abc import Collection, Mapping
from datetime import datetime
from itertools import islice

from pymongo import DESCENDING
from pymongo.errors import DuplicateKeyError

from chalicelib.messages.models import Chat, Member
from chalicelib.messages.store.chats import UNREAD_WINDOW, Chats
from chalicelib.messages.store.mongo.documents import (
    Document,
    Documents,
    again,
    insert_new,
    stored,
)

NEWEST_FIRST = [("last_activity_at", DESCENDING), ("_id", DESCENDING)]
# For lists of many chats: the part of an outbox that is needed for the last message.
SHORT: Document = {"outbox": {"$slice": -3}}


class MongoChats(Chats):
    """A chat is a document with the ids of its members; each membership is a document too."""

    def __init__(self, documents: Documents) -> None:
        self._db = documents

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
            return self._views([chat], members[0])[0], made

    @again
    def get(self, chat_id: str, *, member: str) -> Chat | None:
        with self._db.bounded():
            chat = self._db.chats.find_one({"_id": chat_id, "member_ids": member}, SHORT)
            return self._views([chat], member)[0] if chat else None

    @again
    def page(
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
            return self._views(list(found), member)

    @again
    def news(self, member: str, known: Mapping[str, int], *, limit: int) -> list[Chat]:
        """Reads the revs of all chats first: they are small, and most chats have no changes."""
        with self._db.bounded():
            revs = self._db.chats.find({"member_ids": member}, {"last_rev": 1}).sort(NEWEST_FIRST)
            fresh = (one["_id"] for one in revs if one["last_rev"] > known.get(one["_id"], 0))
            ids = list(islice(fresh, limit))
            if not ids:
                return []
            found = self._db.chats.find({"_id": {"$in": ids}, "member_ids": member}, SHORT)
            return self._views(list(found.sort(NEWEST_FIRST)), member)

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

    def _make(self, chat_id: str, members: tuple[str, str], at: datetime) -> bool:
        """Store memberships first, so that a chat that can be found has all of its members."""
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

    def _views(self, chats: list[Document], member: str) -> list[Chat]:
        """Chats as `member` sees them, in three round trips however many they are."""
        messages = self._db.landed(
            (entry for chat in chats for entry in chat.get("outbox", [])),
            also=[chat["last"]["id"] for chat in chats if "last" in chat],
        )
        newest = {
            one["chat_id"]: one for one in sorted(messages.values(), key=lambda one: one["seq"])
        }
        members: dict[str, list[Document]] = {chat["_id"]: [] for chat in chats}
        for one in self._db.members((chat["_id"], u) for chat in chats for u in chat["member_ids"]):
            members[one["chat_id"]].append(one)
        unread = self._unread(chats, members, member)
        return [
            Chat(
                id=chat["_id"],
                kind=chat["kind"],
                answered=chat.get("answered", False),
                members=sorted(
                    (Member.model_validate(one) for one in members[chat["_id"]]),
                    key=lambda one: one.user_id,
                ),
                last_rev=chat["last_rev"],
                last_message=stored(newest[chat["_id"]]) if chat["_id"] in newest else None,
                unread_count=unread.get(chat["_id"], 0),
                created_at=chat["created_at"],
                last_activity_at=chat["last_activity_at"],
            ).seen_by(member)
            for chat in chats
        ]

    def _unread(
        self, chats: list[Document], members: dict[str, list[Document]], member: str
    ) -> dict[str, int]:
        ranges = []
        for chat in chats:
            last = chat["last_rev"]
            read = next(m["read_seq"] for m in members[chat["_id"]] if m["user_id"] == member)
            if read < last:
                above = max(read, last - UNREAD_WINDOW)
                ranges.append({"chat_id": chat["_id"], "seq": {"$gt": above, "$lte": last}})
        if not ranges:
            return {}
        counted = self._db.messages.aggregate(
            [
                {"$match": {"$or": ranges, "sender_id": {"$ne": member}, "deleted_at": None}},
                {"$group": {"_id": "$chat_id", "count": {"$sum": 1}}},
            ]
        )
        return {one["_id"]: one["count"] for one in counted}
