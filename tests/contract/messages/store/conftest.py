"""The stores under test: the fake, MongoDB and PostgreSQL, each empty at the start of a test."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import psycopg
import pytest
from pymongo import MongoClient
from pymongo.database import Database

from chalicelib import schema
from chalicelib.drivers.postgres import Postgres
from chalicelib.messages.store import MessageStore
from chalicelib.messages.store.mongo.store import MongoStore
from chalicelib.messages.store.postgres.store import PostgresStore
from tests.contract.messages.store.room import Connect, Room
from tests.fake_message_store import FakeMessageStore


@pytest.fixture(scope="session")
def mongo_store_url(mongo_url: str) -> str:
    store = MongoStore(mongo_url)
    store.create_indexes()
    store.close()
    return mongo_url


@pytest.fixture(scope="session")
def postgres_store_url(postgres_url: str) -> str:
    schema.migrate(postgres_url)
    return postgres_url


@pytest.fixture
def mongo_at(mongo_store_url: str) -> Iterator[Callable[[str], MongoStore]]:
    """Stores on the MongoDB at a URL; the database is empty."""
    with MongoClient[dict[str, object]](mongo_store_url) as client:
        database = client.get_default_database()
        for name in ("chats", "memberships", "messages", "chat_events"):
            database[name].delete_many({})
    with ExitStack() as stack:

        def connect(url: str) -> MongoStore:
            store = MongoStore(url)
            stack.callback(store.close)
            return store

        yield connect


@pytest.fixture
def other(mongo_store_url: str, mongo_at: Callable[[str], MongoStore]) -> MongoStore:
    """The store of another process."""
    return mongo_at(mongo_store_url)


@pytest.fixture
def database(mongo_store_url: str) -> Iterator[Database[dict[str, Any]]]:
    with MongoClient[dict[str, Any]](mongo_store_url) as client:
        yield client.get_default_database()


@pytest.fixture
def postgres_at(postgres_store_url: str) -> Iterator[Callable[[str], PostgresStore]]:
    """Stores on the PostgreSQL at a URL; the tables are empty."""
    with psycopg.connect(postgres_store_url, autocommit=True) as connection:
        connection.execute("TRUNCATE chats, memberships, messages, outbox, chat_events")
    with ExitStack() as stack:

        def connect(url: str) -> PostgresStore:
            postgres = Postgres(url)
            stack.callback(postgres.close)
            return PostgresStore(postgres)

        yield connect


@pytest.fixture(params=["fake", "mongo", "postgres"])
def connect(request: pytest.FixtureRequest) -> Connect:
    if request.param == "fake":
        fake = FakeMessageStore()
        return lambda: fake
    url = request.getfixturevalue(f"{request.param}_store_url")
    store_at: Callable[[str], MessageStore] = request.getfixturevalue(f"{request.param}_at")
    return lambda: store_at(url)


@pytest.fixture
def store(connect: Connect) -> MessageStore:
    return connect()


@pytest.fixture
def room(store: MessageStore) -> Room:
    return Room(store)
