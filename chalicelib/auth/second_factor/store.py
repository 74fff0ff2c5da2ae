"""Second factors in PostgreSQL."""

from collections.abc import Collection
from typing import TYPE_CHECKING, Any, NamedTuple

from psycopg.rows import args_row, scalar_row

from chalicelib.clock import Time
from chalicelib.drivers.postgres import Postgres
from chalicelib.mail.enqueue import tell
from chalicelib.users import sql as users

if TYPE_CHECKING:
    from psycopg import Cursor


class Factor(NamedTuple):
    """A shared secret, whether it is in force, how many recovery codes are left, and when this was
    read, in seconds since 1970. Codes of about that time are valid."""

    secret: str
    confirmed: bool
    codes_left: int
    read_at: int

    def __repr__(self) -> str:
        return "Factor()"


class SecondFactorStore:
    """Raises Unavailable from every method when PostgreSQL does not answer."""

    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres

    def factor(self, user_id: str) -> Factor | None:
        """A user's second factor, also one that is not confirmed yet."""
        with self._postgres.cursor(row_factory=args_row(Factor)) as cursor:
            return cursor.execute(
                "SELECT secret, confirmed_at IS NOT NULL,"
                " (SELECT count(*) FROM recovery_codes c WHERE c.user_id = f.user_id),"
                " extract(epoch FROM now())::bigint FROM second_factors f WHERE f.user_id = %s",
                [user_id],
            ).fetchone()

    def propose(self, user_id: str, secret: str) -> bool:
        """Store a secret until it is confirmed, in place of an earlier one. False if one is in
        force."""
        with self._postgres.cursor() as cursor:
            return bool(
                cursor.execute(
                    "INSERT INTO second_factors (user_id, secret) VALUES (%s, %s)"
                    " ON CONFLICT (user_id) DO UPDATE SET secret = EXCLUDED.secret"
                    " WHERE second_factors.confirmed_at IS NULL",
                    [user_id, secret],
                ).rowcount
            )

    def confirm(
        self, user_id: str, secret: str, step: int, digests: Collection[bytes], now: Time
    ) -> bool:
        """Put a secret in force with these recovery codes, and queue a mail to its user. False if
        it is not the one that was proposed."""
        with self._postgres.transaction(), self._postgres.cursor() as cursor:
            confirmed = cursor.execute(
                "UPDATE second_factors f SET confirmed_at = %s, last_step = %s"
                f" FROM {users.HELD}"
                " WHERE f.user_id = held.id AND f.secret = %s AND f.confirmed_at IS NULL",
                [now, step, user_id, secret],
            ).rowcount
            if not confirmed:
                return False
            _set_codes(cursor, user_id, digests)
            tell(cursor, user_id, "second_factor_on", now)
            return True

    def replace_codes(self, user_id: str, digests: Collection[bytes], now: Time) -> bool:
        """Replace all recovery codes, and queue a mail to their user. False if no second factor is
        in force."""
        with self._postgres.transaction(), self._postgres.cursor() as cursor:
            found = cursor.execute(
                f"SELECT 1 FROM {users.ROW} JOIN second_factors f ON f.user_id = u.id"
                " WHERE u.id = %s AND f.confirmed_at IS NOT NULL"
                " FOR KEY SHARE OF u FOR UPDATE OF f",
                [user_id],
            ).fetchone()
            if found is None:
                return False
            _set_codes(cursor, user_id, digests)
            tell(cursor, user_id, "recovery_codes_made", now)
            return True

    def use_step(self, user_id: str, step: int) -> bool:
        """Mark a time step as used. False if it or a later one was used before."""
        with self._postgres.cursor() as cursor:
            return bool(
                cursor.execute(
                    "UPDATE second_factors SET last_step = %(step)s WHERE user_id = %(user_id)s"
                    " AND confirmed_at IS NOT NULL AND last_step < %(step)s",
                    {"user_id": user_id, "step": step},
                ).rowcount
            )

    def use_code(self, user_id: str, digest: bytes, now: Time) -> bool:
        """Mark a recovery code as used, and queue a mail to its user. False if it is wrong or
        used."""
        with self._postgres.transaction(), self._postgres.cursor() as cursor:
            used = cursor.execute(
                f"DELETE FROM recovery_codes c USING {users.HELD}"
                " WHERE c.user_id = held.id AND c.digest = %s",
                [user_id, digest],
            ).rowcount
            if used:
                tell(cursor, user_id, "recovery_code_used", now)
            return bool(used)

    def remove(self, user_id: str, now: Time) -> None:
        """Remove the second factor; its user gets a mail if one was in force."""
        with self._postgres.transaction(), self._postgres.cursor(row_factory=scalar_row) as cursor:
            was_on = cursor.execute(
                f"DELETE FROM second_factors f USING {users.HELD}"
                " WHERE f.user_id = held.id RETURNING f.confirmed_at IS NOT NULL",
                [user_id],
            ).fetchone()
            cursor.execute("DELETE FROM recovery_codes WHERE user_id = %s", [user_id])
            if was_on:
                tell(cursor, user_id, "second_factor_off", now)


def _set_codes(cursor: "Cursor[Any]", user_id: str, digests: Collection[bytes]) -> None:
    cursor.execute("DELETE FROM recovery_codes WHERE user_id = %s", [user_id])
    cursor.execute(
        "INSERT INTO recovery_codes (user_id, digest) SELECT %s, unnest(%s::bytea[])",
        [user_id, list(digests)],
    )
