"""Exports in PostgreSQL."""

from datetime import timedelta

from psycopg.rows import args_row, class_row, dict_row

from chalicelib.clock import Time
from chalicelib.drivers.postgres import Postgres
from chalicelib.exports.models import EVERY, Export, Task
from chalicelib.mail.enqueue import mails
from chalicelib.users import sql as users

_EXPORT = "id, state AS status, created_at, ready_at, expires_at, size"

_FINISH = f"""
WITH done AS (
    UPDATE exports SET state = 'ready', size = %(size)s, ready_at = %(now)s,
        expires_at = %(now)s + %(kept)s,
        due_at = %(now)s + %(kept)s, tries = 0
    WHERE id = %(id)s AND state = 'waiting' AND tries = %(tries)s
    RETURNING user_id
)
{mails("SELECT 'export', user_id, %(now)s FROM done")}
"""


class ExportStore:
    """Raises Unavailable from every method when PostgreSQL does not answer."""

    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres

    def request(self, user_id: str, export_id: str, key: str, now: Time) -> Export | None:
        """The existing export, if it waits or is too recent to be replaced. Otherwise a new one;
        the older one will be deleted. None for an unknown user."""
        with (
            self._postgres.transaction(),
            self._postgres.cursor(row_factory=class_row(Export)) as cursor,
        ):
            owner = f"SELECT FROM {users.ROW} WHERE u.id = %s AND {users.NOT_DELETED} FOR UPDATE"
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
        """A user's export and its key, unless it has expired."""
        with self._postgres.cursor(row_factory=dict_row) as cursor:
            row = cursor.execute(
                f"SELECT {_EXPORT}, key FROM exports WHERE user_id = %s AND state <> 'doomed'"
                " AND (expires_at IS NULL OR expires_at > %s)",
                [user_id, now],
            ).fetchone()
        return (Export.model_validate(row), row["key"]) if row else None

    def claim(self, now: Time, *, lease: timedelta) -> Task | None:
        """Claim the task that has been due the longest. It can be claimed again after the lease,
        unless it is finished."""
        with self._postgres.cursor(row_factory=args_row(Task)) as cursor:
            return cursor.execute(
                "UPDATE exports SET tries = tries + 1, due_at = %s + %s WHERE id = ("
                "  SELECT id FROM exports WHERE due_at <= %s ORDER BY due_at, id LIMIT 1"
                "  FOR UPDATE SKIP LOCKED"
                ") RETURNING id, user_id, state, key, tries",
                [now, lease, now],
            ).fetchone()

    def finish(self, task: Task, *, size: int, now: Time, kept: timedelta) -> bool:
        """The archive is stored: queue a mail to its user. False if the export was deleted in the
        meantime."""
        values = {**task._asdict(), "size": size, "now": now, "kept": kept}
        with self._postgres.cursor() as cursor:
            return bool(cursor.execute(_FINISH, values).rowcount)

    def put_off(self, task: Task, now: Time, wait: timedelta) -> None:
        """Try it again later."""
        self._settle(task, "due_at", now, wait)

    def fail(self, task: Task, now: Time, kept: timedelta) -> None:
        """Give up: it is not tried again, and its row is deleted later."""
        self._settle(task, "state = 'failed', due_at", now, kept)

    def remove(self, task: Task) -> None:
        """Delete the row of an export whose archive is deleted."""
        with self._postgres.cursor() as cursor:
            cursor.execute("DELETE FROM exports WHERE id = %s", [task.id])

    def _settle(self, task: Task, change: str, now: Time, wait: timedelta) -> None:
        query = (
            f"UPDATE exports SET {change} = %s + %s"
            " WHERE id = %s AND state = 'waiting' AND tries = %s"
        )
        with self._postgres.cursor() as cursor:
            cursor.execute(query.encode(), [now, wait, task.id, task.tries])
