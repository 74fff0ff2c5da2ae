"""Chats and messages as MongoDB keeps them: how they are read, and repaired while reading."""

import functools
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

import pymongo
from pymongo import ASCENDING, UpdateOne
from pymongo.collection import Collection as MongoCollection
from pymongo.database import Database
from pymongo.errors import BulkWriteError, ConnectionFailure, PyMongoError, WriteConcernError

from chalicelib.deadline import passed, within
from chalicelib.domain_events.models import ChatCreated
from chalicelib.errors import Unavailable
from chalicelib.errors.counted import unavailable
from chalicelib.messages.events import ChatEvent
from chalicelib.messages.models import Chat, Cursors, Member, Message, NewMessage, Receipt
from chalicelib.messages.store import UNREAD_WINDOW

Document = dict[str, Any]

P = ParamSpec("P")
T = TypeVar("T")
S = TypeVar("S", bound="Keeper")

CALL_SECONDS = 5.0
PING_SECONDS = 2.0
IDLE_SECONDS = 5
DUPLICATE_KEY = 11000
# Enough of an outbox to know the last message of a chat, in lists of many chats.
SHORT: Document = {"outbox": {"$slice": -3}}
NEW_CHAT: Document = {"member_ids": 1, "created_at": 1}


class Documents:
    """The collections, and what several methods of the store have in common."""

    # Wall time, because it also passes while a function's container is frozen.
    _used_at = 0.0
    well = False
    """Whether the server answered the last time."""

    trying = False
    """Whether a call that fails is repeated: it has half of its time."""

    def __init__(self, database: Database[Document], prefix: str = "") -> None:
        self.chats = database[f"{prefix}chats"]
        self.memberships = database[f"{prefix}memberships"]  # _id is "chat_id:user_id"
        self.messages = database[f"{prefix}messages"]
        self.events = database[f"{prefix}chat_events"]

    @contextmanager
    def bounded(self, seconds: float = CALL_SECONDS) -> Iterator[None]:
        """All round trips of a call share one deadline. A connection that was idle is tested first:
        if the network forgot it, the call would wait on it for all of its time."""
        try:
            with pymongo.timeout(within(seconds / 2 if self.trying else seconds)):
                if self._used_at and time.time() - self._used_at > IDLE_SECONDS:
                    with suppress(PyMongoError), pymongo.timeout(PING_SECONDS):
                        self.chats.database.client.admin.command("ping")
                yield
            self.well = True
        except PyMongoError as error:
            if (
                error.timeout
                or isinstance(error, ConnectionFailure | WriteConcernError)
                or error.has_error_label("RetryableWriteError")
            ):
                self.well = False
                raise unavailable("messages") from error
            raise
        finally:
            self._used_at = time.time()

    def landed(self, entries: Iterable[Document], also: Iterable[str] = ()) -> dict[str, Document]:
        """The messages of outbox entries by id, stored now where their sender did not get to it;
        and those with the ids `also`. What is left out is a resend of a settled message."""
        wanted = {entry["_id"]: entry for entry in entries}
        found = self.by_id({*wanted, *also})
        if missing := wanted.keys() - found.keys():
            insert_new(self.messages, [wanted[one] for one in missing])
            found |= self.by_id(missing)
        return found

    def by_id(self, ids: Collection[str]) -> dict[str, Document]:
        if not ids:
            return {}
        return {one["_id"]: one for one in self.messages.find({"_id": {"$in": list(ids)}})}

    def chat(self, chat_id: str, member: str) -> Document | None:
        return self.chats.find_one({"_id": chat_id, "member_ids": member})

    def members(self, pairs: Iterable[tuple[str, str]]) -> list[Document]:
        ids = [f"{chat_id}:{user_id}" for chat_id, user_id in pairs]
        return list(self.memberships.find({"_id": {"$in": ids}})) if ids else []

    def page(
        self, wanted: Document, place: str, order: int, *, low: int, high: int, limit: int
    ) -> list[Message]:
        """Messages with low < place <= high. Looks close to the start first, where all of them
        are unless many revs are no messages: a bounded range is cheap on any server."""
        near = 2 * limit
        low_near, high_near = max(low, high - near), min(high, low + near)
        first = (low, high_near) if order == ASCENDING else (low_near, high)
        found: list[Document] = []
        for after, last in dict.fromkeys([first, (low, high)]):
            query = {**wanted, place: {"$gt": after, "$lte": last}}
            found = list(self.messages.find(query).sort(place, order).limit(limit))
            if len(found) == limit:
                break
        return [stored(one) for one in found]

    def views(self, chats: list[Document], member: str) -> list[Chat]:
        """Chats as `member` sees them, in three round trips however many they are."""
        messages = self.landed(
            (entry for chat in chats for entry in chat.get("outbox", [])),
            also=[chat["last"]["id"] for chat in chats if "last" in chat],
        )
        newest = {
            one["chat_id"]: one for one in sorted(messages.values(), key=lambda one: one["seq"])
        }
        members: dict[str, list[Document]] = {chat["_id"]: [] for chat in chats}
        for one in self.members((chat["_id"], u) for chat in chats for u in chat["member_ids"]):
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

    def unpublished(self, limit: int, after: str) -> list[ChatEvent]:
        """A new chat says in its own document that its event waits, a message in a document of
        its own: as many messages as are sent while RabbitMQ is away have no room in a chat."""
        later = {"_id": {"$gt": after}}
        messages = self.events.find(later).sort("_id").limit(limit)
        chats = self.chats.find({"unpublished": True, **later}, NEW_CHAT).sort("_id").limit(limit)
        found = [
            *(ChatEvent(one["_id"], one["type"], one["data"], one["at"]) for one in messages),
            *(ChatEvent.of_chat(one["_id"], one["member_ids"], one["created_at"]) for one in chats),
        ]
        return sorted(found, key=lambda event: event.id)[:limit]

    def keep(self, event: ChatEvent) -> None:
        """Have the event of a message wait."""
        waiting = {"type": event.type, "data": event.data, "at": event.at}
        self.events.replace_one({"_id": event.id}, waiting, upsert=True)

    def published(self, events: Collection[ChatEvent]) -> None:
        of_chats = [event.id for event in events if event.type == ChatCreated.type]
        of_messages = [event.id for event in events if event.id not in of_chats]
        if of_chats:
            self.chats.update_many({"_id": {"$in": of_chats}}, {"$unset": {"unpublished": ""}})
        if of_messages:
            self.events.delete_many({"_id": {"$in": of_messages}})

    def look_who_wrote(self, chats: list[Document], unanswered: int) -> None:
        """Find out from the messages of chats who has written, and note it in the chats."""
        self.landed(entry for chat in chats for entry in chat.get("outbox", []))
        found = self.messages.aggregate(
            [
                {"$match": {"chat_id": {"$in": [chat["_id"] for chat in chats]}}},
                {"$group": {"_id": {"chat_id": "$chat_id", "sender_id": "$sender_id"}}},
            ]
        )
        writers: dict[str, list[str]] = {chat["_id"]: [] for chat in chats}
        for one in found:
            writers[one["_id"]["chat_id"]].append(one["_id"]["sender_id"])
        notes = []
        for chat_id, wrote in writers.items():
            if len(wrote) > 1:
                notes.append(UpdateOne({"_id": chat_id}, {"$set": {"answered": True}}))
                continue
            asked: Document = {"asked": []}
            if wrote:
                mine = {"chat_id": chat_id, "sender_id": wrote[0]}
                sent = self.messages.find(mine, {"client_id": 1}).limit(unanswered)
                asked = {"asked_by": wrote[0], "asked": [one["client_id"] for one in sent]}
            unknown = {"_id": chat_id, "asked": {"$exists": False}, "answered": None}
            notes.append(UpdateOne(unknown, {"$set": asked}))
        if notes:
            self.chats.bulk_write(notes, ordered=False)

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
        counted = self.messages.aggregate(
            [
                {"$match": {"$or": ranges, "sender_id": {"$ne": member}, "deleted_at": None}},
                {"$group": {"_id": "$chat_id", "count": {"$sum": 1}}},
            ]
        )
        return {one["_id"]: one["count"] for one in counted}


class Keeper(Protocol):
    """A store whose methods `again` can repeat."""

    _db: Documents


def again(method: Callable[Concatenate[S, P], T]) -> Callable[Concatenate[S, P], T]:
    """For a call that is harmless to repeat: it is repeated once if the server answered the last
    time. Then only its connection may have been lost."""

    @functools.wraps(method)
    def wrapped(self: S, /, *args: P.args, **kwargs: P.kwargs) -> T:
        documents = self._db
        documents.trying = documents.well
        try:
            return method(self, *args, **kwargs)
        except Unavailable:
            if documents.well or not documents.trying or passed():
                raise
        finally:
            documents.trying = False
        return method(self, *args, **kwargs)

    return wrapped


def insert_new(collection: MongoCollection[Document], documents: list[Document]) -> None:
    """Insert those whose unique keys are not taken."""
    try:
        collection.insert_many(documents, ordered=False)
    except BulkWriteError as error:
        details = error.details
        if details["writeConcernErrors"]:  # a failover: it may not stay
            raise unavailable("mongo") from None  # the error quotes the documents
        if any(one["code"] != DUPLICATE_KEY for one in details["writeErrors"]):
            raise


def take_place(entry: Document) -> list[Document]:
    """Take the next rev and put the message into the outbox, in one atomic update. What came
    from people is a $literal: nothing in it is taken for an expression. `placed_at` is when."""
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


def may_be_sent(new: NewMessage, unanswered: int) -> list[Document]:
    """Which chats take a message. A chat keeps who wrote first (`asked_by`), the client_ids of
    their messages (`asked`) and, once another member has written, that it is `answered`. A resend
    has the same entry of `asked`, so it counts once."""
    others = {"asked": {"$exists": True}, "asked_by": {"$ne": new.sender_id}}
    few = {"asked_by": new.sender_id, f"asked.{unanswered - 1}": {"$exists": False}}
    return [{"answered": True}, others, few]


def take_out(message_id: str) -> list[Document]:
    """Take a message out of the outbox; an empty outbox is none, so the sparse index skips it."""
    others = {"$ne": ["$$entry._id", {"$literal": message_id}]}
    outbox = {"input": {"$ifNull": ["$outbox", []]}, "as": "entry", "cond": others}
    return [
        {"$set": {"outbox": {"$filter": outbox}}},
        {"$set": {"outbox": {"$cond": [{"$eq": ["$outbox", []]}, "$$REMOVE", "$outbox"]}}},
    ]


def sent_as(new: NewMessage) -> Document:
    return {"chat_id": new.chat_id, "sender_id": new.sender_id, "client_id": new.client_id}


def cursors(receipt: Receipt, chat: Document, *, moved: bool) -> Cursors:
    answered = chat.get("answered", False)
    told = chat["member_ids"] if answered else [receipt.user_id]
    return Cursors(receipt, moved, answered, told)


def stored(document: Document) -> Message:
    return Message.model_validate({**document, "id": document["_id"]})
