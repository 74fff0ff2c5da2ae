"""Passkeys in PostgreSQL."""

from psycopg.errors import UniqueViolation
from psycopg.rows import args_row, kwargs_row

from chalicelib.auth.passkeys.models import Passkey, PasskeyInfo
from chalicelib.clock import Time
from chalicelib.drivers.postgres import Postgres
from chalicelib.errors import PasskeyKnown, TooManyPasskeys, UserNotFound
from chalicelib.mail.enqueue import tell
from chalicelib.users import sql as users

MAX_PASSKEYS = 20


class PasskeyStore:
    """Raises Unavailable from every method when PostgreSQL does not answer."""

    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres

    def add(self, passkey: Passkey, name: str, now: Time) -> None:
        """Store a passkey, and queue a mail to its user. Raises TooManyPasskeys, PasskeyKnown, or
        UserNotFound once the account is deleted."""
        try:
            with self._postgres.transaction(), self._postgres.cursor() as cursor:
                found = cursor.execute(
                    "SELECT 1 FROM credentials WHERE user_id = %s FOR UPDATE", [passkey.user_id]
                ).fetchone()
                if found is None:
                    raise UserNotFound()
                added = cursor.execute(
                    "INSERT INTO passkeys (id, user_id, credential_id, public_key, sign_count,"
                    " name, created_at) SELECT %s, %s, %s, %s, %s, %s, %s"
                    " WHERE (SELECT count(*) FROM passkeys WHERE user_id = %s) < %s",
                    [*passkey[:5], name, now, passkey.user_id, MAX_PASSKEYS],
                ).rowcount
                if not added:
                    raise TooManyPasskeys()
                tell(cursor, passkey.user_id, "passkey_added", now)
        except UniqueViolation:
            raise PasskeyKnown() from None

    def of(self, user_id: str) -> list[PasskeyInfo]:
        """A user's passkeys as they see them, oldest first."""
        with self._postgres.cursor(row_factory=kwargs_row(PasskeyInfo)) as cursor:
            return cursor.execute(
                "SELECT id, name, created_at, last_used_at FROM passkeys"
                " WHERE user_id = %s ORDER BY id",
                [user_id],
            ).fetchall()

    def credential_ids(self, user_id: str) -> list[bytes]:
        with self._postgres.cursor() as cursor:
            rows = cursor.execute(
                "SELECT credential_id FROM passkeys WHERE user_id = %s ORDER BY id", [user_id]
            ).fetchall()
        return [row[0] for row in rows]

    def find(self, credential_id: bytes) -> Passkey | None:
        with self._postgres.cursor(row_factory=args_row(Passkey)) as cursor:
            return cursor.execute(
                "SELECT p.id, p.user_id, p.credential_id, p.public_key, p.sign_count,"
                f" {users.SUSPENDED} FROM passkeys p JOIN {users.ROW} ON u.id = p.user_id"
                " WHERE p.credential_id = %s",
                [credential_id],
            ).fetchone()

    def use(self, passkey_id: str, sign_count: int, now: Time) -> bool:
        """Store the newest signature count. False if it has not grown, unless it is always 0, or if
        the passkey was removed."""
        with self._postgres.cursor() as cursor:
            return bool(
                cursor.execute(
                    "UPDATE passkeys SET sign_count = %(count)s, last_used_at = %(now)s"
                    " WHERE id = %(id)s AND (sign_count < %(count)s"
                    " OR (sign_count = 0 AND %(count)s = 0))",
                    {"count": sign_count, "now": now, "id": passkey_id},
                ).rowcount
            )

    def rename(self, user_id: str, passkey_id: str, name: str) -> PasskeyInfo | None:
        """Rename a passkey. None if this user does not have it."""
        with self._postgres.cursor(row_factory=kwargs_row(PasskeyInfo)) as cursor:
            return cursor.execute(
                "UPDATE passkeys SET name = %s WHERE user_id = %s AND id = %s"
                " RETURNING id, name, created_at, last_used_at",
                [name, user_id, passkey_id],
            ).fetchone()

    def remove(self, user_id: str, passkey_id: str, now: Time) -> bool:
        """Remove a passkey, and queue a mail to its user. False if this user does not have it."""
        with self._postgres.transaction(), self._postgres.cursor() as cursor:
            removed = cursor.execute(
                f"DELETE FROM passkeys p USING {users.HELD}"
                " WHERE p.user_id = held.id AND p.id = %s",
                [user_id, passkey_id],
            ).rowcount
            if removed:
                tell(cursor, user_id, "passkey_removed", now)
            return bool(removed)
