"""The role that functions use in PostgreSQL. That it may do enough, the other tests here show."""

import time
from collections.abc import Iterator
from functools import partial
from typing import Any
from urllib.parse import quote, urlsplit
from uuid import uuid4

import psycopg
import pytest

from chalicelib import logins, roles, schema
from chalicelib.admin.store import RIGHTS
from chalicelib.config import SettingsInvalid
from chalicelib.drivers.postgres import Postgres
from tests.contract.application_role import LOGIN, PASSWORD, application
from tests.unit.settings import settings

MIGRATE = schema.migrate
"""As it is, without what the fixtures here add to it."""


@pytest.fixture
def owner_url(postgres_url: str) -> Iterator[str]:
    """A new database, migrated, and the application's role in it."""
    name = f"roles_{uuid4().hex}"
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    url = urlsplit(postgres_url)._replace(path=f"/{name}").geturl()
    schema.migrate(url)
    yield url
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


@pytest.fixture
def application_connection(owner_url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(application(owner_url), autocommit=True) as connection:
        yield connection


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE mine (id int)",
        "CREATE TEMPORARY TABLE mine (id int)",
        "CREATE SCHEMA mine",
        "CREATE ROLE mine",
        "CREATE FUNCTION mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE INDEX mine ON users (about)",
        "ALTER TABLE users ADD COLUMN mine int",
        "ALTER TABLE users DISABLE TRIGGER ALL",
        "DROP TABLE push_tokens",
        "TRUNCATE push_tokens",
        "DELETE FROM audit_log",
        "UPDATE audit_log SET action = 'nothing'",
        "UPDATE audit_log SET at = now()",
        "SELECT * FROM _yoyo_migration",
        "DELETE FROM yoyo_lock",
        "COPY users TO PROGRAM 'cat'",
        "COPY users FROM '/etc/passwd'",
        "SELECT pg_read_file('PG_VERSION')",
        "SET ROLE postgres",
        "ALTER SYSTEM SET work_mem = '1GB'",
    ],
)
def test_may_not(application_connection: psycopg.Connection, statement: str) -> None:
    with pytest.raises(
        (psycopg.errors.InsufficientPrivilege, psycopg.errors.InvalidParameterValue)
    ):
        application_connection.execute(statement.encode())


def test_owns_nothing_and_is_no_administrator(application_connection: psycopg.Connection) -> None:
    owned = application_connection.execute(
        "SELECT relname FROM pg_class WHERE relowner = current_user::regrole"
    ).fetchall()
    row = application_connection.execute(
        "SELECT rolsuper, rolcreatedb, rolcreaterole, rolreplication, rolbypassrls"
        " FROM pg_roles WHERE rolname = current_user"
    ).fetchone()

    assert owned == []
    assert row == (False,) * 5


def test_forgets_addresses_in_the_audit_log(application_connection: psycopg.Connection) -> None:
    with application_connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO audit_log (at, actor, action, target, address)"
            " VALUES (now(), 'operator', 'x', gen_random_uuid(), '::1')"
        )
        cursor.execute("UPDATE audit_log SET address = NULL")
        assert cursor.rowcount == 1


def test_may_use_a_table_of_a_later_migration_from_its_first_moment_on(owner_url: str) -> None:
    with psycopg.connect(owner_url, autocommit=True) as owner:
        owner.execute("CREATE TABLE later (id bigint GENERATED ALWAYS AS IDENTITY, x int)")

    with psycopg.connect(application(owner_url), autocommit=True) as connection:
        connection.execute("INSERT INTO later (x) VALUES (1)")
        assert connection.execute("SELECT id, x FROM later").fetchone() == (1, 1)


def test_has_its_settings_in_every_connection(application_connection: psycopg.Connection) -> None:
    for name in roles.SETTINGS:
        row = application_connection.execute(
            "SELECT setting::int / 1000, source FROM pg_settings WHERE name = %s", [name]
        ).fetchone()
        assert row == (roles.IDLE_SESSION_SECONDS, "user")


def test_its_password_is_in_no_statement(owner_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[str] = []
    execute = psycopg.Cursor.execute

    def note(self: Any, query: Any, *rest: Any, **more: Any) -> Any:
        sent.append(query.as_string(self) if hasattr(query, "as_string") else str(query))
        return execute(self, query, *rest, **more)

    monkeypatch.setattr(psycopg.Cursor, "execute", note)
    schema.migrate(owner_url)

    passwords = [one for one in sent if "PASSWORD" in one]
    assert len(passwords) == 1
    assert "SCRAM-SHA-256$" in passwords[0]
    assert not any(PASSWORD in one for one in sent)


class TestGenerations:
    def test_the_next_one_signs_in_before_the_last_one_goes(self, owner_url: str) -> None:
        old = application(owner_url)
        new = old.replace(LOGIN, f"{logins.GROUP}_2")
        owning = f"{owner_url}?application_name=owner"
        given = settings(postgres_url=new, postgres_admin_url=owning)

        roles.ensure(owning, new, RIGHTS)

        for url in (old, new):
            with psycopg.connect(url) as connection:
                assert connection.execute("SELECT count(*) FROM users").fetchone() == (0,)
        assert schema.retire(given) == [LOGIN]
        assert schema.retire(given) == []
        with psycopg.connect(owner_url) as owner:
            assert self.logins(owner) == [f"{logins.GROUP}_2"]
        roles.ensure(owning, old, RIGHTS)  # the other tests' role is there again
        assert roles.retire(owning, old) == [f"{logins.GROUP}_2"]

    def test_an_account_that_is_not_the_applications_is_left_alone(self, owner_url: str) -> None:
        with pytest.raises(SettingsInvalid, match="POSTGRES_URL: its user is not parley_app_<n>"):
            roles.ensure(owner_url, owner_url, RIGHTS)

    @staticmethod
    def logins(owner: psycopg.Connection) -> list[str]:
        found = owner.execute("SELECT rolname FROM pg_roles WHERE rolcanlogin").fetchall()
        return [name for (name,) in found if logins.is_login(name)]


def test_an_owner_who_is_no_superuser_makes_and_drops_it(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As RDS's first user, who may make roles and owns the database."""
    name = f"owner_{uuid4().hex[:8]}"
    for module in (logins, roles):
        monkeypatch.setattr(module, "GROUP", f"{name}_app")
    host = urlsplit(postgres_url).netloc.rpartition("@")[2]
    owner = f"postgresql://{name}:secret@{host}/{name}"
    first, second = (f"postgresql://{name}_app_{n}:secret{n}@{host}/{name}" for n in (1, 2))
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {name} LOGIN CREATEROLE PASSWORD 'secret'".encode())
        connection.execute(f"CREATE DATABASE {name} OWNER {name}".encode())
        try:
            for url in (first, first, second):
                MIGRATE(owner, then=partial(roles.ensure, url=url, rights=RIGHTS))
            for url in (first, second):
                with psycopg.connect(url) as one:
                    assert one.execute("SELECT count(*) FROM users").fetchone() == (0,)
                    with pytest.raises(psycopg.errors.InsufficientPrivilege):
                        one.execute("DELETE FROM audit_log")
            with psycopg.connect(first) as still_open:
                assert roles.retire(owner, second) == [f"{name}_app_1"]
                assert still_open.execute("SELECT 1").fetchone() == (1,)
        finally:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())
            for role in (f"{name}_app_1", f"{name}_app_2", f"{name}_app", name):
                connection.execute(f"DROP ROLE IF EXISTS {role}".encode())


def test_a_connection_that_the_server_ended_as_idle_is_replaced(postgres_url: str) -> None:
    name = f"idle_{uuid4().hex[:8]}"
    given = f"-c idle_session_timeout=100 -c application_name={name}"
    postgres = Postgres(f"{postgres_url}?options={quote(given)}")
    postgres.ping()
    with psycopg.connect(postgres_url, autocommit=True) as watch:
        deadline = time.monotonic() + 20
        while watch.execute(
            "SELECT 1 FROM pg_stat_activity WHERE application_name = %s", [name]
        ).fetchone():
            assert time.monotonic() < deadline, "it is not ended"
            time.sleep(0.02)

    postgres.ping()

    postgres.close()
