"""The connection to PostgreSQL: what it promises while the server is well, slow, or gone."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql
from psycopg.rows import dict_row

from chalicelib import deadline, schema
from chalicelib.drivers import postgres as module
from chalicelib.drivers.postgres import Postgres
from chalicelib.drivers.postgres_connection import SESSION, Connection
from chalicelib.errors import Unavailable
from tests.proxy import Proxy

BOUND = 12  # seconds; what is meant is less, and a machine may be busy


@pytest.fixture
def postgres_url(postgres_url: str) -> str:
    """For the owner, who makes tables: a URL that is not changed to the application's role."""
    return f"{postgres_url}?keepalives=1"


@pytest.fixture
def connect(postgres_url: str) -> Iterator[Callable[[str], Postgres]]:
    made: list[Postgres] = []

    def connect(url: str = postgres_url) -> Postgres:
        made.append(Postgres(url))
        return made[-1]

    yield connect
    for one in made:
        one.close()


@pytest.fixture
def postgres(connect: Callable[[], Postgres]) -> Postgres:
    return connect()


@pytest.fixture
def other(connect: Callable[[], Postgres]) -> Postgres:
    return connect()


@pytest.fixture
def table(other: Postgres) -> Iterator[str]:
    name = f"t_{uuid4().hex}"
    with other.cursor() as cursor:
        cursor.execute(f"CREATE TABLE {name} (n int PRIMARY KEY)")
    yield name
    with other.cursor() as cursor:
        cursor.execute(f"DROP TABLE {name}")


def numbers(postgres: Postgres, table: str) -> list[int]:
    with postgres.cursor() as cursor:
        return [n for (n,) in cursor.execute(f"SELECT n FROM {table} ORDER BY n")]


def backend(postgres: Postgres) -> int:
    """The process that serves this connection."""
    with postgres.cursor() as cursor:
        row = cursor.execute("SELECT pg_backend_pid()").fetchone()
    assert row is not None
    return int(row[0])


def kill(other: Postgres, pid: int) -> None:
    with other.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s, 5000)", (pid,))


@contextmanager
def frozen(pid: int) -> Iterator[None]:
    name = Path(f"/proc/{pid}/comm")
    if not (name.exists() and name.read_text().startswith("postgres")):
        pytest.skip("PostgreSQL runs on another machine: its process cannot be frozen")
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def seconds_until_unavailable(postgres: Postgres, query: str = "SELECT 1") -> float:
    started = time.monotonic()
    with pytest.raises(Unavailable), postgres.cursor() as cursor:
        cursor.execute(query)
    return time.monotonic() - started


class TestRows:
    def test_have_uuids_as_text_and_times_in_utc(self, postgres: Postgres) -> None:
        one, at = str(uuid4()), datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=UTC)

        with postgres.cursor(row_factory=dict_row) as cursor:
            cursor.execute(
                "SELECT %s::uuid AS id, ARRAY[%s::uuid] AS ids, %s::timestamptz AS at",
                (one, one, at),
            )
            row = cursor.fetchone()

        assert row == {"id": one, "ids": [one], "at": at}
        assert row["at"].utcoffset() == at.utcoffset()

    def test_keep_the_options_of_the_url(
        self, postgres_url: str, connect: Callable[[str], Postgres]
    ) -> None:
        joint = "&" if "?" in postgres_url else "?"
        postgres = connect(f"{postgres_url}{joint}options=-c%20application_name%3Dtested")

        with postgres.cursor() as cursor:
            cursor.execute("SELECT current_setting('application_name')")
            assert cursor.fetchone() == ("tested",)
            cursor.execute("SELECT current_setting('statement_timeout')")
            assert cursor.fetchone() == ("5s",)


class TestTransaction:
    def test_without_one_each_statement_commits(
        self, postgres: Postgres, other: Postgres, table: str
    ) -> None:
        with postgres.cursor() as cursor:
            cursor.execute(f"INSERT INTO {table} VALUES (1)")
            assert numbers(other, table) == [1]

    def test_commits_as_a_whole(self, postgres: Postgres, other: Postgres, table: str) -> None:
        with postgres.transaction():
            for n in (1, 2):
                with postgres.cursor() as cursor:
                    cursor.execute(f"INSERT INTO {table} VALUES (%s)", (n,))
            assert numbers(other, table) == []

        assert numbers(other, table) == [1, 2]

    def test_that_raises_is_rolled_back(
        self, postgres: Postgres, other: Postgres, table: str
    ) -> None:
        def work() -> None:
            with postgres.transaction():
                for _ in range(2):
                    with postgres.cursor() as cursor:
                        cursor.execute(f"INSERT INTO {table} VALUES (1)")

        with pytest.raises(psycopg.errors.UniqueViolation):
            work()

        assert numbers(other, table) == []
        assert numbers(postgres, table) == []

    def test_that_loses_its_connection_is_rolled_back(
        self, postgres: Postgres, other: Postgres, table: str
    ) -> None:
        pid = backend(postgres)

        def work() -> None:
            with postgres.transaction():
                with postgres.cursor() as cursor:
                    cursor.execute(f"INSERT INTO {table} VALUES (1)")
                kill(other, pid)
                with postgres.cursor() as cursor:
                    cursor.execute(f"INSERT INTO {table} VALUES (2)")

        with pytest.raises(Unavailable):
            work()

        assert numbers(other, table) == []
        assert numbers(postgres, table) == []

    def test_that_loses_its_connection_unnoticed_is_not_reported_as_done(
        self, postgres: Postgres, other: Postgres, table: str
    ) -> None:
        pid = backend(postgres)

        def work() -> None:
            with postgres.transaction():
                with postgres.cursor() as cursor:
                    cursor.execute(f"INSERT INTO {table} VALUES (1)")
                kill(other, pid)

        with pytest.raises(Unavailable):
            work()

        assert numbers(other, table) == []

    def test_does_not_go_on_over_another_connection(
        self, postgres: Postgres, other: Postgres, table: str
    ) -> None:
        pid = backend(postgres)

        def work() -> None:
            with postgres.transaction():
                kill(other, pid)
                for n in (1, 2):
                    try:
                        with postgres.cursor() as cursor:
                            cursor.execute(f"INSERT INTO {table} VALUES (%s)", (n,))
                    except Unavailable:
                        continue

        with pytest.raises(Unavailable):
            work()

        assert numbers(other, table) == []


class TestConnection:
    def test_is_kept(self, postgres: Postgres) -> None:
        assert backend(postgres) == backend(postgres)

    def test_that_was_closed_by_the_server_is_replaced_unnoticed(
        self, postgres: Postgres, other: Postgres
    ) -> None:
        pid = backend(postgres)
        kill(other, pid)

        assert backend(postgres) != pid

    def test_that_was_idle_is_tried_before_it_is_used(
        self,
        postgres_url: str,
        connect: Callable[[str], Postgres],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """The network has dropped it without an error: it looks alive."""
        monkeypatch.setattr(module, "PING_SECONDS", 0.5)
        parts = urlsplit(postgres_url)
        with Proxy(parts.hostname or "", parts.port or 5432) as forgetful:
            user, _, _ = parts.netloc.rpartition("@")
            postgres = connect(parts._replace(netloc=f"{user}@127.0.0.1:{forgetful.port}").geturl())
            pid = backend(postgres)
            forgetful.forget()
            now = time.time()
            monkeypatch.setattr(
                "chalicelib.drivers.postgres.time.time", lambda: now + module.IDLE_SECONDS + 1
            )

            assert backend(postgres) != pid

    def test_survives_an_error_in_our_statement(self, postgres: Postgres) -> None:
        pid = backend(postgres)
        with pytest.raises(psycopg.errors.UndefinedTable), postgres.cursor() as cursor:
            cursor.execute("SELECT * FROM nowhere")

        assert backend(postgres) == pid


@pytest.fixture
def forgetful(postgres_url: str) -> Iterator[Proxy]:
    """A network that drops connections without an error."""
    parts = urlsplit(postgres_url)
    with Proxy(parts.hostname or "", parts.port or 5432) as proxy:
        yield proxy


@pytest.fixture
def far(postgres_url: str, forgetful: Proxy, connect: Callable[[str], Postgres]) -> Postgres:
    """PostgreSQL behind that network."""
    parts = urlsplit(postgres_url)
    user, _, _ = parts.netloc.rpartition("@")
    return connect(parts._replace(netloc=f"{user}@127.0.0.1:{forgetful.port}").geturl())


class TestAgain:
    """A connection that was kept, and is lost with what was asked over it."""

    @pytest.fixture(autouse=True)
    def hurry(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(Connection, "wait_seconds", 0.5)

    def test_g9_a_read_is_repeated(self, far: Postgres, forgetful: Proxy) -> None:
        pid = backend(far)
        forgetful.forget()

        assert backend(far) != pid

    def test_a_write_is_not_repeated_since_it_may_be_done(
        self, far: Postgres, forgetful: Proxy, table: str
    ) -> None:
        far.ping()
        forgetful.forget()

        assert seconds_until_unavailable(far, f"INSERT INTO {table} VALUES (1)") < BOUND
        assert numbers(far, table) == []

    def test_a_write_that_is_harmless_to_repeat_is_repeated(
        self, far: Postgres, forgetful: Proxy, table: str
    ) -> None:
        far.ping()
        forgetful.forget()

        with far.cursor(again=True) as cursor:
            cursor.execute(f"INSERT INTO {table} VALUES (1) ON CONFLICT DO NOTHING")
        assert numbers(far, table) == [1]

    def test_a_transaction_that_did_nothing_yet_is_begun_again(
        self, far: Postgres, forgetful: Proxy, table: str
    ) -> None:
        far.ping()
        forgetful.forget()

        with far.transaction():
            for n in (1, 2):
                with far.cursor() as cursor:
                    cursor.execute(f"INSERT INTO {table} VALUES (%s)", [n])
        assert numbers(far, table) == [1, 2]

    def test_no_statement_inside_a_transaction_is_repeated(
        self, far: Postgres, forgetful: Proxy, table: str
    ) -> None:
        def work() -> None:
            with far.transaction():
                with far.cursor() as cursor:
                    cursor.execute(f"INSERT INTO {table} VALUES (1)")
                forgetful.forget()
                with far.cursor() as cursor:
                    cursor.execute("SELECT 1")

        with pytest.raises(Unavailable):
            work()
        assert numbers(far, table) == []

    def test_a_slow_statement_is_not_repeated(self, postgres: Postgres, other: Postgres) -> None:
        postgres.ping()
        with postgres.cursor() as cursor:
            cursor.execute("SET statement_timeout = '100ms'")
        with pytest.raises(Unavailable) as caught, postgres.cursor() as cursor:
            cursor.execute("SELECT pg_sleep(30)")

        assert isinstance(caught.value.__cause__, psycopg.errors.QueryCanceled)

    @pytest.mark.parametrize(
        "query",
        [
            "INSERT INTO t VALUES (1)",
            "WITH a AS (UPDATE t SET n = 1 RETURNING n) SELECT n FROM a",
            "with a as (delete from t returning n) select n from a",
            "SELECT n FROM t FOR UPDATE",
            "SELECT pg_advisory_xact_lock(1)",
            "SELECT nextval('s')",
            b"SELECT set_config('a', 'b', false)",
            "SET a = 1",
            sql.SQL("SELECT {}").format(1),  # who knows
        ],
    )
    def test_a_statement_that_changes_something_is_not_a_read(self, query: object) -> None:
        assert not module._reads(query)
        assert module._reads("SELECT n, updated_at FROM t WHERE deleted_at IS NULL")

    @pytest.mark.parametrize(
        "query", ["SELECT 1 / 0", b"SELECT 1 / 0", sql.SQL("SELECT {} / 0").format(1)]
    )
    def test_an_error_in_our_statement_is_raised_unchanged(
        self, postgres: Postgres, query: Any
    ) -> None:
        postgres.ping()
        with pytest.raises(psycopg.errors.DivisionByZero), postgres.cursor() as cursor:
            cursor.execute(query)


class TestAlteredTable:
    """A further column in a table of statements that were prepared before."""

    def warm(self, postgres: Postgres, query: str) -> None:
        for _ in range(8):
            with postgres.cursor() as cursor:
                cursor.execute(query)

    def test_g1_g9_costs_a_statement_nothing(
        self, postgres: Postgres, other: Postgres, table: str
    ) -> None:
        insert = f"INSERT INTO {table} SELECT coalesce(max(n), 0) + 1 FROM {table} RETURNING *"
        self.warm(postgres, f"SELECT * FROM {table}")
        self.warm(postgres, insert)
        with other.cursor() as cursor:
            cursor.execute(f"ALTER TABLE {table} ADD COLUMN x int")

        with postgres.cursor() as cursor:
            assert cursor.execute(f"SELECT * FROM {table} ORDER BY n").fetchone() == (1, None)
        with postgres.cursor() as cursor:
            assert cursor.execute(insert).fetchone() == (9, None)
        assert numbers(other, table) == list(range(1, 10))

    def test_ends_a_transaction_and_the_next_one_works(
        self, postgres: Postgres, other: Postgres, table: str
    ) -> None:
        self.warm(postgres, f"SELECT * FROM {table}")
        with other.cursor() as cursor:
            cursor.execute(f"ALTER TABLE {table} ADD COLUMN x int")

        def work() -> None:
            with postgres.transaction(), postgres.cursor() as cursor:
                cursor.execute(f"INSERT INTO {table} VALUES (1)")
                cursor.execute(f"SELECT * FROM {table}")

        with pytest.raises(Unavailable):
            work()
        assert numbers(other, table) == []
        work()
        assert numbers(other, table) == [1]

    def test_other_refusals_are_not_mistaken_for_it(self, postgres: Postgres) -> None:
        with pytest.raises(psycopg.errors.FeatureNotSupported), postgres.cursor() as cursor:
            cursor.execute("SELECT 1 UNION SELECT 2 FOR UPDATE")


class TestDeadline:
    @pytest.fixture(autouse=True)
    def no_event(self) -> Iterator[None]:
        yield
        deadline.end()

    def test_g9_ends_a_wait(self, postgres: Postgres) -> None:
        postgres.ping()
        deadline.begin(0.5)

        assert seconds_until_unavailable(postgres, "SELECT pg_sleep(4)") < 3

    def test_g9_begins_nothing_once_it_has_passed(self, postgres: Postgres, table: str) -> None:
        pid = backend(postgres)
        deadline.begin(0)

        with pytest.raises(Unavailable), postgres.transaction():
            pass
        assert seconds_until_unavailable(postgres, f"INSERT INTO {table} VALUES (1)") < 1
        deadline.end()
        assert numbers(postgres, table) == []
        assert backend(postgres) == pid

    def test_g9_leaves_nothing_of_a_transaction(
        self, postgres: Postgres, other: Postgres, table: str
    ) -> None:
        def work() -> None:
            with postgres.transaction():
                with postgres.cursor() as cursor:
                    cursor.execute(f"INSERT INTO {table} VALUES (1)")
                deadline.begin(0)
                with postgres.cursor() as cursor:
                    cursor.execute(f"INSERT INTO {table} VALUES (2)")

        with pytest.raises(Unavailable):
            work()
        deadline.end()
        assert numbers(postgres, table) == numbers(other, table) == []

    def test_g9_holds_for_an_answer_that_drips(self, far: Postgres, forgetful: Proxy) -> None:
        far.ping()
        forgetful.drip = 0.5
        deadline.begin(2)

        assert seconds_until_unavailable(far, "SELECT repeat('x', 100)") < 4


class TestSession:
    def test_has_its_limits_on_the_server(self, postgres: Postgres) -> None:
        with postgres.cursor() as cursor:
            for name, value in SESSION.items():
                cursor.execute("SELECT current_setting(%s)", [name])
                assert cursor.fetchone() == (value,)

    def test_g9_that_vanishes_in_a_transaction_frees_its_locks(
        self, far: Postgres, forgetful: Proxy, other: Postgres, table: str
    ) -> None:
        with other.cursor() as cursor:
            cursor.execute(f"INSERT INTO {table} VALUES (1)")
        hidden = far.transaction()
        hidden.__enter__()
        with far.cursor() as cursor:
            cursor.execute(f"UPDATE {table} SET n = 2")
        forgetful.forget()
        started = time.monotonic()

        while numbers(other, table) != [3]:
            with suppress(Unavailable), other.cursor() as cursor:  # waits for the lock
                cursor.execute(f"UPDATE {table} SET n = 3")
            assert time.monotonic() - started < BOUND


class TestThreads:
    def test_take_turns(self, postgres: Postgres, table: str) -> None:
        """As when readiness is asked, where messages are in the same database."""

        def work(place: int) -> None:
            for n in range(50):
                postgres.ping()
                with postgres.transaction(), postgres.cursor() as cursor:
                    cursor.execute(f"INSERT INTO {table} VALUES (%s)", [100 * place + n])

        pid = backend(postgres)
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(work, range(4)))

        assert len(numbers(postgres, table)) == 200
        assert backend(postgres) == pid


class TestUnavailable:
    def test_names_the_dependency(self, connect: Callable[[str], Postgres]) -> None:
        with pytest.raises(Unavailable) as caught:
            connect("postgresql://app@127.0.0.1:1/app").ping()

        assert caught.value.dependency == "postgres"

    def test_when_a_statement_is_too_slow(self, postgres: Postgres) -> None:
        assert seconds_until_unavailable(postgres, "SELECT pg_sleep(30)") < BOUND
        postgres.ping()

    def test_when_the_server_freezes(self, postgres: Postgres, table: str) -> None:
        pid = backend(postgres)

        with frozen(pid):
            assert seconds_until_unavailable(postgres, f"DELETE FROM {table}") < BOUND
            assert backend(postgres) != pid

    def test_when_the_server_freezes_inside_a_transaction(
        self, postgres: Postgres, other: Postgres, table: str
    ) -> None:
        pid = backend(postgres)
        started = time.monotonic()

        def work() -> None:
            with postgres.transaction():
                with postgres.cursor() as cursor:
                    cursor.execute(f"INSERT INTO {table} VALUES (1)")
                with frozen(pid), postgres.cursor() as cursor:
                    cursor.execute(f"INSERT INTO {table} VALUES (2)")

        with pytest.raises(Unavailable):
            work()

        assert time.monotonic() - started < BOUND
        assert numbers(other, table) == []

    def test_when_nobody_answers_a_new_connection(self, connect: Callable[[str], Postgres]) -> None:
        with Proxy("127.0.0.1", 1) as silent:
            silent.freeze()
            postgres = connect(f"postgresql://app@127.0.0.1:{silent.port}/app")

            assert seconds_until_unavailable(postgres) < BOUND


class TestMigrations:
    @pytest.fixture
    def url(self, postgres_url: str) -> Iterator[str]:
        name = f"migrations_{uuid4().hex}"
        with psycopg.connect(postgres_url, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
            yield urlsplit(postgres_url)._replace(path=f"/{name}").geturl()
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")

    def applied(self, url: str) -> list[str]:
        with psycopg.connect(url) as connection:
            rows = connection.execute("SELECT migration_id FROM _yoyo_migration ORDER BY 1")
            return [name for (name,) in rows]

    def test_are_applied_in_order_and_once(self, url: str) -> None:
        schema.migrate(url)
        schema.migrate(url)

        names = sorted(path.stem for path in schema.MIGRATIONS.glob("*.sql"))
        assert self.applied(url) == names

    def test_may_be_applied_by_several_at_once(self, url: str) -> None:
        code = "import sys; from chalicelib import schema; schema.migrate(sys.argv[1])"
        racers = [
            subprocess.Popen([sys.executable, "-c", code, url], cwd=schema.MIGRATIONS.parents[1])
            for _ in range(4)
        ]

        assert [racer.wait(60) for racer in racers] == [0] * 4

    def test_are_not_held_up_by_a_function_that_died(self, url: str) -> None:
        schema.migrate(url)
        with psycopg.connect(url) as connection:
            connection.execute("INSERT INTO yoyo_lock (locked, ctime, pid) VALUES (1, now(), 1)")
            connection.execute("DELETE FROM _yoyo_migration WHERE migration_id LIKE '0100%'")
            connection.execute("DROP TABLE outbox, messages, memberships, chats")

        schema.migrate(url)

        assert "0100.messages" in self.applied(url)
