"""The consents: what each user allowed each program, in PostgreSQL."""

from collections.abc import Collection
from datetime import datetime
from typing import NamedTuple

from psycopg.rows import args_row, scalar_row

from chalicelib.auth import sql as auth
from chalicelib.clock import Time
from chalicelib.drivers.postgres import Postgres
from chalicelib.users import sql as users

MAX_CONSENTS = 100
"""For each user. One more deletes the oldest: its program asks again."""

MAX_PROGRAMS = 200
"""The longest list of programs. It contains programs with a consent, and programs with a session
that is older than the table of consents."""

# FOR SHARE: a transaction that ends the session at the same time waits, and then deletes this
# consent as well.
_REMEMBER = f"""
WITH agreed AS (
    INSERT INTO oauth_consents AS old (user_id, client_id, scopes, agreed_at)
    SELECT s.user_id, %(client_id)s, %(scopes)s, %(now)s
    FROM {users.ROW} JOIN {auth.SESSION} ON s.user_id = u.id
    WHERE s.id = %(session_id)s AND u.id = %(user_id)s AND {auth.STANDS}
    FOR KEY SHARE OF u FOR SHARE OF s
    ON CONFLICT (user_id, client_id) DO UPDATE SET agreed_at = EXCLUDED.agreed_at,
        scopes = ARRAY(SELECT DISTINCT unnest(old.scopes || EXCLUDED.scopes) ORDER BY 1)
    RETURNING user_id
)
DELETE FROM oauth_consents c USING agreed a
WHERE c.user_id = a.user_id AND c.client_id IN (
    SELECT client_id FROM oauth_consents
    WHERE user_id = %(user_id)s AND client_id <> %(client_id)s
    ORDER BY agreed_at DESC, client_id OFFSET %(others)s
)
"""

_PROGRAMS = f"""
SELECT k.id, k.name, array_agg(DISTINCT g.scope ORDER BY g.scope), max(g.at)
FROM (
    SELECT client_id, unnest(scopes) AS scope, agreed_at AS at FROM oauth_consents
    WHERE user_id = %(user_id)s
    UNION ALL
    SELECT s.client_id, unnest(string_to_array(s.scope, ' ')), s.created_at FROM {auth.SESSION}
    WHERE s.user_id = %(user_id)s AND s.client_id IS NOT NULL AND {auth.STANDS}
) g JOIN oauth_clients k ON k.id = g.client_id
WHERE k.deleted_at IS NULL GROUP BY k.id, k.name ORDER BY k.name, k.id LIMIT %(limit)s
"""


class Allowed(NamedTuple):
    """A program, what a user allowed it, and when they last did."""

    client_id: str
    name: str
    scopes: list[str]
    agreed_at: datetime


class ConsentStore:
    """Raises Unavailable from every method when PostgreSQL does not answer."""

    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres

    def remember(
        self, user_id: str, client_id: str, scopes: Collection[str], *, session_id: str, now: Time
    ) -> None:
        """Add scopes to what a user allowed a program. Does nothing if the session has ended in the
        meantime. Safe to repeat."""
        given = {
            "user_id": user_id,
            "client_id": client_id,
            "scopes": sorted(scopes),
            "session_id": session_id,
            "now": now,
            "others": MAX_CONSENTS - 1,
        }
        with self._postgres.cursor() as cursor:
            cursor.execute(_REMEMBER, given)

    def scopes(self, user_id: str, client_id: str) -> frozenset[str]:
        """What a user allowed a program."""
        with self._postgres.cursor(row_factory=scalar_row) as cursor:
            found: list[str] | None = cursor.execute(
                "SELECT scopes FROM oauth_consents WHERE user_id = %s AND client_id = %s",
                [user_id, client_id],
            ).fetchone()
        return frozenset(found or ())

    def programs(self, user_id: str, now: Time) -> list[Allowed]:
        """The programs that a user allowed, by name, with what each may do."""
        given = {"user_id": user_id, "now": now, "limit": MAX_PROGRAMS}
        with self._postgres.cursor(row_factory=args_row(Allowed)) as cursor:
            return cursor.execute(_PROGRAMS, given).fetchall()

    def forget(self, user_id: str, client_id: str) -> None:
        """Delete a consent, so that the program must ask again. Safe to repeat."""
        with self._postgres.cursor() as cursor:
            cursor.execute(
                "DELETE FROM oauth_consents WHERE user_id = %s AND client_id = %s",
                [user_id, client_id],
            )

    def forget_program(self, client_id: str, limit: int) -> int:
        """Delete the consents of at most `limit` users of a program; returns how many."""
        with self._postgres.cursor() as cursor:
            return cursor.execute(
                "DELETE FROM oauth_consents WHERE client_id = %(client_id)s"
                " AND user_id = ANY(ARRAY("
                "  SELECT user_id FROM oauth_consents WHERE client_id = %(client_id)s"
                "  LIMIT %(limit)s))",
                {"client_id": client_id, "limit": limit},
            ).rowcount
