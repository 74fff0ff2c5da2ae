"""Authorization codes, and single access tokens that were revoked, in Redis."""

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from chalicelib.drivers.redis import Command, Scripts, guarded

if TYPE_CHECKING:
    import redis

CODE_SECONDS = 60
REMEMBERED_SECONDS = 3600
"""How long a used code is remembered. If it comes again, the session that it opened ends."""

# KEYS: the code, the code after its use, whether it came again. ARGV: seconds to remember it, the
# client that shows it, and the challenge that its verifier answers. Returns {what the code was
# issued for, whether it was used before}. Returns {} and changes nothing if the code is unknown or
# another client's.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """What an authorization code was issued for. `challenge` is empty without PKCE. `session_id` is
    the id of the session that the code will open."""

    client_id: str
    redirect_uri: str
    challenge: str
    scope: str
    nonce: str | None
    user_id: str
    opener_id: str
    auth_time: int
    session_id: str


class Codes:
    """Redis sees digests only. Raises Unavailable from every method when it does not answer."""

    def __init__(self, client: "redis.Redis") -> None:
        self._redis = client
        self._scripts = Scripts(client)

    def keep(self, text: str, code: Code) -> None:
        """Store a code for CODE_SECONDS."""
        with guarded():
            self._redis.set(_key(text), json.dumps(asdict(code)), ex=CODE_SECONDS)

    def redeem(self, text: str, client_id: str, challenge: str) -> tuple[Code, bool] | None:
        """What a code was issued for, and whether it was redeemed before. None if the client does
        not own it, or if it is unknown or has expired.

        If two requests come at once, one of them is the first. The second counts only if it answers
        the challenge: without that it could not have got a token, so it ends nothing.
        """
        key = _key(text)
        keys = [key, f"{key}:used", f"{key}:again"]
        answer = self._scripts.run(
            Command(_REDEEM, keys, [REMEMBERED_SECONDS, client_id, challenge])
        )
        return (Code(**json.loads(answer[0])), bool(answer[1])) if answer else None

    def came_again(self, text: str) -> bool:
        """Whether a code was redeemed a second time."""
        with guarded():
            return bool(self._redis.exists(f"{_key(text)}:again"))

    def void(self, token_id: str, seconds: int) -> None:
        """Revoke one access token without a session. `seconds`: until it expires."""
        with guarded():
            self._redis.set(_void(token_id), "1", ex=max(1, seconds))

    def is_void(self, token_id: str) -> bool:
        with guarded():
            return bool(self._redis.exists(_void(token_id)))


def _key(text: str) -> str:
    return f"code:{{{hashlib.sha256(text.encode(errors='replace')).hexdigest()}}}"


def _void(token_id: str) -> str:
    return f"void:{hashlib.sha256(token_id.encode(errors='replace')).hexdigest()}"
