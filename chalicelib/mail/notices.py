"""Notices in PostgreSQL: changes of the ways to sign in to an account."""

from collections.abc import Sequence
from datetime import timedelta

from psycopg.rows import args_row

from chalicelib.clock import Time
from chalicelib.drivers.postgres import Postgres
from chalicelib.mail.enqueue import NEXT_TRY
from chalicelib.mail.models import Notice

_CLAIM = f"""
WITH due AS (
    SELECT user_id, kind, address FROM notices WHERE due_at <= %(now)s
    ORDER BY due_at, user_id LIMIT %(limit)s FOR UPDATE SKIP LOCKED
)
UPDATE notices n SET {NEXT_TRY}
FROM due WHERE (n.user_id, n.kind, n.address) = (due.user_id, due.kind, due.address)
RETURNING n.user_id, n.kind, n.address, n.username, n.detail, n.times, n.since, n.at, n.tries
"""

# Not if it happened again after it was claimed.
_CLAIMED = "user_id = %s AND kind = %s AND address = %s AND times = %s AND tries = %s"


class NoticeStore:
    """Raises Unavailable from every method when PostgreSQL does not answer."""

    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres

    def claim(self, now: Time, *, delays: Sequence[int], limit: int) -> list[Notice]:
        """Claim due notices, oldest first. Each is due again after its next delay, in seconds,
        unless it is removed; after the last delay if none is left."""
        with self._postgres.cursor(row_factory=args_row(Notice)) as cursor:
            return cursor.execute(
                _CLAIM, {"now": now, "delays": list(delays), "limit": limit}
            ).fetchall()

    def put_off(self, notices: Sequence[Notice], now: Time, wait: timedelta) -> None:
        """Send them later. This attempt does not count."""
        with self._postgres.cursor() as cursor:
            cursor.executemany(
                f"UPDATE notices SET due_at = %s + %s, tries = 0 WHERE {_CLAIMED}".encode(),
                [[now, wait, *_claimed(one)] for one in notices],
            )

    def remove(self, notices: Sequence[Notice]) -> None:
        """Delete notices that were sent."""
        with self._postgres.cursor(again=True) as cursor:
            for one in notices:
                cursor.execute(f"DELETE FROM notices WHERE {_CLAIMED}".encode(), _claimed(one))


def _claimed(one: Notice) -> list[object]:
    return [one.user_id, one.kind, one.address, one.times, one.tries]
