"""A user's data in the table of exports, and how it is erased."""

from typing import TYPE_CHECKING, Any

from chalicelib.clock import Time
from chalicelib.exports.models import LEASE

if TYPE_CHECKING:
    from psycopg import Cursor

EXPORT = {
    "exports": "SELECT id, state, created_at, ready_at, expires_at, size FROM exports"
    " WHERE user_id = %s ORDER BY created_at",
}

# If an archive is being made, it is deleted after the time in which its function has surely ended.
_ERASE = """
    UPDATE exports SET state = 'doomed', due_at = CASE WHEN state = 'waiting' AND tries > 0
        THEN LEAST(due_at, %(now)s + %(lease)s) ELSE %(now)s END
    WHERE user_id = %(user_id)s AND state <> 'doomed'
"""


def erase(cursor: "Cursor[Any]", user_id: str, now: Time) -> None:
    """Mark a user's archives for deletion. Each row stays until its archive is deleted."""
    cursor.execute(_ERASE, {"user_id": user_id, "now": now, "lease": LEASE})
