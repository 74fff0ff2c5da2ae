"""The role of functions in PostgreSQL: it may read and write rows, and may not change tables.

Each generation of passwords has its own login, `<group>_<generation>`, in a group that has the
rights. So the new login works before the functions use it, and the old one works until then.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from typing import Any, LiteralString

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from chalicelib.drivers.postgres import Postgres
from chalicelib.logins import GROUP, is_login, login

IDLE_SESSION_SECONDS = 120
"""Idle connections are closed after this time: a replaced function keeps its connection until
Lambda removes its container. Functions that are called more rarely connect again, which takes some
milliseconds."""

SETTINGS: Mapping[str, str] = {"idle_session_timeout": f"{IDLE_SESSION_SECONDS}s"}
"""The settings of every connection of the role, also through a pooler."""

_RIGHTS = (
    "REVOKE CREATE ON SCHEMA public FROM PUBLIC",
    "REVOKE TEMPORARY ON DATABASE {database} FROM PUBLIC",
    "GRANT CONNECT ON DATABASE {database} TO {group}",
    "GRANT USAGE ON SCHEMA public TO {group}",
    "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {group}",
    # A new table of a migration can be used at once.
    "ALTER DEFAULT PRIVILEGES IN SCHEMA public"
    " GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {group}",
)
_OF_MIGRATIONS = ("_yoyo_log", "_yoyo_migration", "_yoyo_version", "yoyo_lock")


def ensure(owner_url: str, url: str, rights: Iterable[LiteralString]) -> None:
    """Make the role that a URL names, with its rights, its settings and its password. `rights`:
    statements of features that limit the rights on their tables; {group} stands for the role.

    Safe to repeat. Raises Unavailable if PostgreSQL does not answer in time.
    """
    role = _name(url)
    with (
        closing(Postgres(owner_url)) as postgres,
        postgres.transaction(),
        postgres.cursor() as cursor,
    ):
        _make(cursor, GROUP)
        names = {
            "database": sql.Identifier(cursor.connection.info.dbname),
            "group": sql.Identifier(GROUP),
        }
        for right in (*_RIGHTS, *rights):
            cursor.execute(sql.SQL(right).format(**names))
        for table in map(sql.Identifier, _OF_MIGRATIONS):
            cursor.execute(sql.SQL("REVOKE ALL ON {} FROM {group}").format(table, **names))
        _make(cursor, role)
        for statement in _account(role, _digest(cursor.connection, url)):
            cursor.execute(statement)


def retire(owner_url: str, url: str) -> list[str]:
    """Drop the roles of other generations than the URL's. Their open connections stay open."""
    with closing(Postgres(owner_url)) as postgres, postgres.cursor() as cursor:
        found = cursor.execute("SELECT rolname FROM pg_roles ORDER BY rolname").fetchall()
        old = [name for (name,) in found if is_login(name) and name != _name(url)]
        for name in old:
            cursor.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))
    return old


def _make(cursor: "psycopg.Cursor[Any]", name: str) -> None:
    if cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [name]).fetchone() is None:
        cursor.execute(sql.SQL("CREATE ROLE {} NOLOGIN").format(sql.Identifier(name)))


def _account(name: str, digest: str) -> Iterator[sql.Composed]:
    role = sql.Identifier(name)
    yield sql.SQL("ALTER ROLE {} LOGIN PASSWORD {}").format(role, sql.Literal(digest))
    yield sql.SQL("GRANT {} TO {}").format(sql.Identifier(GROUP), role)
    for setting, value in SETTINGS.items():
        yield sql.SQL("ALTER ROLE {} SET {} = {}").format(
            role, sql.Identifier(setting), sql.Literal(value)
        )


def _digest(connection: "psycopg.Connection[Any]", url: str) -> str:
    """The password as PostgreSQL stores it, because statements may be logged."""
    password = conninfo_to_dict(url).get("password") or ""
    encrypted = connection.pgconn.encrypt_password(
        str(password).encode(), _name(url).encode(), b"scram-sha-256"
    )
    return encrypted.decode()


def _name(url: str) -> str:
    return login("POSTGRES_URL", str(conninfo_to_dict(url).get("user") or ""))
