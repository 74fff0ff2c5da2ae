"""The stores through a pooler that hands each transaction to another session."""

from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from chalicelib import schema
from chalicelib.drivers.postgres import Postgres
from chalicelib.drivers.postgres_connection import SESSION
from tests.contract.again import run_again
from tests.contract.pooler import POOLED, pooler

PLACES = (
    "admin",
    "auth/test_account_races.py",
    "auth/test_accounts.py",
    "auth/test_email_change_races.py",
    "auth/test_email_changes.py",
    "auth/test_google.py",
    "auth/test_passkeys.py",
    "auth/test_queued_mail.py",
    "auth/test_recovery.py",
    "auth/test_second_factor.py",
    "auth/test_sessions.py",
    "exports/test_exports.py",
    "exports/test_personal_data.py",
    "messages/store",
    "oauth",
    "users/test_users.py",
)
"""Where stores on PostgreSQL are tested."""


@pytest.fixture
def url(postgres_url: str, tmp_path: Path) -> Iterator[str]:
    with pooler(postgres_url, tmp_path) as url:
        yield url


@pytest.fixture
def connect(url: str) -> Iterator[Callable[[], Postgres]]:
    made: list[Postgres] = []

    def connect() -> Postgres:
        made.append(Postgres(url, pooled=True))
        return made[-1]

    yield connect
    for one in made:
        one.close()


def test_every_contract_of_a_store_holds(url: str) -> None:
    run_again(PLACES, POOLED)


def test_sessions_are_shared(connect: Callable[[], Postgres]) -> None:
    """Or these tests would prove nothing."""
    postgres, pids = connect(), set()
    for _ in range(20):
        with postgres.cursor() as cursor:
            pids.add(cursor.execute("SELECT pg_backend_pid()").fetchone())

    assert len(pids) > 1


def test_migrations_run_through_it(
    postgres_url: str, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(Postgres.__init__.__kwdefaults__ or {}, "pooled", True)

    schema.migrate(url)
    schema.migrate(url)

    with psycopg.connect(postgres_url) as connection:
        held = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"
        assert connection.execute(held).fetchone() == (0,)


@pytest.fixture
def unbounded(postgres_url: str) -> Iterator[None]:
    """The role has no settings at the start and at the end, whatever tests ran before."""
    reset_role(postgres_url)
    yield
    reset_role(postgres_url)


def reset_role(url: str) -> None:
    with psycopg.connect(url) as connection:
        database = connection.info.dbname
        connection.execute(f"ALTER ROLE CURRENT_USER IN DATABASE {database} RESET ALL".encode())


@pytest.mark.usefixtures("unbounded")
def test_g9_without_settings_of_the_role_a_transaction_is_bounded_by_its_own(
    connect: Callable[[], Postgres], caplog: pytest.LogCaptureFixture
) -> None:
    postgres = connect()

    with postgres.transaction(), postgres.cursor() as cursor:
        for name in ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"):
            cursor.execute("SELECT current_setting(%s)", [name])
            assert cursor.fetchone() == (SESSION[name],)
    assert "run the task migrate" in caplog.text
    for _ in range(10):
        with postgres.cursor() as cursor:
            cursor.execute("SELECT current_setting('statement_timeout')")
            assert cursor.fetchone() == ("0",)


@pytest.mark.usefixtures("unbounded")
def test_g9_the_settings_of_the_role_hold_without_more(
    postgres_url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    schema.bound_role(postgres_url)
    with pooler(postgres_url, tmp_path) as url:
        postgres = Postgres(url, pooled=True)
        with postgres.cursor() as cursor:
            for name, value in SESSION.items():
                cursor.execute("SELECT current_setting(%s)", [name])
                assert cursor.fetchone() == (value,)
        postgres.close()
    assert caplog.text == ""
