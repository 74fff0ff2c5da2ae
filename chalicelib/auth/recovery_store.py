"""What mails prove, in PostgreSQL: verified addresses and reset passwords."""

from datetime import datetime
from typing import NamedTuple

from psycopg.errors import UniqueViolation
from psycopg.rows import args_row, scalar_row

from chalicelib.auth.store import AccountStore
from chalicelib.mail.models import Purpose
from chalicelib.postgres import Postgres

MAX_CLAIMS = 3
"""So many accounts that have claimed an address, and not verified it, are mailed about."""


class Recipient(NamedTuple):
    """Whom a mail is for. `taken`: another account has verified the address."""

    user_id: str
    username: str
    address: str
    verified: bool
    taken: bool


class SignIn(NamedTuple):
    """A sign-in to an account whose address is verified."""

    username: str
    address: str
    at: datetime
    user_agent: str


class PasskeyAdded(NamedTuple):
    """A new passkey of an account whose address is verified."""

    username: str
    address: str
    at: datetime


class Reset(NamedTuple):
    """What a reset token is good for. `used`: only for repeating what it was used for."""

    user_id: str
    password_hash: str
    used: bool


_RECIPIENT = """
    SELECT u.id, u.username, u.email, u.email_verified_at IS NOT NULL, EXISTS (
        SELECT 1 FROM users o
        WHERE o.email = u.email AND o.email_verified_at IS NOT NULL AND o.id <> u.id
    ) FROM users u
"""


class RecoveryStore:
    """Raises Unavailable from every method when PostgreSQL does not answer."""

    def __init__(self, postgres: Postgres, accounts: AccountStore) -> None:
        self._postgres = postgres
        self._accounts = accounts

    def recipient(self, user_id: str) -> Recipient | None:
        """A user, unless deleted."""
        with self._postgres.cursor(row_factory=args_row(Recipient)) as cursor:
            return cursor.execute(
                f"{_RECIPIENT} WHERE u.id = %s AND u.email IS NOT NULL", [user_id]
            ).fetchone()

    def owners(self, address: str) -> list[Recipient]:
        """Who has verified an address; while nobody has, who claimed it last."""
        with self._postgres.cursor(row_factory=args_row(Recipient)) as cursor:
            found = cursor.execute(
                f"{_RECIPIENT} WHERE u.email = %s"
                " ORDER BY u.email_verified_at IS NULL, u.id DESC LIMIT %s",
                [address, MAX_CLAIMS],
            ).fetchall()
        return [one for one in found if not one.taken]

    def sign_in(self, session_id: str) -> SignIn | None:
        """A session that stands, if the address of its user is verified."""
        with self._postgres.cursor(row_factory=args_row(SignIn)) as cursor:
            return cursor.execute(
                "SELECT u.username, u.email, s.created_at, s.user_agent"
                " FROM sessions s JOIN users u ON u.id = s.user_id"
                " WHERE s.id = %s AND u.email_verified_at IS NOT NULL",
                [session_id],
            ).fetchone()

    def passkey(self, passkey_id: str) -> PasskeyAdded | None:
        """A passkey that is there, if the address of its user is verified."""
        with self._postgres.cursor(row_factory=args_row(PasskeyAdded)) as cursor:
            return cursor.execute(
                "SELECT u.username, u.email, p.created_at"
                " FROM passkeys p JOIN users u ON u.id = p.user_id"
                " WHERE p.id = %s AND u.email_verified_at IS NOT NULL",
                [passkey_id],
            ).fetchone()

    def keep_token(
        self, recipient: Recipient, purpose: Purpose, digest: bytes, expires_at: datetime
    ) -> None:
        """Make this the one token of a user for a purpose."""
        with self._postgres.cursor() as cursor:
            cursor.execute(
                "INSERT INTO mail_tokens (user_id, purpose, digest, address, expires_at)"
                " VALUES (%s, %s, %s, %s, %s) ON CONFLICT (user_id, purpose) DO UPDATE"
                " SET digest = EXCLUDED.digest, address = EXCLUDED.address,"
                " expires_at = EXCLUDED.expires_at, used_at = NULL",
                [recipient.user_id, purpose, digest, recipient.address, expires_at],
            )

    def verify(self, user_id: str, digest: bytes, now: datetime) -> bool:
        """Use a token up: the address that it was mailed to is the user's. False: there is no
        such token, or the address became another account's."""
        try:
            with self._postgres.transaction(), self._postgres.cursor() as cursor:
                return bool(
                    cursor.execute(
                        "WITH proof AS ("
                        "  DELETE FROM mail_tokens WHERE user_id = %(user_id)s"
                        "  AND purpose = 'verify' AND digest = %(digest)s"
                        "  AND expires_at > %(now)s RETURNING address"
                        ") UPDATE users SET email_verified_at = %(now)s FROM proof"
                        " WHERE users.id = %(user_id)s AND users.email = proof.address",
                        {"user_id": user_id, "digest": digest, "now": now},
                    ).rowcount
                )
        except UniqueViolation:
            return False

    def reset(self, digest: bytes, now: datetime) -> Reset | None:
        """What a token is good for, unless it has expired."""
        with self._postgres.cursor(row_factory=args_row(Reset)) as cursor:
            return cursor.execute(
                "SELECT t.user_id, c.password_hash, t.used_at IS NOT NULL"
                " FROM mail_tokens t JOIN credentials c ON c.user_id = t.user_id"
                " WHERE t.digest = %s AND t.purpose = 'reset' AND t.expires_at > %s",
                [digest, now],
            ).fetchone()

    def reset_password(self, digest: bytes, password_hash: str, now: datetime) -> list[str] | None:
        """Use a token up: set a password, end all sessions, remove passkeys and the
        Google account, and know the address for the user's. A second factor stays, unless the
        address was not known for theirs before.
        Answers as `AccountStore.revoke_all`; None, and nothing is changed, if it is used up, or
        the address became another account's."""
        try:
            with self._postgres.transaction():
                with self._postgres.cursor(row_factory=scalar_row) as cursor:
                    user_id: str | None = cursor.execute(
                        "WITH proof AS ("
                        "  UPDATE mail_tokens SET used_at = %(now)s WHERE digest = %(digest)s"
                        "  AND purpose = 'reset' AND expires_at > %(now)s AND used_at IS NULL"
                        "  RETURNING user_id, address"
                        "), proven AS ("
                        "  UPDATE users"
                        "  SET email_verified_at = COALESCE(users.email_verified_at, %(now)s)"
                        "  FROM proof WHERE users.id = proof.user_id"
                        "  AND users.email = proof.address RETURNING users.id"
                        ") UPDATE credentials SET password_hash = %(hash)s, changed_at = %(now)s"
                        " FROM proven WHERE credentials.user_id = proven.id"
                        " RETURNING credentials.user_id",
                        {"digest": digest, "hash": password_hash, "now": now},
                    ).fetchone()
                    if user_id is None:
                        return None
                    # Whoever had the account before may have left other ways in.
                    cursor.execute("DELETE FROM passkeys WHERE user_id = %s", [user_id])
                    cursor.execute("DELETE FROM google_accounts WHERE user_id = %s", [user_id])
                    # A second factor from before the address was proven keeps its owner out.
                    cursor.execute(
                        "WITH newly AS ("
                        "  SELECT id FROM users WHERE id = %s AND email_verified_at = %s"
                        "), codes AS ("
                        "  DELETE FROM recovery_codes c USING newly WHERE c.user_id = newly.id"
                        ") DELETE FROM second_factors f USING newly WHERE f.user_id = newly.id",
                        [user_id, now],
                    )
                return self._accounts.revoke_all(user_id, but=None, now=now)
        except UniqueViolation:
            return None

    def purge(self, now: datetime) -> int:
        """Delete tokens that have expired, a bounded number; answers how many."""
        with self._postgres.cursor() as cursor:
            return cursor.execute(
                "DELETE FROM mail_tokens WHERE digest = ANY(ARRAY("
                "  SELECT digest FROM mail_tokens WHERE expires_at < %s LIMIT 10000))",
                [now],
            ).rowcount
