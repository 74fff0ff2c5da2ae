"""The devices of users that are pushed to, in PostgreSQL."""

import hashlib
from collections.abc import Collection

from chalicelib.clock import Time
from chalicelib.drivers.postgres import Postgres
from chalicelib.users.device_models import MAX_DEVICES, PushTarget, PushToken, SessionSql


class DeviceStore:
    """Raises Unavailable from every method when PostgreSQL does not answer."""

    def __init__(self, postgres: Postgres, sessions: SessionSql) -> None:
        self._postgres = postgres
        self._sessions = sessions

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
            # Concurrent requests with the same token run one after the other.
            cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%(token)s, 0))", values)
            # The end of a session locks the session before its tokens: see `users.sql.HELD`.
            cursor.execute(
                f"WITH held AS (SELECT s.id FROM {self._sessions.locked})"
                " DELETE FROM push_tokens t USING held WHERE t.token = %(token)s"
                " AND (t.user_id, t.device_id) <> (%(user_id)s, %(device_id)s)"
                " AND (t.user_id = %(user_id)s OR t.device_digest = %(device)s)",
                values,
            )
            cursor.execute(
                "INSERT INTO push_tokens"
                " (user_id, device_id, session_id, token, platform, device_digest, updated_at)"
                " SELECT %(user_id)s, %(device_id)s, s.id, %(token)s, %(platform)s, %(device)s,"
                f" %(now)s FROM {self._sessions.locked}"
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
        """Delete tokens, whatever user has them."""
        with self._postgres.cursor() as cursor:
            cursor.execute("DELETE FROM push_tokens WHERE token = ANY(%s)", [list(tokens)])

    def push_targets(self, user_ids: Collection[str], now: Time) -> list[PushTarget]:
        """The devices of users, if their sessions are valid."""
        with self._postgres.cursor() as cursor:
            rows = cursor.execute(
                "SELECT u.id, p.device_id, p.token, p.platform, u.push_previews AND NOT EXISTS ("
                "  SELECT 1 FROM push_tokens o WHERE o.token = p.token AND o.user_id <> u.id"
                f" AND {self._sessions.stands('o.session_id')}"
                " ) FROM users u JOIN push_tokens p ON p.user_id = u.id"
                " WHERE u.id = ANY(%(users)s::uuid[])"
                f" AND {self._sessions.stands('p.session_id')} ORDER BY u.id, p.device_id",
                {"users": list(user_ids), "now": now},
            ).fetchall()
        return [PushTarget(*row) for row in rows]
