"""Creates on the servers what the code needs: tables, indexes, exchanges and queues."""

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from yoyo import default_migration_table, read_migrations
from yoyo.backends.core.postgresql import PostgresqlPsycopgBackend
from yoyo.connections import parse_uri

from chalicelib import roles
from chalicelib.admin.store import RIGHTS
from chalicelib.broker import topology
from chalicelib.broker.users import BrokerUsers
from chalicelib.config import Settings, SettingsInvalid
from chalicelib.drivers.postgres_connection import SESSION
from chalicelib.errors import Unavailable
from chalicelib.errors.counted import unavailable
from chalicelib.messages.models.messages import UNANSWERED
from chalicelib.messages.store.mongo.fitness import require_fit
from chalicelib.messages.store.mongo.store import MongoStore

MIGRATIONS = Path(str(files("infra") / "migrations"))  # on AWS it is in a layer
LOCK = 0x7061726C6579  # any number that nobody else uses: "parley"
LOCK_SECONDS = 60
STATEMENT_SECONDS = 60


def apply(settings: Settings) -> None:
    """Bring every server up to date. Safe to repeat, and to run twice at the same time.

    Raises Unavailable if a server does not answer, StoreUnfit if it lacks what the store needs.
    Finished steps are not undone.
    """
    accounts_url = settings.postgres_url.get_secret_value()
    messages_url = settings.messages_url.get_secret_value()
    if owner := settings.postgres_admin_url:
        migrate(owner.get_secret_value(), then=lambda url: roles.ensure(url, accounts_url, RIGHTS))
    else:
        migrate(accounts_url)
    bound_role(accounts_url)
    if messages_url.startswith("mongodb"):
        require_fit(messages_url)
        messages = MongoStore(messages_url)
        messages.create_indexes()
        messages.note_all_writers(UNANSWERED)
        messages.close()
    elif messages_url != accounts_url:
        migrate(messages_url)
        bound_role(messages_url)
    amqp_url = settings.amqp_url.get_secret_value()
    if settings.broker_admin:
        BrokerUsers(settings.broker_admin.get_secret_value()).ensure(amqp_url)
    topology.declare(amqp_url)


def retire(settings: Settings) -> list[str]:
    """Remove the accounts of earlier generations, which no function uses any more."""
    old = []
    if owner := settings.postgres_admin_url:
        url = settings.postgres_url.get_secret_value()
        old += roles.retire(owner.get_secret_value(), url)
    if admin := settings.broker_admin:
        old += BrokerUsers(admin.get_secret_value()).retire(settings.amqp_url.get_secret_value())
    return old


def migrate(url: str, then: Callable[[str], None] = lambda url: None) -> None:
    """Apply the migrations that a PostgreSQL database does not have yet, then call `then`, all
    under the lock."""
    migrations = read_migrations(str(MIGRATIONS))
    if not migrations:
        raise FileNotFoundError(f"There are no migrations in {MIGRATIONS}.")
    os.environ.setdefault(
        "LOGNAME", "parley"
    )  # yoyo reads the name of the system's user, and not every user has one
    _, _, rest = url.partition("://")
    where = f"postgresql+psycopg://{rest}{'&' if '?' in rest else '?'}connect_timeout=3"
    with _alone(url):
        backend = _Backend(parse_uri(where), default_migration_table)
        try:
            backend.init_database()
            backend.break_lock()  # left by a process that died: our own lock excludes all others
            backend.apply_migrations(backend.to_apply(migrations))
        finally:
            backend.connection.close()
        then(url)


def bound_role(url: str) -> None:
    """Give the role of this URL the settings in `SESSION`, in this database. Open sessions keep
    theirs. A role may do this for itself."""
    with _alone(url) as connection:
        database = sql.Identifier(connection.info.dbname)
        for name, value in SESSION.items():
            connection.execute(
                sql.SQL("ALTER ROLE CURRENT_USER IN DATABASE {} SET {} TO {}").format(
                    database, sql.Identifier(name), sql.Literal(value)
                )
            )


class _Backend(PostgresqlPsycopgBackend):  # type: ignore[misc]
    """Keeps nothing in the session, which may be a pooler's, and has no time limit for
    statements."""

    def connect(self, dburi: Any) -> Any:
        connection = super().connect(dburi)
        connection.prepare_threshold = None
        return connection

    def begin(self) -> None:
        super().begin()
        self.execute(_UNHURRIED)


_UNHURRIED = f"""
SELECT set_config('statement_timeout', '{STATEMENT_SECONDS}s', true),
    set_config('lock_timeout', '{STATEMENT_SECONDS}s', true),
    set_config('idle_in_transaction_session_timeout', '0', true)
"""


@contextmanager
def _alone(url: str) -> Iterator[psycopg.Connection[Any]]:
    """Hold the lock in a transaction: PostgreSQL releases it when the transaction or its connection
    ends. A lock of the session would remain in a pooler."""
    deadline = time.monotonic() + LOCK_SECONDS
    try:
        opened = psycopg.connect(url, connect_timeout=3, prepare_threshold=None)
    except psycopg.OperationalError as error:
        raise unavailable("postgres") from error
    with opened as connection:
        connection.execute(_UNHURRIED)
        while not _locked(connection):
            if time.monotonic() > deadline:
                raise unavailable("postgres")
            time.sleep(0.2)
        yield connection


def _locked(connection: psycopg.Connection[Any]) -> bool:
    row = connection.execute("SELECT pg_try_advisory_xact_lock(%s)", (LOCK,)).fetchone()
    return row is not None and bool(row[0])


if __name__ == "__main__":
    try:
        apply(Settings.load())
    except SettingsInvalid as error:
        sys.exit(str(error))
    except Unavailable as error:
        sys.exit(f"No answer in time from: {error.dependency}")
