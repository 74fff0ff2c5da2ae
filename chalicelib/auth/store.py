"""Accounts in PostgreSQL: registering, and sessions that a proof opens."""

from typing import NamedTuple

from psycopg.errors import UniqueViolation
from psycopg.rows import args_row, scalar_row

from chalicelib.auth.sessions.models import Session
from chalicelib.auth.sessions.store import OPEN, Proof, SessionStore, opening
from chalicelib.clock import Time
from chalicelib.domain_events.outbox import of_user
from chalicelib.domain_events.written import note
from chalicelib.drivers.postgres import Postgres
from chalicelib.errors import UsernameTaken
from chalicelib.mail import enqueue
from chalicelib.users import sql as users
from chalicelib.users.models import Profile

# A new password ends a change of the address, because a thief may have asked for it. It comes
# before the links: EmailStore locks both in this order.
_FORGET_CHANGE = "DELETE FROM email_changes WHERE user_id = %s"

# And the links that were mailed earlier. The second table belongs to the previous version.
_FORGET_LINKS = """
WITH links AS (
    DELETE FROM mail_links WHERE user_id = %(user_id)s AND purpose IN ('reset', 'change')
)
DELETE FROM mail_tokens WHERE user_id = %(user_id)s AND purpose = 'reset'
"""


class Credential(NamedTuple):
    """A user's password, hashed."""

    user_id: str
    password_hash: str
    suspended: bool = False
    second_factor: bool = False


class AccountStore:
    """Raises Unavailable from every method when PostgreSQL does not answer."""

    def __init__(self, postgres: Postgres, sessions: SessionStore) -> None:
        self._postgres = postgres
        self._sessions = sessions

    def add(self, user: Profile, password_hash: str, session: Session) -> None:
        """Make a user with a password and a first session, and queue a link to verify the address:
        all or nothing. Raises UsernameTaken.
        """
        note()
        try:
            with self._postgres.cursor() as cursor:
                cursor.execute(
                    f"WITH changed AS ({users.ADD}), told AS ({of_user('registered')}),"
                    " credential AS ("
                    "  INSERT INTO credentials (user_id, password_hash, changed_at)"
                    "  VALUES (%s, %s, %s)"
                    f"), mail AS ({enqueue.ONE}) {OPEN}",
                    [
                        *(user.id, user.username, user.email, user.display_name, user.created_at),
                        *(user.id, password_hash, session.opened_at),
                        *("verify", user.id, session.opened_at),
                        *opening(session),
                    ],
                )
        except UniqueViolation:
            raise UsernameTaken() from None

    def credential_for(self, login: str) -> Credential | None:
        """The password of the user with this username, or with this verified e-mail address."""
        name = f"{users.VERIFIED} AND u.email" if "@" in login else "u.username"
        with self._postgres.cursor(row_factory=args_row(Credential)) as cursor:
            return cursor.execute(
                f"SELECT c.user_id, c.password_hash, {users.SUSPENDED}, f.confirmed_at IS NOT NULL"
                f" FROM {users.ROW} JOIN credentials c ON c.user_id = u.id"
                " LEFT JOIN second_factors f ON f.user_id = u.id"
                f" WHERE {name} = %s",
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
        """Open a session after a password matched this hash; None if the hash has changed since, or
        the user was suspended. Returns what `SessionStore.open` does."""
        proof = Proof(
            f"credentials c JOIN {users.ROW} ON u.id = c.user_id"
            f" WHERE c.user_id = %s AND c.password_hash = %s AND {users.NOT_SUSPENDED} FOR SHARE",
            [session.user_id, password_hash],
        )
        return self._sessions.open(session, proof, known=known)

    def open_by_passkey(
        self, session: Session, passkey_id: str, *, known: bool
    ) -> list[str] | None:
        """Like `open_session`, after a passkey was checked; None if it was removed in the meantime,
        or the user was suspended."""
        proof = Proof(
            f"{users.ROW} JOIN passkeys p ON p.user_id = u.id"
            f" WHERE p.user_id = %s AND p.id = %s AND {users.NOT_SUSPENDED} FOR SHARE",
            [session.user_id, passkey_id],
        )
        return self._sessions.open(session, proof, known=known)

    def open_by_google(self, session: Session, subject: str, *, known: bool) -> list[str] | None:
        """Like `open_session`, after a Google account was checked; None if it is no longer linked,
        or the user was suspended."""
        proof = Proof(
            f"{users.ROW} JOIN google_accounts g ON g.user_id = u.id"
            f" WHERE g.user_id = %s AND g.subject = %s AND {users.NOT_SUSPENDED} FOR SHARE",
            [session.user_id, subject],
        )
        return self._sessions.open(session, proof, known=known)

    def change_password(
        self, user_id: str, password_hash: str, *, checked: str, but: str, now: Time
    ) -> list[str] | None:
        """Set a password, end all sessions but one, and queue a notice. Returns what
        `SessionStore.revoke_all` does; None, and nothing changes, if the hash that was checked is
        no longer in force."""
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
                    enqueue.tell(cursor, user_id, "password_changed", now)
            return self._sessions.revoke_all(user_id, but=but, now=now) if changed else None
