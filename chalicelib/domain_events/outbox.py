"""Events about users wait in PostgreSQL until RabbitMQ has confirmed them.

A store writes them in the statement that makes the change, so that there is no event without its
change, and no change without its event.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, LiteralString, NamedTuple

from psycopg.rows import args_row, scalar_row

from chalicelib.drivers.postgres import Postgres

LEASE_SECONDS = 30

SESSIONS_REVOKED = """
    INSERT INTO domain_events (type, data)
    SELECT 'session.revoked', jsonb_build_object(
        'session_id', ended.id, 'user_id', ended.user_id, 'client_id', ended.client_id
    ) FROM ended
"""
"""The part of a statement that writes `session.revoked` for the sessions in `ended` (id, user_id,
client_id). Call `written.note` before you run the statement."""

_OF_USER = """
    INSERT INTO domain_events (type, data)
    SELECT ?, jsonb_build_object('user_id', changed.id, 'revision', changed.revision) FROM changed
"""

# By the clock of the server: those of functions differ.
_CLAIM = """
UPDATE domain_events SET due_at = now() + make_interval(secs => %s) WHERE id = ANY(ARRAY(
    SELECT id FROM domain_events WHERE due_at <= now() ORDER BY due_at, id
    LIMIT %s FOR UPDATE SKIP LOCKED
)) RETURNING id, type, data, at
"""


def of_user(kind: LiteralString) -> LiteralString:
    """The part of a statement that writes `user.<kind>` for the users in `changed` (id, revision).
    Call `written.note` before you run the statement."""
    return _OF_USER.replace("?", f"'user.{kind}'")


class Waiting(NamedTuple):
    """An event that waits to be published."""

    id: str
    type: str
    data: dict[str, Any]
    at: datetime


class EventOutbox:
    """Raises Unavailable from every method when PostgreSQL does not answer."""

    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres

    def claim(self, limit: int) -> list[Waiting]:
        """The events that have waited longest. Each comes again after LEASE_SECONDS unless it is
        removed."""
        with self._postgres.cursor(row_factory=args_row(Waiting)) as cursor:
            found = cursor.execute(_CLAIM, [LEASE_SECONDS, limit]).fetchall()
        return sorted(found, key=lambda one: one.at)

    def remove(self, ids: Sequence[str]) -> None:
        """Delete events that were published."""
        with self._postgres.cursor(again=True) as cursor:
            cursor.execute("DELETE FROM domain_events WHERE id = ANY(%s::uuid[])", [list(ids)])

    def age(self) -> float:
        """How many seconds the oldest event has waited; 0 if none waits."""
        with self._postgres.cursor(row_factory=scalar_row) as cursor:
            found: float | None = cursor.execute(
                "SELECT extract(epoch FROM now() - min(at))::float8 FROM domain_events"
            ).fetchone()
        return found or 0
