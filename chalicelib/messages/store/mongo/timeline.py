"""The messages of a chat in MongoDB.

Two documents change when a message is stored or revised: the chat (its counter) and the message. A
function that dies in between leaves the whole message in the chat's outbox, or the new version in
the chat's `changes`. The next one that reads the chat completes the work: `completing`.
"""

from datetime import datetime

from pymongo import ASCENDING, DESCENDING, ReturnDocument
from pymongo.errors import DuplicateKeyError

from chalicelib.errors import NotAnswered
from chalicelib.errors.counted import unavailable
from chalicelib.ids import new_id
from chalicelib.messages.content import Content
from chalicelib.messages.models.changes import Change, ChangePage, Stored
from chalicelib.messages.models.messages import Message, NewMessage
from chalicelib.messages.store.mongo.changes import take_out_message, version_entry
from chalicelib.messages.store.mongo.completing import (
    CHANGED,
    add_change,
    apply_versions,
    completed,
)
from chalicelib.messages.store.mongo.documents import (
    Document,
    Documents,
    again,
    stored,
)
from chalicelib.messages.store.mongo.unanswered import may_be_sent, note_writers
from chalicelib.messages.store.timeline import Timeline

OUTBOX_LIMIT = 200
"""So many unsettled messages, of 16 KB each, keep a chat far below MongoDB's 16 MB a document."""


class MongoTimeline(Timeline):
    """Revs may have gaps: a resend of a settled message takes one and leaves it empty."""

    def __init__(self, documents: Documents) -> None:
        self._db = documents

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
            placed = {"seq": message.seq, "rev": message.rev, "created_at": message.created_at}
            try:
                self._db.messages.insert_one({**entry, **placed})
            except DuplicateKeyError:
                first = self._db.messages.find_one(sent_as(new))
                if first is None:
                    # Another message has this rev: the server lost a counter that it had confirmed.
                    # The job removes it from the outbox. A resend gets another rev.
                    raise unavailable("messages") from None
                if (first["_id"], first["seq"]) != (new.id, message.seq):
                    # A resend, or our own second try, of a settled message.
                    self._db.chats.update_one({"_id": new.chat_id}, take_out_message(new.id))
                    ours = first["_id"] == new.id
                    return Stored(stored(first), chat["member_ids"], created=ours, pending=False)
                # otherwise a reader stored it first, and it may have a newer version by now
                message = stored(first)
            return Stored(message, chat["member_ids"], created=True, pending=True)

    def revise(
        self, chat_id: str, seq: int, *, member: str, content: Content | None
    ) -> Change | None:
        return self._revise(chat_id, seq, member, content, call=new_id())

    @again
    def history(
        self, chat_id: str, *, member: str, before: int | None, limit: int
    ) -> list[Message] | None:
        with self._db.bounded():
            chat = self._db.chat(chat_id, member)
            if chat is None:
                return None
            completed(self._db, [chat])
            newest = chat["last_rev"] if before is None else min(before - 1, chat["last_rev"])
            return self._page(
                {"chat_id": chat_id}, "seq", DESCENDING, low=0, high=newest, limit=limit
            )

    @again
    def changes(self, chat_id: str, *, member: str, since: int, limit: int) -> ChangePage | None:
        with self._db.bounded():
            chat = self._db.chat(chat_id, member)
            if chat is None:
                return None
            completed(self._db, [chat])
            last = chat["last_rev"]
            items = self._page(
                {"chat_id": chat_id}, "rev", ASCENDING, low=since, high=last, limit=limit + 1
            )
        more = len(items) > limit
        rev = items[limit - 1].rev if more else last
        state_rev = chat.get("state_rev", 0)
        return ChangePage(items=items[:limit], rev=rev, state_rev=state_rev, chat=None, more=more)

    @again
    def undelivered(
        self, chat_id: str, *, member: str, since: int, until: int, limit: int
    ) -> list[Message] | None:
        with self._db.bounded():
            chat = self._db.chat(chat_id, member)
            if chat is None:
                return None
            [mine] = self._db.members([(chat_id, member)])
            completed(self._db, [chat])
            others = {"chat_id": chat_id, "sender_id": {"$ne": member}, "deleted_at": None}
            low, high = max(mine["delivered_seq"], since - 1), min(until, chat["last_rev"])
            return self._page(others, "seq", ASCENDING, low=low, high=high, limit=limit)

    @again
    def now(self) -> datetime:
        with self._db.bounded():
            client = self._db.chats.database.client
            aware = client.codec_options
            time: datetime = client.admin.command("hello", codec_options=aware)["localTime"]
            return time

    @again
    def _revise(
        self, chat_id: str, seq: int, member: str, content: Content | None, *, call: str
    ) -> Change | None:
        with self._db.bounded():
            chat = self._db.chat(chat_id, member)
            if chat is None:
                return None
            completed(self._db, [chat])
            message = self._db.messages.find_one({"chat_id": chat_id, "seq": seq})
            if message is None:
                return None
            mine = [one for one in chat.get("changes", []) if one.get("call") == call]
            if mine:  # the first try took a rev, and its answer was lost
                placed = self._db.chats.find_one({"_id": chat_id}, CHANGED)
            elif message.get("deleted_at") is not None:
                return None
            else:
                entry = version_entry(message, content, call)
                placed = add_change(self._db, chat_id, member=member, entry=entry)
            if placed is None:
                return None
            rev, at = [(one["rev"], one["created_at"]) for one in mine or placed["changes"]][-1]
            newest = apply_versions(self._db, message["_id"], placed.get("changes", []))
        version = stored(newest or message)
        return Change(chat_id, rev, at, version, placed["member_ids"], first=True)

    def _refused(self, new: NewMessage, unanswered: int) -> Stored | None:
        """Finds out why the chat did not accept the message: the sender is not a member, it is a
        resend, too many messages are not answered, or too many are not settled."""
        mine = {"_id": new.chat_id, "member_ids": new.sender_id}
        chat = self._db.chats.find_one(mine, {"changes.fields": 0})
        if chat is None:
            return None
        outbox, same = chat.get("outbox", []), (new.sender_id, new.client_id)
        sent = [entry for entry in outbox if entry["client_id"] == new.client_id]
        completed(self._db, [{**chat, "outbox": sent}])
        first = self._db.messages.find_one(sent_as(new))
        waits = any((one["sender_id"], one["client_id"]) == same for one in outbox)
        if first is None and (waits or len(outbox) >= OUTBOX_LIMIT):
            raise unavailable("messages")
        if first is None:
            note_writers(self._db, [chat], unanswered)
            if not self._db.chats.find_one(
                {"_id": new.chat_id, "$or": may_be_sent(new, unanswered)}
            ):
                raise NotAnswered()
            return self.append(new, unanswered=unanswered)  # another member has just written
        return Stored(
            stored(first),
            chat["member_ids"],
            created=first["_id"] == new.id,  # true if the driver had to try twice
            pending=any(entry["_id"] == first["_id"] for entry in outbox),
        )

    def _page(
        self, wanted: Document, by: str, order: int, *, low: int, high: int, limit: int
    ) -> list[Message]:
        """Messages with low < seq (or rev) <= high. Reads a short range first, which has all of
        them unless many revs are not messages: a bounded range is cheap on any server."""
        near = 2 * limit
        low_near, high_near = max(low, high - near), min(high, low + near)
        first = (low, high_near) if order == ASCENDING else (low_near, high)
        found: list[Document] = []
        for after, last in dict.fromkeys([first, (low, high)]):
            query = {**wanted, by: {"$gt": after, "$lte": last}}
            found = list(self._db.messages.find(query).sort(by, order).limit(limit))
            if len(found) == limit:
                break
        return [stored(one) for one in found]


def take_place(entry: Document) -> list[Document]:
    """Take the next rev and put the message into the outbox, in one atomic update. Input of clients
    is a $literal, so that it is never evaluated as an expression. `placed_at` is the time."""
    # `$max` of both, so that a clock which went back does not move the chat down. In this order: a
    # server that cannot compare $$NOW takes the first.
    active = {"$max": ["$placed_at", "$last_activity_at"]}
    place = {"seq": "$last_rev", "rev": "$last_rev", "created_at": "$placed_at"}
    placed = {"$mergeObjects": [{"$literal": entry}, place]}
    outbox = {"$concatArrays": [{"$ifNull": ["$outbox", []]}, [placed]]}
    asked = {"$setUnion": [{"$ifNull": ["$asked", []]}, [{"$literal": entry["client_id"]}]]}
    answered = {"$or": ["$answered", {"$ne": ["$asked_by", {"$literal": entry["sender_id"]}]}]}
    return [
        {"$set": {"placed_at": entry["created_at"] or "$$NOW"}},
        {"$set": {"asked_by": {"$ifNull": ["$asked_by", {"$literal": entry["sender_id"]}]}}},
        {"$set": {"answered": answered}},
        {"$set": {"asked": {"$cond": ["$answered", "$asked", asked]}}},
        {
            "$set": {
                "last_rev": {"$add": ["$last_rev", 1]},
                "last_activity_at": active,
            }
        },
        {"$set": {"outbox": outbox}},
    ]


def sent_as(new: NewMessage) -> Document:
    return {"chat_id": new.chat_id, "sender_id": new.sender_id, "client_id": new.client_id}
