"""Gives the servers what the code expects: tables, indexes, exchanges and queues."""

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path

from yoyo import get_backend, read_migrations

from chalicelib import broker, roles
from chalicelib.broker_users import BrokerUsers
from chalicelib.config import Settings, SettingsInvalid
from chalicelib.errors import Unavailable
from chalicelib.messages.models import UNANSWERED
from chalicelib.messages.store import StoreUnfit
from chalicelib.messages.store.mongo import MongoMessages
from chalicelib.messages.store.mongo_fitness import require_fit
from chalicelib.postgres import Postgres

MIGRATIONS = Path(str(files("infra") / "migrations"))  # on AWS it is in a layer
LOCK = 0x7061726C6579  # any number that is ours alone: "parley"
LOCK_SECONDS = 60
STATEMENT_SECONDS = 60


def apply(settings: Settings) -> None:
    """Bring every server up to date. Safe to repeat, and to run twice at once.

    Raises Unavailable where a server does not answer, StoreUnfit where it cannot do what it is
    there for; what was done stays done.
    """
    accounts_url = settings.postgres_url.get_secret_value()
    messages_url = settings.messages_url.get_secret_value()
    if owner := settings.postgres_admin_url:
        migrate(owner.get_secret_value(), then=lambda url: roles.ensure(url, accounts_url))
    else:
        migrate(accounts_url)
    if messages_url.startswith("mongodb"):
        require_fit(messages_url)
        messages = MongoMessages(messages_url)
        messages.create_indexes()
        messages.look_who_wrote(UNANSWERED)
        messages.close()
    elif messages_url != accounts_url:
        migrate(messages_url)
    amqp_url = settings.amqp_url.get_secret_value()
    if settings.broker_admin:
        BrokerUsers(settings.broker_admin.get_secret_value()).ensure(amqp_url)
    broker.declare(amqp_url)


def retire(settings: Settings) -> list[str]:
    """Take away the accounts of earlier generations, which no function uses any more."""
    old = []
    if owner := settings.postgres_admin_url:
        url = settings.postgres_url.get_secret_value()
        old += roles.retire(owner.get_secret_value(), url)
    if admin := settings.broker_admin:
        old += BrokerUsers(admin.get_secret_value()).retire(settings.amqp_url.get_secret_value())
    return old


def migrate(url: str, then: Callable[[str], None] = lambda url: None) -> None:
    """Apply the migrations that a PostgreSQL database does not have yet, and do what follows from
    them while nobody else does."""
    migrations = read_migrations(str(MIGRATIONS))
    if not migrations:
        raise FileNotFoundError(f"There are no migrations in {MIGRATIONS}.")
    os.environ.setdefault("LOGNAME", "parley")  # yoyo asks who we are; not every user has a name
    _, _, rest = url.partition("://")
    extra = f"connect_timeout=3&options=-c%20statement_timeout%3D{STATEMENT_SECONDS}s"
    with _alone(Postgres(url)):
        backend = get_backend(f"postgresql+psycopg://{rest}{'&' if '?' in rest else '?'}{extra}")
        try:
            backend.break_lock()  # of a process that died: the living are kept out by ours
            backend.apply_migrations(backend.to_apply(migrations))
        finally:
            backend.connection.close()
        then(url)


@contextmanager
def _alone(postgres: Postgres) -> Iterator[None]:
    """Hold the lock, which PostgreSQL takes back when its connection ends."""
    deadline = time.monotonic() + LOCK_SECONDS
    try:
        while not _locked(postgres):
            if time.monotonic() > deadline:
                raise Unavailable("postgres")
            time.sleep(0.2)
        yield
    finally:
        postgres.close()


def _locked(postgres: Postgres) -> bool:
    with postgres.cursor() as cursor:
        row = cursor.execute("SELECT pg_try_advisory_lock(%s)", (LOCK,)).fetchone()
    return row is not None and bool(row[0])


if __name__ == "__main__":
    try:
        apply(Settings.load())
    except (SettingsInvalid, StoreUnfit) as error:
        sys.exit(str(error))
    except Unavailable as error:
        sys.exit(f"No answer in time from: {error.dependency}")
