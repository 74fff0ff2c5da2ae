"""The collections in MongoDB, with deadlines and retries for all parts of the store."""

import functools
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

import pymongo
from pymongo.collection import Collection as MongoCollection
from pymongo.database import Database
from pymongo.errors import BulkWriteError, ConnectionFailure, PyMongoError, WriteConcernError

from chalicelib.deadline import passed, within
from chalicelib.errors import Unavailable
from chalicelib.errors.counted import unavailable
from chalicelib.messages.models.chats import ChatState
from chalicelib.messages.models.messages import Message

Document = dict[str, Any]

P = ParamSpec("P")
T = TypeVar("T")
S = TypeVar("S", bound="Part")

CALL_SECONDS = 5.0
INDEX_SECONDS = 120.0
PING_SECONDS = 2.0
IDLE_SECONDS = 5
DUPLICATE_KEY = 11000

# A chat without its members and without the `fields` of its changes. `completing` reads them
# if needed.
READING: Document = {"member_ids": 0, "changes.fields": 0}
STATE = ("title", "photo", "member_count", "state_rev")


class Documents:
    """The collections, and the deadline that all round trips of a call share."""

    # Wall time, because it also passes while a function's container is frozen.
    _used_at = 0.0
    well = False
    """Whether the server answered the last call."""

    trying = False
    """Whether a call that fails is repeated: it has half of its time."""

    def __init__(self, database: Database[Document], prefix: str = "") -> None:
        self.chats = database[f"{prefix}chats"]
        self.memberships = database[f"{prefix}memberships"]  # _id is "chat_id:user_id"
        self.messages = database[f"{prefix}messages"]
        self.events = database[f"{prefix}chat_events"]

    @contextmanager
    def bounded(self, seconds: float = CALL_SECONDS) -> Iterator[None]:
        """All round trips of a call share one deadline. An idle connection is tested first: if the
        network dropped it, the call would wait on it for all of its time."""
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

    def by_id(
        self, ids: Collection[str], projection: Document | None = None
    ) -> dict[str, Document]:
        if not ids:
            return {}
        found = self.messages.find({"_id": {"$in": list(ids)}}, projection)
        return {one["_id"]: one for one in found}

    def chat(self, chat_id: str, member: str) -> Document | None:
        return self.chats.find_one({"_id": chat_id, "member_ids": member}, READING)

    def members(self, pairs: Iterable[tuple[str, str]]) -> list[Document]:
        ids = [f"{chat_id}:{user_id}" for chat_id, user_id in pairs]
        return list(self.memberships.find({"_id": {"$in": ids}})) if ids else []


class Part(Protocol):
    """A part of the store whose methods `again` can repeat."""

    _db: Documents


def again(method: Callable[Concatenate[S, P], T]) -> Callable[Concatenate[S, P], T]:
    """For a call that is safe to repeat. If it fails and the server answered the call before, it is
    repeated once: perhaps only the connection was lost."""

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
    """Insert the documents whose unique keys are free."""
    try:
        collection.insert_many(documents, ordered=False)
    except BulkWriteError as error:
        details = error.details
        if details["writeConcernErrors"]:  # a failover: the documents may be lost
            raise unavailable("mongo") from None  # the error quotes the documents
        if any(one["code"] != DUPLICATE_KEY for one in details["writeErrors"]):
            raise


def stored(document: Document) -> Message:
    return Message.model_validate({**document, "id": document["_id"]})


def chat_state(chat: Document) -> ChatState:
    return ChatState(
        chat_id=chat["_id"],
        rev=chat.get("state_rev", 0),
        title=chat.get("title"),
        photo=chat.get("photo"),
        member_count=member_count(chat),
    )


def member_count(chat: Document) -> int:
    """Chats that older code stored have no count. They are direct chats."""
    count: int = chat.get("member_count", 2)
    return count
