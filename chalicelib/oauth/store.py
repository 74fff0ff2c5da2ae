"""Programs of others, in PostgreSQL; codes and single tokens that were revoked, in Redis."""

import hashlib
import json
from dataclasses import asdict
from typing import TYPE_CHECKING

from psycopg.rows import class_row

from chalicelib.clock import Time
from chalicelib.drivers.postgres import Postgres
from chalicelib.drivers.redis import Call, Scripts, guarded
from chalicelib.oauth.models import Code, OAuthClient

if TYPE_CHECKING:
    import redis

CODE_SECONDS = 60
REMEMBERED_SECONDS = 3600
"""For this long a used code is remembered: if it comes again, it ends the session it made."""

# KEYS: code, the code once it is used, whether it came again. ARGV: seconds to remember it for, who
# shows it, and the challenge that they can answer. Answers {what it stands for, whether it was used
# before}; {} if the code is unknown or another client's: then nothing changes.
_REDEEM = """
local found = redis.call('GET', KEYS[1])
local used = not found
if used then found = redis.call('GET', KEYS[2]) end
if not found then return {} end
local code = cjson.decode(found)
if code.client_id ~= ARGV[2] then return {} end
if used then
    if code.challenge ~= ARGV[3] then return {} end
    redis.call('SET', KEYS[3], '1', 'EX', ARGV[1])
    return {found, 1}
end
redis.call('DEL', KEYS[1])
redis.call('SET', KEYS[2], found, 'EX', ARGV[1])
return {found, 0}
"""


MOST_URIS = 10_000

_CLIENT = (
    "id, name, secret_digest, redirect_uris, post_logout_redirect_uris, scopes, created_at,"
    " require_pkce, claims_in_id_token"
)

_FOUND = f"""{_CLIENT}, used_at, former_used_at,
    CASE WHEN former_until > now() THEN former_digest END AS former_digest,
    CASE WHEN former_until > now() THEN former_until END AS former_until"""


class ClientStore:
    """Raises Unavailable from every method when PostgreSQL does not answer."""

    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres

    def add(self, client: OAuthClient) -> None:
        with self._postgres.cursor() as cursor:
            cursor.execute(
                f"INSERT INTO oauth_clients ({_CLIENT}) VALUES ({', '.join(['%s'] * 9)})",
                [
                    client.id,
                    client.name,
                    client.secret_digest,
                    client.redirect_uris,
                    client.post_logout_redirect_uris,
                    client.scopes,
                    client.created_at,
                    client.require_pkce,
                    client.claims_in_id_token,
                ],
            )

    def get(self, client_id: str) -> OAuthClient | None:
        """A program, unless it was deleted."""
        with self._postgres.cursor(row_factory=class_row(OAuthClient)) as cursor:
            return cursor.execute(
                f"SELECT {_FOUND} FROM oauth_clients WHERE id = %s AND deleted_at IS NULL",
                [client_id],
            ).fetchone()

    def clients(self, *, before: str | None, limit: int) -> list[OAuthClient]:
        """Programs, newest first, from the one before `before` on."""
        with self._postgres.cursor(row_factory=class_row(OAuthClient)) as cursor:
            return cursor.execute(
                f"SELECT {_FOUND} FROM oauth_clients WHERE deleted_at IS NULL"
                " AND (%(before)s::uuid IS NULL OR id < %(before)s::uuid)"
                " ORDER BY id DESC LIMIT %(limit)s",
                {"before": before, "limit": limit},
            ).fetchall()

    def public_redirect_uris(self) -> list[str]:
        """Where public programs have users sent back to: at most MOST_URIS of them."""
        with self._postgres.cursor() as cursor:
            found = cursor.execute(
                "SELECT DISTINCT unnest(redirect_uris) FROM oauth_clients"
                " WHERE secret_digest IS NULL AND deleted_at IS NULL LIMIT %s",
                [MOST_URIS],
            )
            return [uri for (uri,) in found]

    def delete(self, client_id: str, now: Time) -> bool:
        """Forget a program's secrets, and hide the program. False: it never existed."""
        with self._postgres.cursor() as cursor:
            return bool(
                cursor.execute(
                    "UPDATE oauth_clients SET secret_digest = NULL, former_digest = NULL,"
                    " deleted_at = COALESCE(deleted_at, %s) WHERE id = %s",
                    [now, client_id],
                ).rowcount
            )


class Codes:
    """Redis sees digests only. Raises Unavailable from every method when it does not answer."""

    def __init__(self, client: "redis.Redis") -> None:
        self._redis = client
        self._scripts = Scripts(client)

    def keep(self, text: str, code: Code) -> None:
        """Have a code stand for something, for CODE_SECONDS."""
        with guarded():
            self._redis.set(_key(text), json.dumps(asdict(code)), ex=CODE_SECONDS)

    def redeem(self, text: str, client_id: str, challenge: str) -> tuple[Code, bool] | None:
        """What a code stands for and whether it was redeemed before, for the client that it was
        issued to; None: it never was one, or was not redeemed in time. Of two that come at once,
        one is the first. The second counts only if it answers the challenge: without that it could
        have got nothing, and ends nothing."""
        key = _key(text)
        keys = [key, f"{key}:used", f"{key}:again"]
        answer = self._scripts.run(Call(_REDEEM, keys, [REMEMBERED_SECONDS, client_id, challenge]))
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
