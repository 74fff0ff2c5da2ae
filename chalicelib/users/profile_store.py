"""Users in PostgreSQL."""

from collections.abc import Callable, Collection
from typing import Any, LiteralString

from psycopg import sql
from psycopg.rows import class_row

from chalicelib.domain_events.outbox import of_user
from chalicelib.domain_events.written import note
from chalicelib.drivers.postgres import Postgres
from chalicelib.users.models import Card, Profile

_PROFILE = (
    "id, username, display_name, about, avatar_url, email,"
    " email_verified_at IS NOT NULL AS email_verified, push_previews, created_at"
)
_COLUMNS = (
    "id, username, display_name, about, avatar_url, email, email_verified, push_previews,"
    " created_at, pending_email"
)
_CARD = (
    "id, CASE WHEN deleted_at IS NULL THEN username END AS username, display_name, about,"
    " deleted_at IS NOT NULL AS deleted, revision"
)


class UserStore:
    """Raises Unavailable from every method when PostgreSQL does not answer."""

    def __init__(
        self, postgres: Postgres, pending_email: Callable[[LiteralString], LiteralString]
    ) -> None:
        """`pending_email`: SQL for the address that the user with an id has asked for. `auth` owns
        that table and gives it."""
        self._postgres = postgres
        self._profile = f"{_PROFILE}, {pending_email('users.id')} AS pending_email"

    def profile(self, user_id: str) -> Profile | None:
        """A user, unless deleted."""
        with self._postgres.cursor(row_factory=class_row(Profile)) as cursor:
            return cursor.execute(
                f"SELECT {self._profile} FROM users WHERE id = %s AND deleted_at IS NULL", [user_id]
            ).fetchone()

    def update(self, user_id: str, changes: dict[str, Any]) -> Profile | None:
        """Set some columns of a user, unless deleted. If they have these values already, nothing
        changes and no event is written."""
        note()
        pairs = [sql.SQL("{} = %s").format(sql.Identifier(name)) for name in changes]
        others = [
            sql.SQL("{} IS DISTINCT FROM %s").format(sql.Identifier(name)) for name in changes
        ]
        with self._postgres.cursor(row_factory=class_row(Profile)) as cursor:
            changed = cursor.execute(
                sql.SQL(
                    "WITH changed AS ("
                    "  UPDATE users SET {}, revision = revision + 1"
                    "  WHERE id = %s AND deleted_at IS NULL AND ({})"
                    f" RETURNING {self._profile}, revision"
                    f"), told AS ({of_user('updated')}) SELECT {_COLUMNS} FROM changed"
                ).format(sql.SQL(", ").join(pairs), sql.SQL(" OR ").join(others)),
                [*changes.values(), user_id, *changes.values()],
            ).fetchone()
        return changed or self.profile(user_id)

    def cards(self, user_ids: Collection[str]) -> list[Card]:
        """Users as others may see them, also deleted ones."""
        with self._postgres.cursor(row_factory=class_row(Card)) as cursor:
            return cursor.execute(
                f"SELECT {_CARD} FROM users WHERE id = ANY(%s::uuid[])", [list(user_ids)]
            ).fetchall()

    def named(self, username: str) -> Card | None:
        """The user of this name, unless deleted."""
        with self._postgres.cursor(row_factory=class_row(Card)) as cursor:
            return cursor.execute(
                f"SELECT {_CARD} FROM users WHERE username = %s AND deleted_at IS NULL",
                [username],
            ).fetchone()

    def exists(self, user_id: str) -> bool:
        """Whether the user exists and is not deleted."""
        with self._postgres.cursor() as cursor:
            return (
                cursor.execute(
                    "SELECT 1 FROM users WHERE id = %s AND deleted_at IS NULL", [user_id]
                ).fetchone()
                is not None
            )

    def standing(self, user_ids: Collection[str]) -> dict[str, bool]:
        """Of these users, those who are not deleted, and whether each is active."""
        with self._postgres.cursor() as cursor:
            rows = cursor.execute(
                "SELECT id, suspended_at IS NULL FROM users"
                " WHERE id = ANY(%s::uuid[]) AND deleted_at IS NULL",
                [list(user_ids)],
            ).fetchall()
        return dict(rows)
