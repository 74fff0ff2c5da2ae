"""Roles, suspensions and the audit log in PostgreSQL."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from psycopg.rows import class_row

from chalicelib.admin.models import (
    Account,
    AccountQuery,
    Action,
    AuditEntry,
    AuditQuery,
    Parties,
    Standing,
)
from chalicelib.auth import sql as auth
from chalicelib.clock import Time
from chalicelib.domain_events.written import note
from chalicelib.drivers.postgres import Postgres
from chalicelib.scopes import ROLES_LOCK, Role
from chalicelib.users import sql as users

RIGHTS = (
    "REVOKE UPDATE, DELETE ON audit_log FROM {group}",
    "GRANT UPDATE (address) ON audit_log TO {group}",
)
"""Functions may add entries to the audit log, and in old ones change the address only."""

_ACCOUNT = f"""
    u.id, u.username, u.email, u.display_name, u.created_at, {auth.ROLES} AS roles,
    {auth.SESSIONS_COUNTED} AS sessions,
    u.suspended_at, u.suspension_reason
"""
_AFTER_EVERY_NAME = "~"  # usernames are of a-z, 0-9 and _, which all come before it


class AdminStore:
    """Raises Unavailable from every method when PostgreSQL does not answer."""

    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres

    @contextmanager
    def act(self, actor: str | None, target: str | None) -> Iterator[Parties]:
        """A transaction that changes a user. Only one runs at a time, so the roles that it reads
        stay true until it ends. The target cannot sign in meanwhile, because their row is locked.
        `actor` is None for an operator, `target` if the act is not on a user."""
        with self._postgres.transaction():
            with self._postgres.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_xact_lock(%s)", [ROLES_LOCK])
                rows = cursor.execute(
                    f"SELECT u.id, {auth.ROLES}, {users.SUSPENDED} FROM {users.ROW}"
                    f" WHERE u.id = ANY(%s::uuid[]) AND {users.NOT_DELETED}"
                    " ORDER BY u.id FOR NO KEY UPDATE",
                    [[actor, target]],
                ).fetchall()
            found = {row[0]: Standing(frozenset(row[1]), row[2]) for row in rows}
            yield Parties(found.get(actor or ""), found.get(target or ""))

    def suspend(self, user_id: str, reason: str, now: Time) -> None:
        """Suspend a user. A repeat replaces the reason."""
        note()
        with self._postgres.cursor() as cursor:
            cursor.execute(
                users.SUSPEND,
                {"id": user_id, "now": now, "reason": reason},
            )

    def restore(self, user_id: str) -> None:
        """End the suspension of a user."""
        note()
        with self._postgres.cursor() as cursor:
            cursor.execute(users.RESTORE, [user_id])

    def grant(self, user_id: str, role: Role, now: Time) -> None:
        with self._postgres.cursor() as cursor:
            cursor.execute(auth.GRANT_ROLE, [user_id, role, now])

    def take(self, user_id: str, role: Role) -> None:
        with self._postgres.cursor() as cursor:
            cursor.execute(auth.TAKE_ROLE, [user_id, role])

    def record(
        self, actor: str, action: Action, target: str, *, address: str | None, now: Time
    ) -> None:
        """Add an act to the audit log."""
        with self._postgres.cursor() as cursor:
            cursor.execute(
                "INSERT INTO audit_log (at, actor, action, target, address)"
                " VALUES (%s, %s, %s, %s, %s)",
                [now, actor, action, target, address],
            )

    def forget_addresses(self, now: Time, kept: timedelta, limit: int) -> int:
        """Remove the addresses from old entries, at most `limit`. Returns how many."""
        with self._postgres.cursor() as cursor:
            return cursor.execute(
                "UPDATE audit_log SET address = NULL WHERE id = ANY(ARRAY("
                "  SELECT id FROM audit_log WHERE address IS NOT NULL AND at < %s - %s LIMIT %s"
                "))",
                [now, kept, limit],
            ).rowcount

    def account(self, user_id: str, now: Time) -> Account | None:
        """A user as staff sees them, unless deleted."""
        with self._postgres.cursor(row_factory=class_row(Account)) as cursor:
            return cursor.execute(
                f"SELECT {_ACCOUNT} FROM {users.ROW} WHERE u.id = %(id)s AND {users.NOT_DELETED}",
                {"id": user_id, "now": now},
            ).fetchone()

    def accounts(self, query: AccountQuery, *, now: Time, limit: int) -> list[Account]:
        """Users by username, from the one after the cursor on."""
        clauses = [users.NOT_DELETED]
        if query.username:
            clauses.append('u.username COLLATE "C" >= %(prefix)s')
            clauses.append('u.username COLLATE "C" < %(end)s')
        if query.email:
            clauses.append("u.email = %(email)s")
        if query.cursor is not None:
            clauses.append('u.username COLLATE "C" > %(cursor)s')
        with self._postgres.cursor(row_factory=class_row(Account)) as cursor:
            return cursor.execute(
                f"SELECT {_ACCOUNT} FROM {users.ROW} WHERE {' AND '.join(clauses)}"
                ' ORDER BY u.username COLLATE "C" LIMIT %(limit)s',
                {
                    "now": now,
                    "prefix": query.username,
                    "end": query.username + _AFTER_EVERY_NAME,
                    "email": query.email,
                    "cursor": query.cursor,
                    "limit": limit,
                },
            ).fetchall()

    def audit(self, query: AuditQuery, *, limit: int) -> list[AuditEntry]:
        """What was done, newest first, from before the cursor on."""
        given: dict[str, Any] = query.model_dump(include={"actor", "action", "target", "cursor"})
        clauses = [
            "id < %(cursor)s" if name == "cursor" else f"{name} = %({name})s"
            for name, value in given.items()
            if value is not None
        ]
        where = f"WHERE {' AND '.join(clauses)}" if clauses else ""
        with self._postgres.cursor(row_factory=class_row(AuditEntry)) as cursor:
            return cursor.execute(
                f"SELECT id, at, actor, action, target, address FROM audit_log {where}"
                " ORDER BY id DESC LIMIT %(limit)s",
                {**given, "limit": limit},
            ).fetchall()
