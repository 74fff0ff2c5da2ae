"""The message store on MongoDB: its connection, its indexes and its parts."""

from typing import ClassVar

from pymongo import ASCENDING, IndexModel, MongoClient

from chalicelib.messages.store import MessageStore
from chalicelib.messages.store.mongo.chats import MongoChats
from chalicelib.messages.store.mongo.cursors import MongoCursors
from chalicelib.messages.store.mongo.documents import INDEX_SECONDS, Document, Documents, again
from chalicelib.messages.store.mongo.outbox import MongoOutbox
from chalicelib.messages.store.mongo.timeline import MongoTimeline
from chalicelib.messages.store.mongo.unanswered import note_all_writers


class MongoStore(MessageStore):
    """Four parts that share a client and its collections."""

    INDEXES: ClassVar[dict[str, list[IndexModel]]] = {
        "chats": [
            IndexModel([("member_ids", ASCENDING)]),
            IndexModel([("outbox.created_at", ASCENDING)], sparse=True),
            IndexModel([("changes.created_at", ASCENDING)], sparse=True),
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
        # `Documents.bounded` limits a call. The connect timeout also limits the driver's checks of
        # the server. Writes are acknowledged, and reads return data, only when most servers of a
        # replica set have it on disk: so a crash or a failover loses nothing. These arguments
        # override the URL.
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
        self.chats = MongoChats(self._db)
        self.timeline = MongoTimeline(self._db)
        self.outbox = MongoOutbox(self._db)
        self.cursors = MongoCursors(self._db)

    def create_indexes(self) -> None:
        """Safe to repeat, and to run twice at once."""
        with self._db.bounded(INDEX_SECONDS):
            for name, indexes in self.INDEXES.items():
                self._db.chats.database[name].create_indexes(indexes)

    def note_all_writers(self, unanswered: int) -> None:
        """Note in each chat of an older version whether it is answered. Safe to repeat, and to run
        twice at the same time."""
        note_all_writers(self._db, unanswered)

    def drop(self) -> None:
        """Delete all of the store's collections. For stores that were made to test a server."""
        with self._db.bounded():
            for collection in (
                self._db.chats,
                self._db.memberships,
                self._db.messages,
                self._db.events,
            ):
                collection.drop()

    @again
    def ping(self) -> None:
        with self._db.bounded():
            self._client.admin.command("ping")

    def close(self) -> None:
        """Close the connections. A function keeps its store and never calls this."""
        self._client.close()
