"""Chats and their members in MongoDB."""

from collections.abc import Collection, Mapping
from datetime import datetime
from itertools import islice

from pymongo import DESCENDING
from pymongo.errors import DuplicateKeyError

from chalicelib.messages.models.changes import Change
from chalicelib.messages.models.chats import Chat, Me, Member, Partner
from chalicelib.messages.store.chats import UNREAD_WINDOW, Chats
from chalicelib.messages.store.mongo.completing import add_change, completed
from chalicelib.messages.store.mongo.documents import (
    Document,
    Documents,
    again,
    chat_state,
    insert_new,
    member_count,
    stored,
)

NEWEST_FIRST = [("last_activity_at", DESCENDING), ("_id", DESCENDING)]
# What a view needs: the part of an outbox for the last message, and both members of a direct chat.
SHORT: Document = {
    "outbox": {"$slice": -3},
    "member_ids": {"$slice": 2},
    "changes.fields": 0,
}


class MongoChats(Chats):
    """A chat is a document with the ids of its members; each membership is a document too."""

    def __init__(self, documents: Documents) -> None:
        self._db = documents

    def open_direct(
        self, chat_id: str, *, members: tuple[str, str], at: datetime
    ) -> tuple[Chat, bool]:
        with self._db.bounded():
            made = False
            chat = self._short(chat_id, members[0])
            if chat is None:
                made = self._make(chat_id, members, at)
                chat = self._short(chat_id, members[0])
            if chat is None:
                raise LookupError("this chat has other members")
            return self._views([chat], members[0])[0], made

    @again
    def get(self, chat_id: str, *, member: str) -> Chat | None:
        with self._db.bounded():
            chat = self._short(chat_id, member)
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
    def members(
        self, chat_id: str, *, member: str, limit: int, after: str | None = None
    ) -> list[Member] | None:
        range_of_chat = {
            "$gt": f"{chat_id}:{after or ''}",
            "$lt": f"{chat_id};",
        }  # `;` comes after `:`
        with self._db.bounded():
            chat = self._db.chats.find_one({"_id": chat_id, "member_ids": member}, {"answered": 1})
            if chat is None:
                return None
            found = self._db.memberships.find({"_id": range_of_chat}).sort("_id").limit(limit)
            members = [Member.model_validate(one) for one in found]
        if chat.get("answered"):
            return members
        hidden = {"read_seq": 0, "delivered_seq": 0}
        return [one if one.user_id == member else one.model_copy(update=hidden) for one in members]

    @again
    def rename(self, chat_id: str, *, member: str, title: str) -> Change | None:
        state = {"title": {"$literal": title}, "state_rev": "$last_rev"}
        with self._db.bounded():
            chat = add_change(self._db, chat_id, member=member, entry={}, state=state)
        if chat is None:
            return None
        newest = chat_state(chat)
        return Change(
            chat_id, newest.rev, chat["placed_at"], newest, chat["member_ids"], first=True
        )

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

    def _short(self, chat_id: str, member: str) -> Document | None:
        return self._db.chats.find_one({"_id": chat_id, "member_ids": member}, SHORT)

    def _views(self, chats: list[Document], member: str) -> list[Chat]:
        """Chats as `member` sees them, in three round trips, however many they are, and however
        many members they have."""
        last = [chat["last"]["id"] for chat in chats if "last" in chat]
        messages = sorted(
            completed(self._db, chats, also=last).values(), key=lambda one: one["seq"]
        )
        newest = {one["chat_id"]: one for one in messages}
        partners = {
            chat["_id"]: next(one for one in chat["member_ids"] if one != member)
            for chat in chats
            if chat["kind"] == "direct"
        }
        mine = [(chat["_id"], member) for chat in chats]
        members = {
            (one["chat_id"], one["user_id"]): one
            for one in self._db.members([*mine, *partners.items()])
        }
        me = {chat_id: members[chat_id, member] for chat_id, _ in mine}
        unread = self._unread(chats, me, newest, member)
        return [
            _view(
                chat,
                me=me[chat["_id"]],
                partner=members.get((chat["_id"], partners.get(chat["_id"], ""))),
                newest=newest.get(chat["_id"]),
                unread=unread.get(chat["_id"], 0),
            )
            for chat in chats
        ]

    def _unread(
        self,
        chats: list[Document],
        me: Mapping[str, Document],
        newest: Mapping[str, Document],
        member: str,
    ) -> dict[str, int]:
        ranges = []
        for chat in chats:
            last = chat["last_rev"]
            read = me[chat["_id"]]["read_seq"]
            if read < last:
                to = newest[chat["_id"]]["seq"] if chat["_id"] in newest else last
                above = max(read, to - UNREAD_WINDOW)
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


def _view(
    chat: Document,
    *,
    me: Document,
    partner: Document | None,
    newest: Document | None,
    unread: int,
) -> Chat:
    return Chat(
        id=chat["_id"],
        kind=chat["kind"],
        title=chat.get("title"),
        photo=chat.get("photo"),
        member_count=member_count(chat),
        me=Me.model_validate(me),
        partner=Partner.model_validate(partner) if partner else None,
        answered=chat.get("answered", False),
        last_rev=chat["last_rev"],
        state_rev=chat.get("state_rev", 0),
        last_message=stored(newest) if newest else None,
        unread_count=unread,
        created_at=chat["created_at"],
        last_activity_at=chat["last_activity_at"],
    ).as_seen()
