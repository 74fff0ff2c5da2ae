"""Google accounts that are linked, in PostgreSQL."""

from datetime import datetime
from typing import NamedTuple

from psycopg.errors import UniqueViolation
from psycopg.rows import args_row, scalar_row

from chalicelib.auth.sessions.models import Session
from chalicelib.auth.store import AccountStore
from chalicelib.clock import Time
from chalicelib.drivers.postgres import Postgres
from chalicelib.mail.enqueue import tell
from chalicelib.users import sql as users
from chalicelib.users.models import Profile

_ACCOUNT = f"""
    SELECT u.id, g.subject, {users.SUSPENDED}, f.confirmed_at IS NOT NULL
    FROM {users.ROW} LEFT JOIN google_accounts g ON g.user_id = u.id
    LEFT JOIN second_factors f ON f.user_id = u.id
"""


class Linked(NamedTuple):
    """An account, and the Google account that signs in to it, if one does."""

    user_id: str
    subject: str | None
    suspended: bool
    second_factor: bool


class GoogleStore:
    """Raises Unavailable from every method when PostgreSQL does not answer."""

    def __init__(self, postgres: Postgres, accounts: AccountStore) -> None:
        self._postgres = postgres
        self._accounts = accounts

    def find(self, subject: str) -> Linked | None:
        """The account that a Google account signs in to."""
        with self._postgres.cursor(row_factory=args_row(Linked)) as cursor:
            return cursor.execute(f"{_ACCOUNT} WHERE g.subject = %s", [subject]).fetchone()

    def owner(self, address: str) -> Linked | None:
        """The account that has verified an address."""
        with self._postgres.cursor(row_factory=args_row(Linked)) as cursor:
            return cursor.execute(
                f"{_ACCOUNT} WHERE {users.VERIFIED} AND u.email = %s", [address]
            ).fetchone()

    def add(self, user: Profile, password_hash: str, session: Session, subject: str) -> bool:
        """Make a user with a linked Google account and a first session, all or nothing. False if
        another account got the Google account or the address in the meantime. Raises UsernameTaken.
        """
        try:
            with self._postgres.transaction():
                self._accounts.add(user, password_hash, session)
                with self._postgres.cursor() as cursor:
                    cursor.execute(
                        "INSERT INTO google_accounts (user_id, subject, linked_at)"
                        " VALUES (%s, %s, %s)",
                        [user.id, subject, session.opened_at],
                    )
                    if user.email_verified:
                        cursor.execute(users.SET_VERIFIED, [session.opened_at, user.id])
        except UniqueViolation:
            return False
        return True

    def link(self, user_id: str, subject: str, now: Time, *, address: str | None = None) -> bool:
        """Link a Google account to an account; its user gets a mail. Safe to repeat. False if the
        Google account is linked to another account, the account has another Google account, it is
        deleted, or it has not verified the given `address`."""
        with self._postgres.transaction(), self._postgres.cursor(row_factory=scalar_row) as cursor:
            linked = cursor.execute(
                "INSERT INTO google_accounts (user_id, subject, linked_at)"
                " SELECT c.user_id, %(subject)s, %(now)s"
                f" FROM credentials c JOIN {users.ROW} ON u.id = c.user_id"
                " WHERE c.user_id = %(user_id)s AND (%(address)s::text IS NULL"
                f"  OR u.email = %(address)s AND {users.VERIFIED}) FOR SHARE"
                " ON CONFLICT DO NOTHING",
                {"subject": subject, "now": now, "user_id": user_id, "address": address},
            ).rowcount
            if linked:
                tell(cursor, user_id, "google_linked", now)
                return True
            held: str | None = cursor.execute(
                "SELECT subject FROM google_accounts WHERE user_id = %s", [user_id]
            ).fetchone()
        return held == subject

    def unlink(self, user_id: str, now: Time) -> None:
        """Unlink the Google account of an account; its user gets a mail if one was linked."""
        with self._postgres.transaction(), self._postgres.cursor() as cursor:
            unlinked = cursor.execute(
                f"DELETE FROM google_accounts g USING {users.HELD} WHERE g.user_id = held.id",
                [user_id],
            ).rowcount
            if unlinked:
                tell(cursor, user_id, "google_unlinked", now)

    def linked_at(self, user_id: str) -> datetime | None:
        """Since when a Google account is linked; None without one."""
        with self._postgres.cursor(row_factory=scalar_row) as cursor:
            found: datetime | None = cursor.execute(
                "SELECT linked_at FROM google_accounts WHERE user_id = %s", [user_id]
            ).fetchone()
        return found
