"""The outbox of mails in PostgreSQL."""

from collections.abc import Sequence

from psycopg.rows import args_row

from chalicelib.clock import Time
from chalicelib.drivers.postgres import Postgres
from chalicelib.mail.enqueue import NEXT_TRY, mail
from chalicelib.mail.models import Kind, QueuedMail


class MailStore:
    """Raises Unavailable from every method when PostgreSQL does not answer."""

    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres

    def add(self, kind: Kind, subject: str, now: Time) -> None:
        """Queue a mail. If it is queued already, it is sent once, and its attempts begin again."""
        with self._postgres.cursor() as cursor:
            mail(cursor, kind, subject, now)

    def claim(self, now: Time, *, delays: Sequence[int], limit: int) -> list[QueuedMail]:
        """Claim due mails, oldest first. Each is due again after its next delay, in seconds, unless
        it is removed; after the last delay if none is left."""
        with self._postgres.cursor(row_factory=args_row(QueuedMail)) as cursor:
            return cursor.execute(
                f"UPDATE mails SET {NEXT_TRY}"
                " WHERE id = ANY(ARRAY("
                "  SELECT id FROM mails WHERE due_at <= %(now)s ORDER BY due_at, id"
                "  LIMIT %(limit)s FOR UPDATE SKIP LOCKED"
                ")) RETURNING id, kind, subject, tries",
                {"now": now, "delays": list(delays), "limit": limit},
            ).fetchall()

    def remove(self, mail: QueuedMail) -> None:
        """Delete a mail, unless it was queued again after it was claimed."""
        with self._postgres.cursor(again=True) as cursor:
            cursor.execute("DELETE FROM mails WHERE id = %s AND tries = %s", [mail.id, mail.tries])
