"""Changes of e-mail addresses that are not verified yet, in PostgreSQL."""

from datetime import timedelta

from psycopg.errors import UniqueViolation
from psycopg.rows import args_row, scalar_row

from chalicelib.auth.recovery.store import Recipient
from chalicelib.clock import Time
from chalicelib.domain_events.written import note
from chalicelib.drivers.postgres import Postgres
from chalicelib.mail.enqueue import mail, tell
from chalicelib.users import sql as users

_CANDIDATE = f"""
    SELECT u.id, u.username, c.address, false, {users.taken("c.address")}, false
    FROM email_changes c JOIN {users.ROW} ON u.id = c.user_id
    WHERE c.user_id = %s AND c.expires_at > %s
"""

# A reset may have locked other links of the user, and wait for this transaction. It then finds that
# the address has changed, and does nothing.
_OTHER_LINKS = """
    DELETE FROM mail_links WHERE digest = ANY(ARRAY(
        SELECT digest FROM mail_links WHERE user_id = %s AND digest <> %s FOR UPDATE SKIP LOCKED
    ))
"""


class EmailStore:
    """All methods lock rows in one order: `users`, `email_changes`, `mail_links`.

    Raises Unavailable from every method when PostgreSQL does not answer.
    """

    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres

    def ask(
        self, user_id: str, address: str, *, checked: str, good_for: timedelta, now: Time
    ) -> bool:
        """Queue a link to the address that a user wants, and a notice to their current one.

        An earlier change ends, with its links. Asking for the current address only ends it. False,
        and nothing changes, if the hash that was checked is no longer in force.
        """
        with self._postgres.transaction(), self._postgres.cursor() as cursor:
            proven = "SELECT FROM credentials WHERE user_id = %s AND password_hash = %s FOR SHARE"
            if not cursor.execute(proven, [user_id, checked]).rowcount:
                return False
            cursor.execute(
                "DELETE FROM email_changes WHERE user_id = %s AND address <> %s", [user_id, address]
            )
            wanted = cursor.execute(
                "INSERT INTO email_changes (user_id, address, asked_at, expires_at)"
                " SELECT u.id, %(address)s, %(now)s, %(now)s + %(good_for)s"
                f" FROM {users.ROW} WHERE u.id = %(user_id)s AND u.email <> %(address)s"
                " ON CONFLICT (user_id) DO UPDATE SET address = EXCLUDED.address,"
                " asked_at = EXCLUDED.asked_at, expires_at = EXCLUDED.expires_at",
                {"user_id": user_id, "address": address, "now": now, "good_for": good_for},
            ).rowcount
            cursor.execute(
                "DELETE FROM mail_links WHERE user_id = %s AND purpose = 'change'"
                " AND address <> %s",
                [user_id, address],
            )
            if wanted:
                mail(cursor, "change", user_id, now)
                tell(cursor, user_id, "email_change_asked", now)
        return True

    def candidate(self, user_id: str, now: Time) -> Recipient | None:
        """A user with the address that they want; None without a change. `first` is False, so the
        mail counts against the limit that all strangers of that mailbox share."""
        with self._postgres.cursor(row_factory=args_row(Recipient)) as cursor:
            return cursor.execute(_CANDIDATE, [user_id, now]).fetchone()

    def used(self, user_id: str, digest: bytes, now: Time) -> bool | None:
        """Whether a link was used already, for the address that its user has now; None for an
        invalid link."""
        with self._postgres.cursor(row_factory=scalar_row) as cursor:
            found: bool | None = cursor.execute(
                "SELECT l.used_at IS NOT NULL"
                f" FROM mail_links l JOIN {users.ROW} ON u.id = l.user_id"
                " WHERE l.digest = %s AND l.user_id = %s AND l.purpose = 'change'"
                " AND l.expires_at > %s AND (l.used_at IS NULL OR u.email = l.address)",
                [digest, user_id, now],
            ).fetchone()
        return found

    def complete(self, user_id: str, digest: bytes, now: Time) -> bool:
        """Use a link: the address that it was mailed to replaces the user's. Both addresses get
        notices. All other links of the user end. False, and nothing changes, if the user no longer
        wants this address, or another account has verified it."""
        note()
        try:
            with self._postgres.transaction(), self._postgres.cursor() as cursor:
                cursor.execute(users.LOCK, [user_id])
                found = cursor.execute(
                    "DELETE FROM email_changes WHERE user_id = %(user_id)s"
                    " AND expires_at > %(now)s AND address = ("
                    "  SELECT address FROM mail_links WHERE digest = %(digest)s"
                    "  AND user_id = %(user_id)s AND purpose = 'change'"
                    "  AND used_at IS NULL AND expires_at > %(now)s"
                    ") RETURNING address",
                    {"user_id": user_id, "digest": digest, "now": now},
                ).fetchone()
                if found is None:
                    return False
                used = "UPDATE mail_links SET used_at = %s WHERE digest = %s"
                cursor.execute(used, [now, digest])
                cursor.execute(_OTHER_LINKS, [user_id, digest])
                tell(cursor, user_id, "email_changed", now)  # to the old address
                cursor.execute(users.CHANGE_EMAIL, [found[0], now, user_id])
                tell(cursor, user_id, "address_verified", now)
                return True
        except UniqueViolation:
            return False
