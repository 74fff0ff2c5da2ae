"""Users and their devices in PostgreSQL."""

import hashlib
from collections.abc import Collection
from typing import Any

from psycopg import sql
from psycopg.rows import class_row

from chalicelib.clock import Time
from chalicelib.domain_events.outbox import of_user
from chalicelib.domain_events.written import note
from chalicelib.drivers.postgres import Postgres
from chalicelib.users.devices import MAX_DEVICES, PushTarget, PushToken
from chalicelib.users.models import Card, Profile

_PROFILE = (
    "id, username, display_name, about, avatar_url, email,"
    " email_verified_at IS NOT NULL AS email_verified, push_previews, created_at,"
    " (SELECT c.address FROM email_changes c WHERE c.user_id = users.id AND c.expires_at > now())"
    " AS pending_email"
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

    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres

    def profile(self, user_id: str) -> Profile | None:
        """A user, unless deleted."""
        with self._postgres.cursor(row_factory=class_row(Profile)) as cursor:
            return cursor.execute(
                f"SELECT {_PROFILE} FROM users WHERE id = %s AND deleted_at IS NULL", [user_id]
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
                    f" RETURNING {_PROFILE}, revision"
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
        """Of these users those who are not deleted, and whether each is active."""
        with self._postgres.cursor() as cursor:
            rows = cursor.execute(
                "SELECT id, suspended_at IS NULL FROM users"
                " WHERE id = ANY(%s::uuid[]) AND deleted_at IS NULL",
                [list(user_ids)],
            ).fetchall()
        return dict(rows)

    def add_push_token(
        self, user_id: str, session_id: str, device_id: str, push: PushToken, now: Time
    ) -> None:
        """Set a device's token. It is taken from the user's other devices, and from other users
        only if the device shows the same key as theirs did: knowing a token is not enough to
        silence anybody. Beyond MAX_DEVICES, the devices set longest ago are dropped."""
        key = push.device_key
        values = {
            "user_id": user_id,
            "session_id": session_id,
            "device_id": device_id,
            "token": push.token,
            "platform": push.platform,
            "device": hashlib.sha256(key.encode()).digest() if key else None,
            "now": now,
            "devices": MAX_DEVICES,
        }
        with self._postgres.transaction(), self._postgres.cursor() as cursor:
            # Two devices that claim one token take turns.
            cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%(token)s, 0))", values)
            cursor.execute(
                "DELETE FROM push_tokens WHERE token = %(token)s"
                " AND (user_id, device_id) <> (%(user_id)s, %(device_id)s)"
                " AND (user_id = %(user_id)s OR device_digest = %(device)s)",
                values,
            )
            cursor.execute(
                "INSERT INTO push_tokens"
                " (user_id, device_id, session_id, token, platform, device_digest, updated_at)"
                " SELECT %(user_id)s, %(device_id)s, id, %(token)s, %(platform)s, %(device)s,"
                " %(now)s"
                " FROM sessions WHERE id = %(session_id)s AND revoked_at IS NULL FOR SHARE"
                " ON CONFLICT (user_id, device_id) DO UPDATE SET session_id = EXCLUDED.session_id,"
                " token = EXCLUDED.token, platform = EXCLUDED.platform,"
                " device_digest = EXCLUDED.device_digest, updated_at = EXCLUDED.updated_at",
                values,
            )
            cursor.execute(
                "DELETE FROM push_tokens WHERE user_id = %(user_id)s AND device_id IN ("
                "  SELECT device_id FROM push_tokens WHERE user_id = %(user_id)s"
                "  ORDER BY updated_at DESC, device_id OFFSET %(devices)s LIMIT 1000"
                ")",
                values,
            )

    def drop_push_token(self, user_id: str, device_id: str) -> None:
        """Stop pushes to a device."""
        with self._postgres.cursor() as cursor:
            cursor.execute(
                "DELETE FROM push_tokens WHERE user_id = %s AND device_id = %s",
                [user_id, device_id],
            )

    def drop_push_tokens(self, tokens: Collection[str]) -> None:
        """Forget tokens of any users."""
        with self._postgres.cursor() as cursor:
            cursor.execute("DELETE FROM push_tokens WHERE token = ANY(%s)", [list(tokens)])

    def push_targets(self, user_ids: Collection[str], now: Time) -> list[PushTarget]:
        """The devices of users whose session stands."""
        with self._postgres.cursor() as cursor:
            rows = cursor.execute(
                "SELECT u.id, p.device_id, p.token, p.platform, u.push_previews AND NOT EXISTS ("
                "  SELECT 1 FROM push_tokens o JOIN sessions t"
                "  ON t.id = o.session_id AND t.revoked_at IS NULL AND t.expires_at > %(now)s"
                "  WHERE o.token = p.token AND o.user_id <> u.id"
                " ) FROM users u JOIN push_tokens p ON p.user_id = u.id"
                " JOIN sessions s ON s.id = p.session_id"
                " AND s.revoked_at IS NULL AND s.expires_at > %(now)s"
                " WHERE u.id = ANY(%(users)s::uuid[]) ORDER BY u.id, p.device_id",
                {"users": list(user_ids), "now": now},
            ).fetchall()
        return [PushTarget(*row) for row in rows]
