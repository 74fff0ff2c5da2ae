"""What the contract tests of accounts and users share."""

import functools
import secrets
import threading
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, Protocol, TypeVar

import psycopg
import pytest
import redis
from redis.crc import key_slot

from chalicelib import schema
from chalicelib.auth.sessions.models import Session
from chalicelib.auth.sessions.store import SessionStore
from chalicelib.auth.sql import OF_DEVICES, pending_email
from chalicelib.auth.store import AccountStore
from chalicelib.drivers.postgres import Postgres
from chalicelib.drivers.redis import Command, Scripts
from chalicelib.errors import InvalidCredentials
from chalicelib.ids import new_id
from chalicelib.limits.attempts import Attempt
from chalicelib.limits.guesses import Throttle
from chalicelib.oauth.sql import OF_SESSIONS
from chalicelib.personal_data import PersonalData
from chalicelib.users.device_store import DeviceStore
from chalicelib.users.models import Profile
from chalicelib.users.profile_store import UserStore
from tests.unit.auth.fake_accounts import FakeAccountStore, FakePersonalData
from tests.unit.auth.fake_tables import Tables
from tests.unit.auth.sessions.fake_sessions import FakeSessionStore
from tests.unit.users.fake_users import FakeDeviceStore, FakeUserStore

NOW = datetime(2026, 1, 1, 12, 0, 0, 123000, tzinfo=UTC)
MONTH = timedelta(days=30)

T = TypeVar("T")
Made = TypeVar("Made")


@functools.cache
def migrated(url: str) -> str:
    """The URL of a database, once it has its tables."""
    schema.migrate(url)
    return url


def either(
    request: pytest.FixtureRequest, fakes: Callable[[], Made], over: Callable[[Postgres], Made]
) -> Iterator[Made]:
    """The stores of a fixture with the parameters "fake" and "postgres"."""
    if request.param == "fake":
        yield fakes()
    else:
        postgres = Postgres(migrated(request.getfixturevalue("postgres_url")))
        yield over(postgres)
        postgres.close()


def connecting(url: str, over: Callable[[Postgres], Made]) -> Iterator[Callable[[], Made]]:
    """Makes stores over connections of their own, as each function has one."""
    migrated(url)
    made: list[Postgres] = []

    def connect() -> Made:
        made.append(Postgres(url))
        return over(made[-1])

    yield connect
    for postgres in made:
        postgres.close()


class Base(NamedTuple):
    """What most tests of accounts need, over the same tables."""

    accounts: AccountStore
    users: UserStore
    sessions: SessionStore
    devices: DeviceStore
    data: PersonalData


def real(postgres: Postgres) -> Base:
    sessions = SessionStore(postgres, OF_SESSIONS)
    return Base(
        AccountStore(postgres, sessions),
        UserStore(postgres, pending_email),
        sessions,
        DeviceStore(postgres, OF_DEVICES),
        PersonalData(postgres, end_sessions=sessions.revoke_all),
    )


def fake(tables: Tables) -> Base:
    return Base(
        FakeAccountStore(tables),
        FakeUserStore(tables),
        FakeSessionStore(tables),
        FakeDeviceStore(tables),
        FakePersonalData(tables),
    )


@dataclass
class Stores:
    """Stores over the same tables."""

    accounts: AccountStore
    users: UserStore
    sessions: SessionStore
    devices: DeviceStore
    data: PersonalData

    def account(self, **changes: Any) -> tuple[Profile, Session]:
        """A new account: a user and their first session. The hash is "hash"."""
        user = profile(**changes)
        session = session_of(user.id)
        self.accounts.add(user, "hash", session)
        return user, session

    def login(self, user: Profile, **changes: Any) -> Session:
        """One more session of a user."""
        session = session_of(user.id, **changes)
        assert self.accounts.open_session(session, "hash", known=False) is not None
        return session


def profile(**changes: Any) -> Profile:
    name = f"u_{secrets.token_hex(6)}"
    good = {
        "id": new_id(),
        "username": name,
        "display_name": "Ana",
        "about": "",
        "avatar_url": None,
        "email": f"{name}@example.org",
        "email_verified": False,
        "push_previews": True,
        "created_at": NOW,
    }
    return Profile(**{**good, **changes})


def session_of(user_id: str, **changes: Any) -> Session:
    good = {
        "id": new_id(),
        "user_id": user_id,
        "current": secrets.token_bytes(32),
        "rotated_at": NOW,
        "device_name": None,
        "user_agent": "Phone/1",
        "created_at": NOW,
        "last_used_at": NOW,
        "expires_at": NOW + MONTH,
    }
    return Session(**{**good, **changes})


def wrong(count: Callable[[str], AbstractContextManager[None]], subject: str) -> None:
    """Have a limit count a guess that turns out wrong."""
    with suppress(InvalidCredentials), count(subject):
        raise InvalidCredentials()


def wrong_login(throttle: Throttle, attempt: Attempt, user_id: str | None) -> bool:
    """Have a limit count a wrong password. Returns whether the password could be tried."""
    with suppress(InvalidCredentials), throttle.account(attempt, user_id) as allowed:
        raise InvalidCredentials()
    return allowed


class RoundTrips:
    """Counts writes to Redis."""

    def __init__(self, client: redis.Redis, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        connection: Any = client.connection_pool.get_connection()
        client.connection_pool.release(connection)
        real = type(connection).send_packed_command

        def counted(connection: Any, *arguments: Any, **more: Any) -> Any:
            self.count += 1
            return real(connection, *arguments, **more)

        monkeypatch.setattr(type(connection), "send_packed_command", counted)


class Slots:
    """Remembers, for each script that was run, the slots of a cluster that its keys are on."""

    def __init__(self, scripts: Scripts, monkeypatch: pytest.MonkeyPatch) -> None:
        self.of_each: list[set[int]] = []
        real = scripts.run_all

        def watched(commands: Collection[Command]) -> list[Any]:
            self.of_each += [{key_slot(key.encode()) for key in one.keys} for one in commands]
            return real(commands)

        monkeypatch.setattr(scripts, "run_all", watched)


def wait_until_blocked(
    watch: psycopg.Connection[Any], table: str = "credentials", *, many: int = 1
) -> None:
    """Until so many statements about a table wait for other connections' locks."""
    ticks = threading.Event()
    for _ in range(200):
        waiting = watch.execute(
            "SELECT 1 FROM pg_stat_activity WHERE datname = current_database()"
            " AND query LIKE %s AND cardinality(pg_blocking_pids(pid)) > 0",
            [f"%{table}%"],
        ).rowcount
        if waiting >= many:
            return
        ticks.wait(0.02)
    raise AssertionError("nothing waits")


class Start(Protocol):
    """Starts an act, and returns once it waits for a lock of a table."""

    def __call__(self, act: Callable[[], T], table: str = "credentials") -> "Future[T]": ...


@contextmanager
def held_open(postgres: Postgres, url: str) -> Iterator[Start]:
    """A transaction that stays open until the act that `Start` started waits for it. After the
    block, it is committed and the act has ended."""
    with ThreadPoolExecutor(1) as pool, psycopg.connect(url, autocommit=True) as watch:

        def start(act: Callable[[], T], table: str = "credentials") -> "Future[T]":
            started = pool.submit(act)
            wait_until_blocked(watch, table)
            return started

        with postgres.transaction():
            yield start
