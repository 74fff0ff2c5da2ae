"""Tables that get columns while everything is called, as a migration gives them."""

import itertools
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress

import psycopg
import pytest
from psycopg import sql

from chalicelib import schema
from chalicelib.drivers import postgres

ALTERED = "TESTS_ALTERED"
"""The environment variable that has the tables of the contract tests altered all the time."""

PAUSE_SECONDS = 0.05

_TABLES = (
    "SELECT table_name, array_agg(column_name::text) FROM information_schema.columns"
    " WHERE table_schema = 'public' AND table_name !~ 'yoyo' GROUP BY 1 ORDER BY 1"
)

_BUSY = (
    "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database()"
    " AND pid <> pg_backend_pid() AND state <> 'idle')"
)


@contextmanager
def altered() -> Iterator[None]:
    """Each table that is migrated inside also gets the column names of all other tables, so that
    a column name without its table is ambiguous. Then one table after another gets a further
    column, while statements are prepared at their first use. None of them may fail because its
    plan is out of date: in a transaction, nobody could repeat it."""
    migrate = schema.migrate
    known: set[str] = set()
    with ExitStack() as stack, pytest.MonkeyPatch.context() as patch:

        def migrate_and_alter(url: str, then: Callable[[str], None] = lambda url: None) -> None:
            migrate(url, then)
            if url not in known:
                known.add(url)
                stack.enter_context(_altering(url))

        connect = psycopg.Connection.connect.__func__  # type: ignore[attr-defined]
        patch.setitem(connect.__kwdefaults__, "prepare_threshold", 0)
        patch.setattr(postgres, "_outdated", _never_outdated)
        patch.setattr(schema, "migrate", migrate_and_alter)
        yield


def _never_outdated(error: psycopg.Error) -> bool:
    assert "cached plan" not in str(error)
    return False


@contextmanager
def _altering(url: str) -> Iterator[None]:
    with psycopg.connect(url, autocommit=True) as connection:
        tables: dict[str, list[str]] = dict(connection.execute(_TABLES).fetchall())
        names = {name for columns in tables.values() for name in columns}
        for table, columns in tables.items():
            for name in sorted(names.difference(columns)):
                _add(connection, table, name)
        over = threading.Event()
        thread = threading.Thread(target=_go_on, args=[url, list(tables), over])
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()


def _go_on(url: str, tables: list[str], over: threading.Event) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for number, table in enumerate(itertools.cycle(tables)):
            if over.wait(PAUSE_SECONDS):
                return
            if connection.execute(_BUSY).fetchone() != (False,):
                continue  # tests of races look at who waits
            with suppress(psycopg.errors.LockNotAvailable), connection.transaction():
                lock = sql.SQL("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE NOWAIT")
                connection.execute(lock.format(sql.Identifier(table)))
                _add(connection, table, f"added_{number}")


def _add(connection: "psycopg.Connection[object]", table: str, name: str) -> None:
    add = sql.SQL("ALTER TABLE {} ADD COLUMN {} int")
    connection.execute(add.format(sql.Identifier(table), sql.Identifier(name)))
