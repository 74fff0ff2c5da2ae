"""Sessions in PostgreSQL: opened, refreshed, listed and revoked."""

from datetime import timedelta
from typing import Any, LiteralString, NamedTuple

from psycopg.rows import kwargs_row, scalar_row

from chalicelib.auth.sessions.models import LATELY, Session
from chalicelib.auth.sql import ProgramSql
from chalicelib.clock import Time
from chalicelib.domain_events.outbox import SESSIONS_REVOKED
from chalicelib.domain_events.written import note
from chalicelib.drivers.postgres import Postgres
from chalicelib.mail import enqueue
from chalicelib.mail.letters import device
from chalicelib.users import sql as users

MAX_SESSIONS = 50
_GIVE_WAY_AT_ONCE = 20  # there are more only after concurrent logins or an outage of Redis

_SESSION = """
    s.id, s.user_id, s.current_digest AS current, s.previous_digest AS previous,
    s.seed, s.rotated_at, s.device_name, s.user_agent, s.created_at, s.last_used_at,
    s.expires_at, s.revoked_at, s.client_id, s.scope, s.auth_time, now() AS read_at,
    ARRAY(SELECT role FROM user_roles r WHERE r.user_id = s.user_id) AS roles
"""
_COLUMNS = ", ".join(["%s"] * 8 + ["%s + %s"] + ["%s"] * 3)
_OPEN = """
    INSERT INTO sessions (id, user_id, current_digest, rotated_at, device_name, user_agent,
                          created_at, last_used_at, expires_at, client_id, scope, auth_time)
"""

OPEN = f"{_OPEN} VALUES ({_COLUMNS})"
"""Opens a session; `opening` has its values."""


class Proof(NamedTuple):
    """A query, from FROM on, that finds a row while the proof of a sign-in is valid, and locks it.
    So a concurrent change of the password, suspension or loss of a role sees the new session, and
    revokes it. PostgreSQL locks in the order of FROM: see `users.sql.HELD`."""

    query: LiteralString
    values: list[object]


class SessionStore:
    """Raises Unavailable from every method when PostgreSQL does not answer."""

    def __init__(self, postgres: Postgres, programs: ProgramSql) -> None:
        self._postgres = postgres
        self._programs = programs

    def open(self, session: Session, proof: Proof, *, known: bool) -> list[str] | None:
        """Add a session after a proof; None if that is no longer valid. Unless the device is
        `known`, the user gets a mail.

        Returns the sessions beyond MAX_SESSIONS, which the caller ends: least recently used first.
        """
        with self._postgres.cursor(row_factory=scalar_row) as cursor:
            opened = cursor.execute(
                f"WITH opened AS ("
                f"  {_OPEN} SELECT {_COLUMNS} FROM {proof.query}"
                f"  RETURNING id, user_id, user_agent, device_name, created_at, client_id"
                f"), notice AS ({enqueue.SIGNED_IN}) SELECT id FROM opened",
                [*opening(session), *proof.values, device(session.user_agent), known],
            ).fetchone()
            if opened is None:
                return None
            return cursor.execute(
                "SELECT id FROM sessions WHERE user_id = %(user_id)s"
                " AND revoked_at IS NULL AND expires_at > %(now)s AND id <> %(id)s"
                " AND (client_id IS NULL) = %(own)s"
                " ORDER BY last_used_at DESC OFFSET %(others)s LIMIT %(at_once)s",
                {
                    "now": session.opened_at,
                    "user_id": session.user_id,
                    "id": session.id,
                    "own": session.client_id is None,
                    "others": MAX_SESSIONS - 1,
                    "at_once": _GIVE_WAY_AT_ONCE,
                },
            ).fetchall()

    def open_from(self, session: Session, opener_id: str) -> list[str] | None:
        """Add a session for an OAuth client, from a valid session of the same user. None if that
        session has ended, the client was deleted, or the user has withdrawn their consent. Returns
        what `open` does."""
        proof = Proof(
            f"{users.ROW} JOIN sessions o ON o.user_id = u.id {self._programs.joined}"
            " WHERE o.user_id = %s AND o.id = %s AND o.revoked_at IS NULL AND o.expires_at > %s"
            f" AND {users.NOT_SUSPENDED} AND {self._programs.allowed} FOR SHARE",
            [session.client_id, session.user_id, opener_id, session.opened_at],
        )
        return self.open(session, proof, known=True)

    def roles(self, user_id: str) -> frozenset[str]:
        """The roles of a user. Call this after the session is stored: then a role that was taken
        earlier is missing here, and one that is taken later ends the session."""
        with self._postgres.cursor(row_factory=scalar_row) as cursor:
            return frozenset(
                cursor.execute(
                    "SELECT role FROM user_roles WHERE user_id = %s", [user_id]
                ).fetchall()
            )

    def session(self, session_id: str) -> Session | None:
        """A session, also one that has ended."""
        with self._postgres.cursor(row_factory=kwargs_row(_session)) as cursor:
            return cursor.execute(
                f"SELECT {_SESSION} FROM sessions s WHERE id = %s", [session_id]
            ).fetchone()

    def rotate(
        self,
        session: Session,
        *,
        current: bytes,
        previous: bytes,
        seed: bytes,
        now: Time,
        lifetime: timedelta,
    ) -> bool:
        """Replace the refresh token of a session. False if the session has changed since it was
        read: read it again."""
        with self._postgres.cursor() as cursor:
            return bool(
                cursor.execute(
                    "UPDATE sessions SET current_digest = %s, previous_digest = %s, seed = %s,"
                    " rotated_at = %s, last_used_at = %s,"
                    " expires_at = %s + %s"
                    " WHERE id = %s AND current_digest = %s AND revoked_at IS NULL",
                    [
                        *(current, previous, seed, now, now, now, lifetime),
                        *(session.id, session.current),
                    ],
                ).rowcount
            )

    def sessions(self, user_id: str, *, now: Time, before: str | None, limit: int) -> list[Session]:
        """The valid sessions that are older than `before`, newest first."""
        with self._postgres.cursor(row_factory=kwargs_row(_session)) as cursor:
            return cursor.execute(
                f"SELECT {_SESSION} FROM sessions s WHERE user_id = %(user_id)s"
                " AND revoked_at IS NULL AND expires_at > %(now)s"
                " AND (%(before)s::uuid IS NULL OR id < %(before)s::uuid)"
                " ORDER BY id DESC LIMIT %(limit)s",
                {"user_id": user_id, "now": now, "before": before, "limit": limit},
            ).fetchall()

    def revoke(self, user_id: str, session_id: str, now: Time, *, by_user: bool = False) -> bool:
        """End a session, with its pushes. False if this user does not have it. `by_user`: if it
        belongs to a program, the program must ask for consent again."""
        note()
        with self._postgres.cursor() as cursor:
            found = cursor.execute(
                "WITH pushes AS ("
                f" {users.DROP_PUSHES_OF_SESSION}"
                f"), forgotten AS ({self._programs.forget_granted}), ended AS ("
                "  UPDATE sessions SET revoked_at = %(now)s"
                "  WHERE id = %(id)s AND user_id = %(user_id)s AND revoked_at IS NULL"
                "  RETURNING id, user_id, client_id"
                f"), told AS ({SESSIONS_REVOKED})"
                " SELECT 1 FROM sessions WHERE id = %(id)s AND user_id = %(user_id)s",
                {"id": session_id, "user_id": user_id, "now": now, "by_user": by_user},
            ).fetchone()
        return found is not None

    def revoke_all(self, user_id: str, *, but: str | None, now: Time) -> list[str]:
        """End a user's sessions but one, with their pushes; programs must ask for consent again.
        Returns these and those that ended recently: so a repeat completes what an outage of Redis
        interrupted."""
        note()
        with self._postgres.cursor(row_factory=scalar_row) as cursor:
            ended = cursor.execute(
                "WITH pushes AS ("
                f" {users.DROP_PUSHES_BUT}"
                "), found AS ("
                "  SELECT id FROM sessions"
                "  WHERE user_id = %(user_id)s AND id IS DISTINCT FROM %(but)s::uuid"
                "  AND (revoked_at IS NULL OR revoked_at > %(now)s - %(lately)s)"
                "  ORDER BY revoked_at DESC NULLS FIRST LIMIT 500"
                "), ended AS ("
                "  UPDATE sessions SET revoked_at = %(now)s"
                "  WHERE id = ANY(ARRAY(SELECT id FROM found)) AND revoked_at IS NULL"
                "  RETURNING id, user_id, client_id"
                f"), told AS ({SESSIONS_REVOKED}) SELECT id FROM found",
                {"user_id": user_id, "but": but, "now": now, "lately": LATELY},
            ).fetchall()
            # In a statement of its own, to see a consent that the previous statement waited for.
            cursor.execute(self._programs.forget_all, [user_id])
            return ended

    def revoke_program(self, user_id: str, client_id: str, now: Time) -> list[str]:
        """End the sessions that a user granted to a program, with their pushes. Returns what
        `revoke_all` does."""
        note()
        with self._postgres.cursor(row_factory=scalar_row) as cursor:
            return cursor.execute(
                "WITH found AS ("
                "  SELECT id FROM sessions WHERE user_id = %(user_id)s AND client_id = %(client)s"
                "  AND (revoked_at IS NULL OR revoked_at > %(now)s - %(lately)s)"
                "  ORDER BY revoked_at DESC NULLS FIRST LIMIT 500"
                "), pushes AS ("
                f" {users.DROP_PUSHES_OF_FOUND}"
                "), ended AS ("
                "  UPDATE sessions SET revoked_at = %(now)s"
                "  WHERE id = ANY(ARRAY(SELECT id FROM found)) AND revoked_at IS NULL"
                "  RETURNING id, user_id, client_id"
                f"), told AS ({SESSIONS_REVOKED}) SELECT id FROM found",
                {"user_id": user_id, "client": client_id, "now": now, "lately": LATELY},
            ).fetchall()

    def revoked_within(self, time: timedelta, limit: int) -> list[tuple[str, str]]:
        """(user, session) of recently revoked sessions, newest first, by PostgreSQL's clock."""
        with self._postgres.cursor() as cursor:
            return cursor.execute(
                "SELECT user_id, id FROM sessions WHERE revoked_at > now() - %s"
                " ORDER BY revoked_at DESC LIMIT %s",
                [time, limit],
            ).fetchall()

    def revoke_sessions_of_client(
        self, client_id: str, now: Time, limit: int
    ) -> list[tuple[str, str]]:
        """End sessions that were granted to a program, at most `limit`; answers users and
        sessions. None of them gets pushes."""
        note()
        with self._postgres.cursor() as cursor:
            return cursor.execute(
                "WITH ended AS ("
                "  UPDATE sessions SET revoked_at = %(now)s WHERE id = ANY(ARRAY("
                "    SELECT id FROM sessions WHERE client_id = %(client_id)s"
                "    AND revoked_at IS NULL LIMIT %(limit)s"
                "  )) AND revoked_at IS NULL RETURNING id, user_id, client_id"
                f"), told AS ({SESSIONS_REVOKED}) SELECT user_id, id FROM ended",
                {"client_id": client_id, "now": now, "limit": limit},
            ).fetchall()

    def purge_sessions(self, now: Time, kept: timedelta, limit: int) -> int:
        """Delete sessions that ended longer ago than they are kept, at most `limit`; answers how
        many."""
        with self._postgres.cursor() as cursor:
            return cursor.execute(
                "DELETE FROM sessions WHERE id = ANY(ARRAY("
                "  SELECT id FROM sessions"
                "  WHERE expires_at < %(now)s - %(kept)s"
                "  OR revoked_at < %(now)s - %(kept)s LIMIT %(limit)s"
                "))",
                {"now": now, "kept": kept, "limit": limit},
            ).rowcount


def _session(*, roles: list[str], **columns: Any) -> Session:
    return Session(roles=frozenset(roles), **columns)


def opening(session: Session) -> list[object]:
    """The values of a session to be opened."""
    return [
        session.id,
        session.user_id,
        session.current,
        session.opened_at if session.drafted else session.rotated_at,
        session.device_name,
        session.user_agent,
        session.opened_at,
        session.opened_at if session.drafted else session.last_used_at,
        session.opened_at,
        session.expires_at - session.created_at,
        session.client_id,
        session.scope,
        session.auth_time,
    ]
