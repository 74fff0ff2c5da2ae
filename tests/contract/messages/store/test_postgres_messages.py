"""What only PostgreSQL has: one statement for each call, how many rows it reads, and the order of
changes that wait for one another."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb
from pydantic import TypeAdapter

from chalicelib.ids import direct_chat_id, new_id
from chalicelib.messages.content import StoredContent, TextContent
from chalicelib.messages.models.changes import Change
from chalicelib.messages.models.messages import Message
from chalicelib.messages.store.postgres.rows import NO_CONTENT
from chalicelib.messages.store.postgres.store import PostgresStore
from chalicelib.wire import now
from tests.contract.messages.store.groups import make_group
from tests.contract.messages.store.room import Room
from tests.messaging import made, text_of

LARGE = 1024
LATER = timedelta(minutes=1)


@pytest.fixture
def store(postgres_store_url: str, postgres_at: Callable[[str], PostgresStore]) -> PostgresStore:
    store = postgres_at(postgres_store_url)
    store.ping()
    return store


@pytest.mark.parametrize("size", [2, LARGE])
def test_a_send_is_two_statements_however_many_the_members(
    store: PostgresStore, statements: list[str], size: int
) -> None:
    room = group_of(store, size)
    statements.clear()

    stored = room.append(room.new(room.ana))
    store.outbox.settle(stored.change)

    assert len(stored.member_ids) == size
    assert len(statements) == 2


@pytest.mark.parametrize("size", [2, LARGE])
def test_each_other_change_is_one_statement_and_its_settling_another(
    store: PostgresStore, statements: list[str], size: int
) -> None:
    room = group_of(store, size)
    room.say(room.ana)
    changes: list[Callable[[], Change | None]] = [
        lambda: edit(room, store, 1, "better"),
        lambda: store.chats.rename(room.id, member=room.ana, title="We"),
        lambda: delete(room, store, 1),
    ]
    for make in changes:
        statements.clear()
        change = make()
        assert change is not None
        store.outbox.settle(change)
        assert len(change.member_ids) == size
        assert len(statements) == 2


def test_a_send_whose_event_is_left_is_two_statements(
    store: PostgresStore, statements: list[str]
) -> None:
    room = Room(store)
    statements.clear()

    store.outbox.settle(made(room.append(room.new(room.ana)).message), published=False)

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
        lambda: store.chats.news(ana, {}, limit=50),
        lambda: store.chats.members(room.id, member=ana, limit=50),
        lambda: store.chats.acquainted(ana, [room.bo, new_id()]) or True,
        lambda: store.outbox.pending(before=now() + LATER, limit=50) or True,
        lambda: store.timeline.history(room.id, member=ana, before=None, limit=50),
        lambda: store.timeline.changes(room.id, member=ana, since=0, limit=50),
        lambda: store.timeline.undelivered(room.id, member=ana, since=1, until=9, limit=50),
        lambda: store.cursors.move(room.id, member=ana, read=1),
        lambda: store.cursors.of([(room.id, ana), (room.id, room.bo)]),
    ):
        statements.clear()
        assert read()
        assert len(statements) == 1


def group_of(store: PostgresStore, size: int) -> Room:
    """A group with Ana and Bo, who are in no other chat."""
    room = Room(store)
    room.ana, room.bo = new_id(), new_id()
    room.id = make_group(store, [room.ana, room.bo, *(new_id() for _ in range(size - 2))])
    return room


def edit(room: Room, store: PostgresStore, seq: int, text: str) -> Change | None:
    content = TextContent(kind="text", text=text)
    return store.timeline.revise(room.id, seq, member=room.ana, content=content)


def delete(room: Room, store: PostgresStore, seq: int) -> Change | None:
    return store.timeline.revise(room.id, seq, member=room.ana, content=None)


Rows = Callable[[Callable[[], object]], Counter[str]]


@pytest.fixture
def rows_read(postgres_store_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rows]:
    """Counts the rows that a call of the store reads, by table, through the plan of its one
    statement."""
    asked: list[tuple[str, Any]] = []
    thread = threading.get_ident()
    real: Any = psycopg.Cursor.execute

    def noting(self: Any, query: Any, params: Any = None, **more: Any) -> Any:
        ours = threading.get_ident() == thread  # another one may alter tables meanwhile
        if ours and str(query).lstrip().startswith(("SELECT", "WITH")):
            asked.append((str(query), params))
        return real(self, query, params, **more)

    with psycopg.connect(postgres_store_url, autocommit=True) as connection:

        def measure(call: Callable[[], object]) -> Counter[str]:
            asked.clear()
            with monkeypatch.context() as patch:
                patch.setattr(psycopg.Cursor, "execute", noting)
                assert call()
            [(query, params)] = asked
            cursor = connection.execute(
                f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) {query}".encode(), params
            )
            return _scanned(cursor.fetchall()[0][0][0]["Plan"])

        yield measure


def _scanned(plan: dict[str, Any]) -> Counter[str]:
    """The rows that the scans in a plan read, with those that they dropped."""
    found = Counter[str]()
    if "Relation Name" in plan:
        each = plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0)
        found[plan["Relation Name"]] += round(each * plan["Actual Loops"])
    for part in plan.get("Plans", []):
        found += _scanned(part)
    return found


def crowd(url: str, number: int) -> None:
    """Many other direct chats with messages, so that plans are those of large tables."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "WITH made AS (INSERT INTO chats (id, kind, created_at, last_activity_at)"
            " SELECT gen_random_uuid(), 'direct', now(), now() FROM generate_series(1, %s)"
            " RETURNING id), joined AS (INSERT INTO memberships (chat_id, user_id)"
            " SELECT id, gen_random_uuid() FROM made, generate_series(1, 2))"
            " INSERT INTO messages"
            " (id, chat_id, seq, rev, sender_id, client_id, content, created_at)"
            " SELECT gen_random_uuid(), id, seq, seq, gen_random_uuid(), '', %s, now()"
            " FROM made, generate_series(1, 5) seq",
            (number, Jsonb(NO_CONTENT)),
        )
        connection.execute("ANALYZE chats, memberships, messages, outbox")


def test_a_chat_costs_the_same_to_read_however_many_its_members(
    store: PostgresStore, postgres_store_url: str, rows_read: Rows
) -> None:
    rooms = [group_of(store, 2), group_of(store, LARGE)]
    for room in rooms:
        for sender in (room.ana, room.bo, room.bo):
            room.say(sender)
    crowd(postgres_store_url, 1000)

    reads: list[Callable[[Room], object]] = [
        lambda one: store.chats.page(one.ana, limit=9),
        lambda one: store.chats.page(one.ana, limit=9, before=(now() + LATER, one.id)),
        lambda one: store.chats.news(one.ana, {}, limit=9),
        lambda one: store.chats.get(one.id, member=one.ana),
        lambda one: store.chats.members(one.id, member=one.ana, limit=2),
        lambda one: store.timeline.history(one.id, member=one.ana, before=None, limit=9),
        lambda one: store.timeline.changes(one.id, member=one.ana, since=0, limit=9),
    ]
    for read in reads:
        small, large = (rows_read(partial(read, room)) for room in rooms)
        assert small == large
        assert large.total() < 20


def test_nobody_in_a_group_is_asked_whether_they_wrote(
    store: PostgresStore, postgres_store_url: str, rows_read: Rows
) -> None:
    room = group_of(store, LARGE)
    room.say(room.bo)
    store.cursors.move(room.id, member=room.ana, read=1)
    crowd(postgres_store_url, 1000)

    listed = rows_read(lambda: store.chats.page(room.ana, limit=9))
    assert listed == {"memberships": 1, "chats": 1, "messages": 1}
    reads: list[Callable[[], object]] = [
        lambda: store.cursors.of([(room.id, room.ana)]),
        lambda: store.cursors.move(room.id, member=room.ana, read=1),
        lambda: store.cursors.observers(room.id, member=room.ana),
        lambda: store.chats.acquainted(room.ana, [room.bo]),
        lambda: store.chats.members(room.id, member=room.ana, limit=200),
    ]
    for read in reads:
        assert "messages" not in rows_read(read)


@pytest.mark.parametrize("planned_when", ["nearly empty", "full"])
def test_a_page_of_a_full_outbox_reads_no_more_messages_than_it_has(
    store: PostgresStore, postgres_store_url: str, rows_read: Rows, planned_when: str
) -> None:
    room = Room(store)
    room.append(room.new(room.ana))
    crowd(postgres_store_url, 1000)
    with psycopg.connect(postgres_store_url, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO messages"
            " (id, chat_id, seq, rev, sender_id, client_id, content, created_at)"
            " SELECT gen_random_uuid(), chat_id, number, number, sender_id, number::text, content,"
            " created_at FROM messages, generate_series(2, 2000) number WHERE chat_id = %s",
            (room.id,),
        )
        connection.execute(
            "INSERT INTO outbox (chat_id, seq, created_at, changed_seq)"
            " SELECT chat_id, rev, created_at, CASE rev %% 3 WHEN 0 THEN NULL WHEN 1 THEN 0"
            " ELSE seq END FROM messages WHERE chat_id = %s AND rev > 1",
            (room.id,),
        )
        if planned_when == "full":
            connection.execute("ANALYZE messages, outbox")

    read = rows_read(lambda: store.outbox.pending(before=now() + LATER, limit=10))

    assert read["outbox"] == 2000
    assert read["messages"] <= 10
    assert read["chats"] <= 10


def test_nothing_of_a_deleted_message_stays_and_older_code_can_read_it(
    store: PostgresStore, postgres_store_url: str
) -> None:
    room = Room(store)
    seq = room.say(room.ana, "secret").seq
    edit(room, store, seq, "also secret")

    change = delete(room, store, seq)

    assert change is not None
    assert isinstance(change.newest, Message)
    assert change.newest.content is None
    with psycopg.connect(postgres_store_url) as connection:
        row = connection.execute("SELECT messages::text, content FROM messages").fetchone()
    assert row is not None
    assert "secret" not in row[0]
    assert TypeAdapter(StoredContent).validate_python(row[1])


Queued = Callable[[Room, list[Callable[[PostgresStore], Any]]], list[Any]]


@pytest.fixture
def queued(postgres_store_url: str, postgres_at: Callable[[str], PostgresStore]) -> Queued:
    """Run calls that all begin before the first one gets the chat's row. Two calls get it in the
    given order, more calls in any order."""

    def run(room: Room, calls: list[Callable[[PostgresStore], Any]]) -> list[Any]:
        stores = [postgres_at(postgres_store_url) for _ in calls]
        with (
            psycopg.connect(postgres_store_url) as holder,
            psycopg.connect(postgres_store_url, autocommit=True, prepare_threshold=None) as watcher,
            ThreadPoolExecutor(len(calls)) as pool,
        ):
            holder.execute("SELECT FROM chats WHERE id = %s FOR UPDATE", (room.id,))
            begun = []
            for call, store in zip(calls, stores, strict=True):
                begun.append(pool.submit(call, store))
                while _waiting(watcher) < len(begun):
                    assert not any(one.done() for one in begun)
                    time.sleep(0.01)
            holder.rollback()
            return [one.result(10) for one in begun]

    return run


def news(room: Room, since: int) -> tuple[list[Message], int]:
    page = room.store.timeline.changes(room.id, member=room.bo, since=since, limit=50)
    assert page is not None
    return page.items, page.rev


def pending(room: Room) -> list[int]:
    return [one.rev for one in room.store.outbox.pending(before=now() + LATER, limit=50)]


class TestChangesThatWaitForOneAnother:
    def test_two_edits_are_two_versions_and_the_later_one_stays(
        self, store: PostgresStore, queued: Queued
    ) -> None:
        room = Room(store)
        room.say(room.ana)

        first, second = queued(
            room, [lambda s: edit(room, s, 1, "first"), lambda s: edit(room, s, 1, "second")]
        )

        assert (first.rev, second.rev) == (2, 3)
        assert (text_of(first.newest), text_of(second.newest)) == ("first", "second")
        assert news(room, 1) == ([second.newest], 3)
        assert pending(room) == [2, 3]

    def test_an_edit_after_a_deletion_leaves_its_rev_empty(
        self, store: PostgresStore, queued: Queued
    ) -> None:
        room = Room(store)
        room.say(room.ana)

        deletion, late = queued(
            room, [lambda s: delete(room, s, 1), lambda s: edit(room, s, 1, "late")]
        )

        assert (deletion.rev, late) == (2, None)
        assert news(room, 1) == ([deletion.newest], 3)
        assert room.all() == [deletion.newest]
        assert pending(room) == [2]
        assert room.say(room.bo).seq == 4

    def test_a_deletion_after_an_edit_deletes_the_edited_message(
        self, store: PostgresStore, queued: Queued
    ) -> None:
        room = Room(store)
        room.say(room.ana)

        edited, deletion = queued(
            room, [lambda s: edit(room, s, 1, "better"), lambda s: delete(room, s, 1)]
        )

        assert (edited.rev, deletion.rev) == (2, 3)
        assert deletion.newest.content is None
        assert deletion.newest.edited_at == edited.newest.edited_at
        assert deletion.newest.deleted_at == deletion.at
        assert news(room, 1) == ([deletion.newest], 3)

    def test_of_two_deletions_one_is_made(self, store: PostgresStore, queued: Queued) -> None:
        room = Room(store)
        room.say(room.ana)

        first, second = queued(room, [lambda s: delete(room, s, 1)] * 2)

        assert (first.rev, second) == (2, None)
        assert room.all() == [first.newest]
        assert pending(room) == [2]

    def test_a_message_an_edit_and_a_title_each_get_a_rev(
        self, store: PostgresStore, queued: Queued
    ) -> None:
        room = Room(store)
        room.say(room.ana)

        said, edited, *titles = queued(
            room,
            [
                lambda s: room.append(room.new(room.ana), s).change,
                lambda s: edit(room, s, 1, "better"),
                lambda s: s.chats.rename(room.id, member=room.bo, title="We"),
                lambda s: s.chats.rename(room.id, member=room.ana, title="Us"),
            ],
        )

        revs = [one.rev for one in (said, edited, *titles)]
        assert sorted(revs) == sorted(pending(room)) == [2, 3, 4, 5]
        messages = sorted((said.newest, edited.newest), key=lambda one: one.rev)
        assert news(room, 1) == (messages, 5)
        newest = max(titles, key=lambda one: one.rev)
        chat = store.chats.get(room.id, member=room.ana)
        assert chat is not None
        assert (chat.title, chat.state_rev) == (newest.newest.title, newest.rev)
        assert chat.last_message == said.newest

    @pytest.mark.parametrize("first", ["edit", "title"])
    def test_an_edit_and_a_title_do_not_undo_each_other(
        self, store: PostgresStore, queued: Queued, first: str
    ) -> None:
        room = Room(store)
        room.say(room.ana)
        calls: list[Callable[[PostgresStore], Any]] = [
            lambda s: edit(room, s, 1, "better"),
            lambda s: s.chats.rename(room.id, member=room.bo, title="We"),
        ]

        revs = [one.rev for one in queued(room, calls if first == "edit" else calls[::-1])]

        assert revs == [2, 3]
        assert [text_of(one) for one in room.all()] == ["better"]
        chat = store.chats.get(room.id, member=room.ana)
        assert chat is not None
        assert (chat.title, chat.state_rev) == ("We", 3 if first == "edit" else 2)


def test_a_lost_race_gives_its_place_back(store: PostgresStore, queued: Queued) -> None:
    """Two resends have both seen that there is no such message yet when both come to store it."""
    room = Room(store)

    stored = queued(room, [lambda s: room.append(room.new(room.ana, client_id="x"), s)] * 2)

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
