"""Exports in PostgreSQL, and what the other tables hold about a user."""

from collections.abc import Collection, Iterator
from datetime import timedelta
from typing import Any

from psycopg.rows import args_row, class_row, dict_row

from chalicelib.clock import Time
from chalicelib.drivers.postgres import Postgres
from chalicelib.exports.models import EVERY, Export, Task

Row = dict[str, Any]

_EXPORT = "id, state AS status, created_at, ready_at, expires_at, size"

AUDIT_PAGE = 500

_ACCOUNT = {
    "profile": "SELECT id, username, display_name, about, avatar_url, email, email_verified_at,"
    " push_previews, created_at FROM users WHERE id = %s AND deleted_at IS NULL",
    "roles": "SELECT role, granted_at FROM user_roles WHERE user_id = %s ORDER BY role",
    "sessions": "SELECT id, device_name, user_agent, created_at, last_used_at, expires_at,"
    " revoked_at, client_id, scope, auth_time FROM sessions WHERE user_id = %s ORDER BY id",
    "programs": "SELECT DISTINCT k.id AS client_id, k.name, s.scope FROM sessions s"
    " JOIN oauth_clients k ON k.id = s.client_id"
    " WHERE s.user_id = %s AND s.revoked_at IS NULL ORDER BY 1, 3",
    "consents": "SELECT c.client_id, k.name, c.scopes, c.agreed_at FROM oauth_consents c"
    " JOIN oauth_clients k ON k.id = c.client_id WHERE c.user_id = %s ORDER BY c.client_id",
    "devices": "SELECT device_id, platform, session_id, updated_at FROM push_tokens"
    " WHERE user_id = %s ORDER BY device_id",
    "second_factor": "SELECT confirmed_at, (SELECT count(*) FROM recovery_codes codes"
    " WHERE codes.user_id = factor.user_id) AS recovery_codes_left"
    " FROM second_factors factor WHERE user_id = %s",
    "passkeys": "SELECT id, name, created_at, last_used_at FROM passkeys"
    " WHERE user_id = %s ORDER BY id",
    "google": "SELECT subject, linked_at FROM google_accounts WHERE user_id = %s",
    "password": "SELECT changed_at FROM credentials WHERE user_id = %s",
    "mailed_links": "SELECT purpose, address, sent_at, expires_at, used_at FROM mail_links"
    " WHERE user_id = %s ORDER BY purpose, expires_at",
    "email_change": "SELECT address, asked_at, expires_at FROM email_changes WHERE user_id = %s",
    "exports": "SELECT id, state, created_at, ready_at, expires_at, size FROM exports"
    " WHERE user_id = %s ORDER BY created_at",
}

# Of what others did to the user, not who: that is about them.
_AUDIT = """
SELECT id, at, action, target, actor = %(user_id)s AS by_you,
    CASE WHEN actor = %(user_id)s THEN address END AS address
FROM audit_log
WHERE id > %(after)s AND (actor = %(user_id)s OR target = %(user_id)s::uuid)
ORDER BY id LIMIT %(limit)s
"""

_FINISH = """
WITH done AS (
    UPDATE exports SET state = 'ready', size = %(size)s, ready_at = %(now)s,
        expires_at = %(now)s + %(kept)s,
        due_at = %(now)s + %(kept)s, tries = 0
    WHERE id = %(id)s AND state = 'waiting' AND tries = %(tries)s
    RETURNING user_id
)
INSERT INTO mails (kind, subject, due_at) SELECT 'export', user_id, %(now)s FROM done
ON CONFLICT (kind, subject) DO UPDATE SET due_at = EXCLUDED.due_at, tries = 0
"""


class ExportStore:
    """Raises Unavailable from every method when PostgreSQL does not answer."""

    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres

    def request(self, user_id: str, export_id: str, key: str, now: Time) -> Export | None:
        """The export that waits already or is too young to be replaced; else a new one, which
        dooms the one before. None for an unknown user."""
        with (
            self._postgres.transaction(),
            self._postgres.cursor(row_factory=class_row(Export)) as cursor,
        ):
            owner = "SELECT FROM users WHERE id = %s AND deleted_at IS NULL FOR UPDATE"
            if not cursor.execute(owner, [user_id]).rowcount:
                return None
            found = cursor.execute(
                f"SELECT {_EXPORT} FROM exports WHERE user_id = %s AND (state = 'waiting'"
                " OR (state = 'ready' AND created_at > %s - %s))",
                [user_id, now, EVERY],
            ).fetchone()
            if found is not None:
                return found
            cursor.execute(
                "UPDATE exports SET state = 'doomed', due_at = %s"
                " WHERE user_id = %s AND state <> 'doomed'",
                [now, user_id],
            )
            return cursor.execute(
                "INSERT INTO exports (id, user_id, state, key, created_at, due_at)"
                f" VALUES (%s, %s, 'waiting', %s, %s, %s) RETURNING {_EXPORT}",
                [export_id, user_id, key, now, now],
            ).fetchone()

    def latest(self, user_id: str, now: Time) -> tuple[Export, str] | None:
        """A user's export, unless it is over, and its key."""
        with self._postgres.cursor(row_factory=dict_row) as cursor:
            row = cursor.execute(
                f"SELECT {_EXPORT}, key FROM exports WHERE user_id = %s AND state <> 'doomed'"
                " AND (expires_at IS NULL OR expires_at > %s)",
                [user_id, now],
            ).fetchone()
        return (Export.model_validate(row), row["key"]) if row else None

    def claim(self, now: Time, *, lease: timedelta) -> Task | None:
        """What has been due the longest. It comes again after the lease unless it is settled."""
        with self._postgres.cursor(row_factory=args_row(Task)) as cursor:
            return cursor.execute(
                "UPDATE exports SET tries = tries + 1, due_at = %s + %s WHERE id = ("
                "  SELECT id FROM exports WHERE due_at <= %s ORDER BY due_at, id LIMIT 1"
                "  FOR UPDATE SKIP LOCKED"
                ") RETURNING id, user_id, state, key, tries",
                [now, lease, now],
            ).fetchone()

    def finish(self, task: Task, *, size: int, now: Time, kept: timedelta) -> bool:
        """The archive is stored: have a mail sent to its user. False if nobody wants it."""
        values = {**task._asdict(), "size": size, "now": now, "kept": kept}
        with self._postgres.cursor() as cursor:
            return bool(cursor.execute(_FINISH, values).rowcount)

    def put_off(self, task: Task, now: Time, wait: timedelta) -> None:
        """Have it made later."""
        self._settle(task, "due_at", now, wait)

    def fail(self, task: Task, now: Time, kept: timedelta) -> None:
        """Give it up: it is not tried again, and its row is deleted later."""
        self._settle(task, "state = 'failed', due_at", now, kept)

    def remove(self, task: Task) -> None:
        """Forget an export whose archive is gone."""
        with self._postgres.cursor() as cursor:
            cursor.execute("DELETE FROM exports WHERE id = %s", [task.id])

    def account(self, user_id: str) -> dict[str, list[Row]] | None:
        """What the tables hold about a user, without what is secret; None if deleted."""
        found: dict[str, list[Row]] = {}
        with self._postgres.cursor(row_factory=dict_row) as cursor:
            for name, query in _ACCOUNT.items():
                found[name] = cursor.execute(query.encode(), [user_id]).fetchall()
        return found if found["profile"] else None

    def audit(self, user_id: str) -> Iterator[Row]:
        """What the user did, and what was done to them, page by page."""
        after = 0
        while True:
            with self._postgres.cursor(row_factory=dict_row) as cursor:
                rows = cursor.execute(
                    _AUDIT, {"user_id": user_id, "after": after, "limit": AUDIT_PAGE}
                ).fetchall()
            for row in rows:
                after = row.pop("id")
                yield row
            if len(rows) < AUDIT_PAGE:
                return

    def names(self, user_ids: Collection[str]) -> dict[str, Row]:
        """Usernames and names of users, as everybody sees them."""
        with self._postgres.cursor(row_factory=dict_row) as cursor:
            rows = cursor.execute(
                "SELECT id, CASE WHEN deleted_at IS NULL THEN username END AS username,"
                " display_name FROM users WHERE id = ANY(%s::uuid[])",
                [list(user_ids)],
            ).fetchall()
        return {row.pop("id"): row for row in rows}

    def _settle(self, task: Task, change: str, now: Time, wait: timedelta) -> None:
        query = (
            f"UPDATE exports SET {change} = %s + %s"
            " WHERE id = %s AND state = 'waiting' AND tries = %s"
        )
        with self._postgres.cursor() as cursor:
            cursor.execute(query.encode(), [now, wait, task.id, task.tries])
