"""What is particular to PostgreSQL: one statement a call, and no gaps."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest

from chalicelib.ids import direct_chat_id, new_id
from chalicelib.messages.store.postgres.store import PostgresStore
from chalicelib.wire import now
from tests.contract.messages.store.room import Room


@pytest.fixture
def store(postgres_store_url: str, postgres_at: Callable[[str], PostgresStore]) -> PostgresStore:
    store = postgres_at(postgres_store_url)
    store.ping()
    return store


@pytest.mark.parametrize("size", [2, 1024])
def test_a_send_is_two_statements_however_many_the_members(
    store: PostgresStore, postgres_store_url: str, statements: list[str], size: int
) -> None:
    room = Room(store)
    with psycopg.connect(postgres_store_url) as connection:
        connection.execute(
            "INSERT INTO memberships (chat_id, user_id)"
            " SELECT %s, gen_random_uuid() FROM generate_series(3, %s)",
            (room.id, size),
        )
    statements.clear()

    stored = room.append(room.new(room.ana))
    store.outbox.settle(stored.message)

    assert len(stored.member_ids) == size
    assert len(statements) == 2


def test_a_send_whose_event_is_left_is_two_statements(
    store: PostgresStore, statements: list[str]
) -> None:
    room = Room(store)
    statements.clear()

    store.outbox.settle(room.append(room.new(room.ana)).message, published=False)

    assert len(statements) == 2


def test_reading_is_one_statement_however_many_the_chats(
    store: PostgresStore, statements: list[str]
) -> None:
    ana = new_id()
    room = Room(store)
    for _ in range(20):
        room.id, room.ana, room.bo = direct_chat_id(ana, bo := new_id()), ana, bo
        store.chats.open_direct(room.id, members=(ana, bo), at=now())
        room.say(bo)
    statements.clear()

    assert len(store.chats.page(ana, limit=50)) == 20
    assert len(statements) == 1
    for read in (
        lambda: store.chats.get(room.id, member=ana),
        lambda: store.timeline.history(room.id, member=ana, before=None, limit=50),
        lambda: store.timeline.changes(room.id, member=ana, since=0, limit=50),
        lambda: store.timeline.undelivered(room.id, member=ana, since=1, until=9, limit=50),
        lambda: store.cursors.move(room.id, member=ana, read=1),
        lambda: store.cursors.of([(room.id, ana), (room.id, room.bo)]),
    ):
        statements.clear()
        assert read()
        assert len(statements) == 1


def test_a_lost_race_gives_its_place_back(
    store: PostgresStore,
    postgres_store_url: str,
    postgres_at: Callable[[str], PostgresStore],
) -> None:
    """Two resends have both seen that there is no such message yet when both come to store it."""
    room = Room(store)
    stores = [store, postgres_at(postgres_store_url)]
    with (
        psycopg.connect(postgres_store_url) as holder,
        psycopg.connect(postgres_store_url, autocommit=True) as watcher,
        ThreadPoolExecutor() as pool,
    ):
        holder.execute("SELECT FROM chats WHERE id = %s FOR UPDATE", (room.id,))
        sends = [pool.submit(room.append, room.new(room.ana, client_id="x"), one) for one in stores]
        while _waiting(watcher) < len(sends):
            assert not any(send.done() for send in sends)
            time.sleep(0.01)
        holder.rollback()
        stored = [send.result(10) for send in sends]

    assert sorted(one.created for one in stored) == [False, True]
    assert stored[0].message == stored[1].message
    assert room.append(room.new(room.ana)).message.rev == 2


def _waiting(watcher: psycopg.Connection[tuple[Any, ...]]) -> int:
    """How many statements in this database wait for a lock."""
    row = watcher.execute(
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE datname = current_database() AND wait_event_type = 'Lock'"
    ).fetchone()
    assert row is not None
    return int(row[0])
