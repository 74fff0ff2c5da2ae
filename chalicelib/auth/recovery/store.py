"""Mailed links in PostgreSQL: they verify addresses and reset passwords."""

from datetime import timedelta
from typing import NamedTuple

from psycopg.errors import UniqueViolation
from psycopg.rows import args_row, scalar_row

from chalicelib.auth.sessions.store import SessionStore
from chalicelib.clock import Time
from chalicelib.drivers.postgres import Postgres
from chalicelib.mail.enqueue import tell
from chalicelib.mail.models import Purpose
from chalicelib.users import sql as users

_PURGE = (
    "DELETE FROM mail_links WHERE digest = ANY(ARRAY("
    " SELECT digest FROM mail_links WHERE expires_at < %s LIMIT 10000))",
    "DELETE FROM mail_tokens WHERE digest = ANY(ARRAY("
    " SELECT digest FROM mail_tokens WHERE expires_at < %s LIMIT 10000))",
    "DELETE FROM email_changes WHERE user_id = ANY(ARRAY("
    " SELECT user_id FROM email_changes WHERE expires_at < %s LIMIT 10000))",
)

MAX_CLAIMS = 3
"""How many accounts that have claimed an address, and not verified it, get mails."""


class Recipient(NamedTuple):
    """Whom a mail is for. `taken`: another account has verified the address. `oldest`: no other
    account has claimed it before."""

    user_id: str
    username: str
    address: str
    verified: bool
    taken: bool
    oldest: bool

    @property
    def first(self) -> bool:
        """Whether this account is the first to claim the address. It has a limit of its own, so
        other accounts that claim the address cannot use it up."""
        return self.verified or (self.oldest and not self.taken)


class Reset(NamedTuple):
    """A link as it is stored. `used`: only a repeat of the same request may use it."""

    user_id: str
    password_hash: str
    used: bool


_RECIPIENT = f"""
    SELECT u.id, u.username, u.email, {users.VERIFIED}, {users.taken("u.email")}, {users.OLDEST}
    FROM {users.ROW}
"""

# Each half has an index of its own.
_OWNERS = f"""
    {_RECIPIENT} WHERE (
        (u.email = %(address)s AND {users.VERIFIED_AT} IS NOT NULL)
        OR (u.email = %(address)s AND {users.VERIFIED_AT} IS NULL)
    ) AND (%(username)s::text IS NULL OR u.username = %(username)s)
    ORDER BY {users.VERIFIED_AT} IS NULL, u.id LIMIT %(limit)s
"""

# `sent_at`: when SES accepted the mail. Without it the mail may never have arrived.
_FRESH = """
    SELECT 1 FROM mail_links WHERE user_id = %s AND purpose = %s
    AND sent_at > %s - %s AND used_at IS NULL AND expires_at > %s
"""


# The condition for a new link: the address is still the user's, or the one that they want.
_OF_WHOM = {
    "own": f"SELECT FROM {users.ROW} WHERE u.id = %s AND u.email = %s FOR NO KEY UPDATE",
    "change": f"SELECT FROM {users.ROW} JOIN email_changes c ON c.user_id = u.id"
    " WHERE u.id = %s AND c.address = %s FOR KEY SHARE OF u FOR NO KEY UPDATE OF c",
}


class RecoveryStore:
    """Raises Unavailable from every method when PostgreSQL does not answer."""

    def __init__(self, postgres: Postgres, sessions: SessionStore) -> None:
        self._postgres = postgres
        self._sessions = sessions

    def recipient(self, user_id: str) -> Recipient | None:
        """A user, unless deleted."""
        with self._postgres.cursor(row_factory=args_row(Recipient)) as cursor:
            return cursor.execute(
                f"{_RECIPIENT} WHERE u.id = %s AND u.email IS NOT NULL", [user_id]
            ).fetchone()

    def owners(self, address: str, username: str | None = None) -> list[Recipient]:
        """The user who has verified an address. If nobody has: the users who claimed it first, or
        the one with this username."""
        values = {"address": address, "username": username, "limit": MAX_CLAIMS}
        with self._postgres.cursor(row_factory=args_row(Recipient)) as cursor:
            found = cursor.execute(_OWNERS, values).fetchall()
        return [one for one in found if not one.taken]

    def has_link(self, user_id: str, purpose: Purpose, *, fresh: timedelta, now: Time) -> bool:
        """Whether a valid link was mailed within a time."""
        with self._postgres.cursor() as cursor:
            found = cursor.execute(_FRESH, [user_id, purpose, now, fresh, now]).fetchone()
        return found is not None

    def keep_link(
        self,
        recipient: Recipient,
        purpose: Purpose,
        digest: bytes,
        *,
        good_for: timedelta,
        fresh: timedelta,
        now: Time,
    ) -> bool:
        """Store a link that is mailed now. It replaces one whose mail SES did not accept. False,
        and nothing is stored, if `has_link` is true by now, or if the address is no longer the
        user's or, for a change, no longer the one that they want."""
        values = [recipient.user_id, purpose]
        with self._postgres.transaction(), self._postgres.cursor() as cursor:
            owner = _OF_WHOM["change" if purpose == "change" else "own"]
            if not cursor.execute(owner, [recipient.user_id, recipient.address]).rowcount:
                return False
            if cursor.execute(_FRESH, [*values, now, fresh, now]).fetchone():
                return False
            cursor.execute(
                "DELETE FROM mail_links WHERE user_id = %s AND purpose = %s AND sent_at IS NULL",
                values,
            )
            cursor.execute(
                "INSERT INTO mail_links (user_id, purpose, digest, address, expires_at)"
                " VALUES (%s, %s, %s, %s, %s + %s)",
                [*values, digest, recipient.address, now, good_for],
            )
        return True

    def link_sent(self, digest: bytes, now: Time) -> None:
        """Note that SES has accepted the mail with a link."""
        with self._postgres.cursor() as cursor:
            cursor.execute("UPDATE mail_links SET sent_at = %s WHERE digest = %s", [now, digest])

    def verify(self, user_id: str, digest: bytes, now: Time) -> bool:
        """Use a link: verify the address that it was mailed to. The user gets a notice. False if
        the link is unknown, or another account has verified the address."""
        values = {"user_id": user_id, "digest": digest, "now": now}
        try:
            with self._postgres.transaction(), self._postgres.cursor() as cursor:
                verified = cursor.execute(
                    "WITH owner AS ("
                    f" SELECT u.id FROM {users.ROW} WHERE u.id = %(user_id)s FOR NO KEY UPDATE"
                    "), proof AS ("
                    "  DELETE FROM mail_links l USING owner WHERE l.user_id = owner.id"
                    "  AND l.purpose = 'verify' AND l.digest = %(digest)s"
                    "  AND l.expires_at > %(now)s RETURNING l.user_id, l.address"
                    f") {users.VERIFY}",
                    values,
                ).rowcount
                if verified:
                    cursor.execute(
                        "DELETE FROM mail_links WHERE user_id = %(user_id)s AND purpose = 'verify'",
                        values,
                    )
                    tell(cursor, user_id, "address_verified", now)
                return bool(verified)
        except UniqueViolation:
            return False

    def reset(self, digest: bytes, now: Time) -> Reset | None:
        """A link for a reset, unless it has expired."""
        with self._postgres.cursor(row_factory=args_row(Reset)) as cursor:
            return cursor.execute(
                "SELECT t.user_id, c.password_hash, t.used_at IS NOT NULL"
                " FROM mail_links t JOIN credentials c ON c.user_id = t.user_id"
                " WHERE t.digest = %s AND t.purpose = 'reset' AND t.expires_at > %s",
                [digest, now],
            ).fetchone()

    def reset_password(self, digest: bytes, password_hash: str, now: Time) -> list[str] | None:
        """Use a link, and end the user's other links: set a password, end all sessions, remove
        passkeys, the linked Google account and an incomplete change of the address, verify the
        address, and queue a notice. A second factor stays if the address was verified before.
        Returns what `SessionStore.revoke_all` does; None, and nothing changes, if the link was
        used, or another account has verified the address."""
        try:
            with self._postgres.transaction():
                with self._postgres.cursor(row_factory=scalar_row) as cursor:
                    user_id: str | None = cursor.execute(
                        "WITH owner AS ("
                        f" SELECT u.id FROM credentials c JOIN {users.ROW} ON u.id = c.user_id"
                        "  WHERE c.user_id = ("
                        "   SELECT user_id FROM mail_links WHERE digest = %(digest)s"
                        "  ) FOR NO KEY UPDATE"
                        "), proof AS ("
                        "  UPDATE mail_links l SET used_at = %(now)s FROM owner"
                        "  WHERE l.user_id = owner.id AND l.digest = %(digest)s"
                        "  AND l.purpose = 'reset' AND l.expires_at > %(now)s AND l.used_at IS NULL"
                        "  RETURNING l.user_id, l.address"
                        f"), proven AS ({users.VERIFY})"
                        " UPDATE credentials SET password_hash = %(hash)s, changed_at = %(now)s"
                        " FROM proven WHERE credentials.user_id = proven.id"
                        " RETURNING credentials.user_id",
                        {"digest": digest, "hash": password_hash, "now": now},
                    ).fetchone()
                    if user_id is None:
                        return None
                    # A thief may have asked for the other address.
                    cursor.execute("DELETE FROM email_changes WHERE user_id = %s", [user_id])
                    cursor.execute(
                        "DELETE FROM mail_links WHERE user_id = %s AND digest <> %s",
                        [user_id, digest],
                    )
                    # Somebody else who had access may have added other ways to sign in.
                    cursor.execute("DELETE FROM passkeys WHERE user_id = %s", [user_id])
                    cursor.execute("DELETE FROM google_accounts WHERE user_id = %s", [user_id])
                    # A second factor from before the address was verified could be a stranger's,
                    # and lock the owner out.
                    cursor.execute(
                        "WITH newly AS ("
                        f" SELECT u.id FROM {users.ROW}"
                        f" WHERE u.id = %s AND {users.VERIFIED_AT} = %s"
                        "), codes AS ("
                        "  DELETE FROM recovery_codes c USING newly WHERE c.user_id = newly.id"
                        ") DELETE FROM second_factors f USING newly WHERE f.user_id = newly.id",
                        [user_id, now],
                    )
                    tell(cursor, user_id, "password_reset", now)
                return self._sessions.revoke_all(user_id, but=None, now=now)
        except UniqueViolation:
            return None

    def purge(self, now: Time) -> int:
        """Delete links and changes of addresses that have expired, a bounded number; answers how
        many."""
        with self._postgres.cursor() as cursor:
            return sum(cursor.execute(statement, [now]).rowcount for statement in _PURGE)
