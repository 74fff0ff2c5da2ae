"""Programs of others, in PostgreSQL; codes and single tokens that were revoked, in Redis."""

import hashlib
import json
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING

from psycopg.rows import class_row

from chalicelib.oauth.models import Code, OAuthClient
from chalicelib.postgres import Postgres
from chalicelib.redis import Call, Scripts, guarded

if TYPE_CHECKING:
    import redis

CODE_SECONDS = 60
REMEMBERED_SECONDS = 3600
"""So long a code that comes again is known, and ends the session that it made."""

# KEYS: code, the code once it is used, whether it came again. ARGV: seconds to remember it for.
# Answers {what it stands for, whether it was used before}; nothing if there is no such code.
_REDEEM = """
local found = redis.call('GET', KEYS[1])
if found then
    redis.call('DEL', KEYS[1])
    redis.call('SET', KEYS[2], found, 'EX', ARGV[1])
    return {found, 0}
end
found = redis.call('GET', KEYS[2])
if not found then return {} end
redis.call('SET', KEYS[3], '1', 'EX', ARGV[1])
return {found, 1}
"""


class ClientStore:
    """Raises Unavailable from every method when PostgreSQL does not answer."""

    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres

    def add(self, client: OAuthClient, now: datetime) -> None:
        with self._postgres.cursor() as cursor:
            cursor.execute(
                "INSERT INTO oauth_clients"
                " (id, name, secret_digest, redirect_uris, scopes, created_at)"
                " VALUES (%s, %s, %s, %s, %s, %s)",
                [
                    client.id,
                    client.name,
                    client.secret_digest,
                    client.redirect_uris,
                    client.scopes,
                    now,
                ],
            )

    def get(self, client_id: str) -> OAuthClient | None:
        with self._postgres.cursor(row_factory=class_row(OAuthClient)) as cursor:
            return cursor.execute(
                "SELECT id, name, secret_digest, redirect_uris, scopes FROM oauth_clients"
                " WHERE id = %s",
                [client_id],
            ).fetchone()


class Codes:
    """Redis sees digests only. Raises Unavailable from every method when it does not answer."""

    def __init__(self, client: "redis.Redis") -> None:
        self._redis = client
        self._scripts = Scripts(client)

    def keep(self, text: str, code: Code) -> None:
        """Have a code stand for something, for CODE_SECONDS."""
        with guarded():
            self._redis.set(_key(text), json.dumps(asdict(code)), ex=CODE_SECONDS)

    def redeem(self, text: str) -> tuple[Code, bool] | None:
        """What a code stands for and whether it was redeemed before; None: it never was one, or
        was not redeemed in time. Of two that come at once, one is the first."""
        key = _key(text)
        keys = [key, f"{key}:used", f"{key}:again"]
        answer = self._scripts.run(Call(_REDEEM, keys, [REMEMBERED_SECONDS]))
        return (Code(**json.loads(answer[0])), bool(answer[1])) if answer else None

    def came_again(self, text: str) -> bool:
        """Whether somebody redeemed a code after it was."""
        with guarded():
            return bool(self._redis.exists(f"{_key(text)}:again"))

    def void(self, token_id: str, seconds: int) -> None:
        """Revoke one access token that no session stands behind."""
        with guarded():
            self._redis.set(_void(token_id), "1", ex=max(1, seconds))

    def is_void(self, token_id: str) -> bool:
        with guarded():
            return bool(self._redis.exists(_void(token_id)))


def _key(text: str) -> str:
    return f"code:{{{hashlib.sha256(text.encode(errors='replace')).hexdigest()}}}"


def _void(token_id: str) -> str:
    return f"void:{hashlib.sha256(token_id.encode(errors='replace')).hexdigest()}"
