"""Accounts in PostgreSQL: how users come and go, their passwords and their sessions."""

from datetime import timedelta
from typing import Any, NamedTuple

from psycopg.errors import UniqueViolation
from psycopg.rows import args_row, kwargs_row, scalar_row

from chalicelib.auth.sessions.models import LATELY, Session
from chalicelib.clock import Time
from chalicelib.domain_events.outbox import SESSIONS_REVOKED, of_user
from chalicelib.domain_events.written import note
from chalicelib.drivers.postgres import Postgres
from chalicelib.errors import LastAdmin, UsernameTaken
from chalicelib.exports.models import LEASE
from chalicelib.mail import notices
from chalicelib.mail.letters import device
from chalicelib.scopes import ROLES_LOCK
from chalicelib.users.models import DELETED_NAME, Profile

MAX_SESSIONS = 50
_GIVE_WAY_AT_ONCE = 20  # there are more only after logins that raced, or an outage of Redis

_SESSION = """
    s.id, s.user_id, s.current_digest AS current, s.previous_digest AS previous,
    s.seed, s.rotated_at, s.device_name, s.user_agent, s.created_at, s.last_used_at,
    s.expires_at, s.revoked_at, s.client_id, s.scope, s.auth_time, now() AS read_at,
    ARRAY(SELECT role FROM user_roles r WHERE r.user_id = s.user_id) AS roles
"""
_OPEN_SESSION = """
    INSERT INTO sessions (id, user_id, current_digest, rotated_at, device_name, user_agent,
                          created_at, last_used_at, expires_at, client_id, scope, auth_time)
"""
_OPENING = ", ".join(["%s"] * 8 + ["%s + %s"] + ["%s"] * 3)

# A program of others gets no notice: its user has just allowed it.
_NOTICE_OF_SIGN_IN = f"""
    {notices.INTO}
    SELECT u.id, 'signed_in', u.email, u.username, %s, o.created_at, o.created_at, o.created_at
    FROM opened o JOIN users u ON u.id = o.user_id
    WHERE NOT %s AND o.client_id IS NULL AND u.email_verified_at IS NOT NULL {notices.AGAIN}
"""

# Whether the user is an admin, and no other one can sign in. The user is locked before what
# follows, as by a change of the address: else the two could wait for each other.
_LAST_ADMIN = """
    SELECT EXISTS (
        SELECT FROM user_roles WHERE user_id = %(user_id)s AND role = 'admin'
    ) AND NOT EXISTS (
        SELECT FROM user_roles r JOIN users u ON u.id = r.user_id
        WHERE r.role = 'admin' AND r.user_id <> %(user_id)s
        AND u.suspended_at IS NULL AND u.deleted_at IS NULL
    ) FROM users WHERE id = %(user_id)s FOR UPDATE
"""


# A changed password voids a change of the address, which a thief may have asked for. Before the
# links: EmailStore locks both in this order.
_FORGET_CHANGE = "DELETE FROM email_changes WHERE user_id = %s"

# And the links that were mailed before. The second table is the one of the version before.
_FORGET_LINKS = """
WITH links AS (
    DELETE FROM mail_links WHERE user_id = %(user_id)s AND purpose IN ('reset', 'change')
)
DELETE FROM mail_tokens WHERE user_id = %(user_id)s AND purpose = 'reset'
"""

# A repeated deletion must not remove the notice of the deletion.
_FORGET_NOTICES = "DELETE FROM notices WHERE user_id = %s AND kind <> 'account_deleted'"


class Credential(NamedTuple):
    """A user's password, hashed."""

    user_id: str
    password_hash: str
    suspended: bool = False
    second_factor: bool = False


_WAYS_IN = (
    *("email_changes", "mail_links", "mail_tokens", "second_factors", "recovery_codes"),
    *("passkeys", "google_accounts", "user_roles"),
)

# Roles, ways to sign in, and mails that wait. While an address is a claim, a reset of its password
# may be another claimant's.
_FORGET = f"""
WITH {", ".join(f"{one} AS (DELETE FROM {one} WHERE user_id = %(user_id)s)" for one in _WAYS_IN)}
DELETE FROM mails USING users WHERE users.id = %(user_id)s AND (
    (mails.kind IN ('verify', 'export', 'change') AND mails.subject = users.id::text)
    OR (mails.kind = 'reset' AND split_part(mails.subject, ' ', 1) = users.email
        AND users.email_verified_at IS NOT NULL)
)
"""


class AccountStore:
    """Raises Unavailable from every method when PostgreSQL does not answer."""

    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres

    def add(self, user: Profile, password_hash: str, session: Session) -> None:
        """Make a user with a password and a first session, and have a link mailed to verify the
        address with: all of it or nothing. Raises UsernameTaken.
        """
        note()
        try:
            with self._postgres.cursor() as cursor:
                cursor.execute(
                    "WITH changed AS ("
                    "  INSERT INTO users (id, username, email, display_name, created_at)"
                    "  VALUES (%s, %s, %s, %s, %s) RETURNING id, revision"
                    f"), told AS ({of_user('registered')}), credential AS ("
                    "  INSERT INTO credentials (user_id, password_hash, changed_at)"
                    "  VALUES (%s, %s, %s)"
                    "), mail AS ("
                    "  INSERT INTO mails (kind, subject, due_at)"
                    "  VALUES ('verify', %s, %s)"
                    f") {_OPEN_SESSION} VALUES ({_OPENING})",
                    [
                        *(user.id, user.username, user.email, user.display_name, user.created_at),
                        *(user.id, password_hash, session.opened_at),
                        *(user.id, session.opened_at),
                        *_opening(session),
                    ],
                )
        except UniqueViolation:
            raise UsernameTaken() from None

    def credential_for(self, login: str) -> Credential | None:
        """The password of the user with this username, or with this verified e-mail address."""
        by_email, by_username = "u.email_verified_at IS NOT NULL AND u.email", "u.username"
        column = by_email if "@" in login else by_username
        with self._postgres.cursor(row_factory=args_row(Credential)) as cursor:
            return cursor.execute(
                "SELECT c.user_id, c.password_hash, u.suspended_at IS NOT NULL,"
                " f.confirmed_at IS NOT NULL FROM users u JOIN credentials c ON c.user_id = u.id"
                " LEFT JOIN second_factors f ON f.user_id = u.id"
                f" WHERE {column} = %s",
                [login],
            ).fetchone()

    def password_hash(self, user_id: str) -> str | None:
        """None once the account is deleted."""
        with self._postgres.cursor(row_factory=scalar_row) as cursor:
            found: str | None = cursor.execute(
                "SELECT password_hash FROM credentials WHERE user_id = %s", [user_id]
            ).fetchone()
        return found

    def rehash(self, old: Credential, password_hash: str) -> None:
        """Replace the hash of a password that stays the same."""
        with self._postgres.cursor() as cursor:
            cursor.execute(
                "UPDATE credentials SET password_hash = %s"
                " WHERE user_id = %s AND password_hash = %s",
                [password_hash, old.user_id, old.password_hash],
            )

    def open_session(
        self, session: Session, password_hash: str, *, known: bool
    ) -> list[str] | None:
        """Add a session after this password hash was proved; None if the hash has changed since, or
        the user was suspended. Unless the device is `known`, the user gets a mail.

        Answers the sessions beyond MAX_SESSIONS that are to end, least recently used first.
        """
        # The locks let a change of password, a suspension or the taking of a role that runs
        # meanwhile see this session, and revoke it.
        return self._open(
            session,
            "credentials c JOIN users u ON u.id = c.user_id"
            " WHERE c.user_id = %s AND c.password_hash = %s AND u.suspended_at IS NULL"
            " FOR SHARE",
            [session.user_id, password_hash],
            known=known,
        )

    def open_by_passkey(
        self, session: Session, passkey_id: str, *, known: bool
    ) -> list[str] | None:
        """Like `open_session`, after a passkey was proved; None if it was removed meanwhile, or the
        user was suspended."""
        return self._open(
            session,
            "passkeys p JOIN users u ON u.id = p.user_id"
            " WHERE p.user_id = %s AND p.id = %s AND u.suspended_at IS NULL FOR SHARE",
            [session.user_id, passkey_id],
            known=known,
        )

    def open_by_google(self, session: Session, subject: str, *, known: bool) -> list[str] | None:
        """Like `open_session`, after a Google account was proved; None if it is no longer linked,
        or the user was suspended."""
        return self._open(
            session,
            "google_accounts g JOIN users u ON u.id = g.user_id"
            " WHERE g.user_id = %s AND g.subject = %s AND u.suspended_at IS NULL FOR SHARE",
            [session.user_id, subject],
            known=known,
        )

    def open_from(self, session: Session, opener_id: str) -> list[str] | None:
        """Add a session for a program of others on the word of one that stands, of the same user;
        None if that has ended meanwhile, the program is gone, or the user has taken back what they
        allowed it. Answers as `open_session`."""
        return self._open(
            session,
            "sessions o JOIN users u ON u.id = o.user_id JOIN oauth_clients k ON k.id = %s"
            " JOIN oauth_consents a ON a.client_id = k.id AND a.user_id = o.user_id"
            " WHERE o.user_id = %s AND o.id = %s AND o.revoked_at IS NULL AND o.expires_at > %s"
            " AND u.suspended_at IS NULL AND k.deleted_at IS NULL FOR SHARE",
            [session.client_id, session.user_id, opener_id, session.opened_at],
            known=True,
        )

    def _open(
        self, session: Session, proof: str, values: list[object], *, known: bool
    ) -> list[str] | None:
        with self._postgres.cursor(row_factory=scalar_row) as cursor:
            opened = cursor.execute(
                f"WITH opened AS ("
                f"  {_OPEN_SESSION} SELECT {_OPENING} FROM {proof}"
                f"  RETURNING id, user_id, user_agent, device_name, created_at, client_id"
                f"), notice AS ({_NOTICE_OF_SIGN_IN}) SELECT id FROM opened",
                [*_opening(session), *values, device(session.user_agent), known],
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

    def roles(self, user_id: str) -> frozenset[str]:
        """The roles of a user. Ask after the session is stored: a role that was taken before is
        missing here, and taking one later ends the session."""
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
        """Replace the refresh token of a session. False: the session has changed since it was read,
        so read it again."""
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
        """The sessions that stand, newest first, from the one before `before` on."""
        with self._postgres.cursor(row_factory=kwargs_row(_session)) as cursor:
            return cursor.execute(
                f"SELECT {_SESSION} FROM sessions s WHERE user_id = %(user_id)s"
                " AND revoked_at IS NULL AND expires_at > %(now)s"
                " AND (%(before)s::uuid IS NULL OR id < %(before)s::uuid)"
                " ORDER BY id DESC LIMIT %(limit)s",
                {"user_id": user_id, "now": now, "before": before, "limit": limit},
            ).fetchall()

    def revoke(self, user_id: str, session_id: str, now: Time, *, by_user: bool = False) -> bool:
        """End a session, with its pushes. False: this user has no such session. `by_user`: if
        it was granted to a program, that asks its user again."""
        note()
        with self._postgres.cursor() as cursor:
            found = cursor.execute(
                "WITH pushes AS ("
                "  DELETE FROM push_tokens WHERE session_id = %(id)s AND user_id = %(user_id)s"
                "), forgotten AS ("
                "  DELETE FROM oauth_consents c USING sessions s WHERE %(by_user)s"
                "  AND s.id = %(id)s AND s.user_id = %(user_id)s"
                "  AND c.user_id = s.user_id AND c.client_id = s.client_id"
                "), ended AS ("
                "  UPDATE sessions SET revoked_at = %(now)s"
                "  WHERE id = %(id)s AND user_id = %(user_id)s AND revoked_at IS NULL"
                "  RETURNING id, user_id, client_id"
                f"), told AS ({SESSIONS_REVOKED})"
                " SELECT 1 FROM sessions WHERE id = %(id)s AND user_id = %(user_id)s",
                {"id": session_id, "user_id": user_id, "now": now, "by_user": by_user},
            ).fetchone()
        return found is not None

    def revoke_all(self, user_id: str, *, but: str | None, now: Time) -> list[str]:
        """End a user's sessions but one, with their pushes; programs ask the user again. Answers
        which, and those that ended lately: so a repeat completes what a failure of Redis cut
        short."""
        note()
        with self._postgres.cursor(row_factory=scalar_row) as cursor:
            ended = cursor.execute(
                "WITH pushes AS ("
                "  DELETE FROM push_tokens WHERE user_id = %(user_id)s"
                "  AND session_id IS DISTINCT FROM %(but)s::uuid"
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
            # By a statement of its own, which sees a consent that the last one waited for.
            cursor.execute("DELETE FROM oauth_consents WHERE user_id = %s", [user_id])
            return ended

    def revoke_program(self, user_id: str, client_id: str, now: Time) -> list[str]:
        """End what a user granted to a program, with its pushes. Answers as `revoke_all`."""
        note()
        with self._postgres.cursor(row_factory=scalar_row) as cursor:
            return cursor.execute(
                "WITH found AS ("
                "  SELECT id FROM sessions WHERE user_id = %(user_id)s AND client_id = %(client)s"
                "  AND (revoked_at IS NULL OR revoked_at > %(now)s - %(lately)s)"
                "  ORDER BY revoked_at DESC NULLS FIRST LIMIT 500"
                "), pushes AS ("
                "  DELETE FROM push_tokens WHERE user_id = %(user_id)s"
                "  AND session_id = ANY(ARRAY(SELECT id FROM found))"
                "), ended AS ("
                "  UPDATE sessions SET revoked_at = %(now)s"
                "  WHERE id = ANY(ARRAY(SELECT id FROM found)) AND revoked_at IS NULL"
                "  RETURNING id, user_id, client_id"
                f"), told AS ({SESSIONS_REVOKED}) SELECT id FROM found",
                {"user_id": user_id, "client": client_id, "now": now, "lately": LATELY},
            ).fetchall()

    def revoked_within(self, time: timedelta, limit: int) -> list[tuple[str, str]]:
        """(user, session) of what was revoked lately, newest first, by PostgreSQL's clock."""
        with self._postgres.cursor() as cursor:
            return cursor.execute(
                "SELECT user_id, id FROM sessions WHERE revoked_at > now() - %s"
                " ORDER BY revoked_at DESC LIMIT %s",
                [time, limit],
            ).fetchall()

    def revoke_grants(self, client_id: str, now: Time, limit: int) -> list[tuple[str, str]]:
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

    def change_password(
        self, user_id: str, password_hash: str, *, checked: str, but: str, now: Time
    ) -> list[str] | None:
        """Set a password, end all sessions but one, and tell the user. Answers as `revoke_all`, or
        None if the hash that was checked is not in force any more: then nothing is changed."""
        with self._postgres.transaction():
            with self._postgres.cursor() as cursor:
                changed = cursor.execute(
                    "UPDATE credentials SET password_hash = %s, changed_at = %s"
                    " WHERE user_id = %s AND password_hash = %s",
                    [password_hash, now, user_id, checked],
                ).rowcount
                if changed:
                    cursor.execute(_FORGET_CHANGE, [user_id])
                    cursor.execute(_FORGET_LINKS, {"user_id": user_id})
                    notices.tell(cursor, user_id, "password_changed", now)
            return self.revoke_all(user_id, but=but, now=now) if changed else None

    def erase(self, user_id: str, now: Time, *, checked: str | None) -> list[str] | None:
        """Delete an account and all that identifies its user. The row stays, because messages
        name it, and the notice of the deletion stays until it is sent. Answers like
        `change_password`. Safe to repeat: then there is no hash to check.

        Raises LastAdmin if nobody could make an admin any more.
        """
        with self._postgres.transaction():
            with self._postgres.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_xact_lock(%s)", [ROLES_LOCK])
                deleted = cursor.execute(
                    "DELETE FROM credentials WHERE user_id = %s AND password_hash = %s",
                    [user_id, checked],
                ).rowcount
                if checked is not None and not deleted:
                    return None
                if cursor.execute(_LAST_ADMIN, {"user_id": user_id}).fetchone() == (True,):
                    raise LastAdmin()
                cursor.execute(_FORGET.encode(), {"user_id": user_id})
                # By a statement of their own, which sees a sign-in that the last one waited for.
                cursor.execute(_FORGET_NOTICES, [user_id])
                notices.tell(cursor, user_id, "account_deleted", now)  # while the address is known
                # An archive that is being made is deleted once nobody can be at it any more.
                cursor.execute(
                    "UPDATE exports SET state = 'doomed', due_at ="
                    " CASE WHEN state = 'waiting' AND tries > 0"
                    " THEN LEAST(due_at, %s + %s) ELSE %s END"
                    " WHERE user_id = %s AND state <> 'doomed'",
                    [now, LEASE, now, user_id],
                )
                cursor.execute(
                    "WITH devices AS ("
                    "  UPDATE sessions SET device_name = NULL, user_agent = '' WHERE user_id = %s"
                    "), changed AS ("
                    "  UPDATE users SET username = id::text, email = NULL,"
                    "  email_verified_at = NULL, display_name = %s, about = '',"
                    "  avatar_url = NULL, push_previews = true, deleted_at = %s,"
                    "  revision = revision + 1, suspended_at = NULL, suspension_reason = NULL"
                    "  WHERE id = %s AND deleted_at IS NULL RETURNING id, revision"
                    f") {of_user('deleted')}",
                    [user_id, DELETED_NAME, now, user_id],
                )
            return self.revoke_all(user_id, but=None, now=now)

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


def _opening(session: Session) -> list[object]:
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
