"""Which sessions stand: Redis's copy of what PostgreSQL knows, checked with the rate limit.

A session's key is "1" (stands) or "0" (revoked); without a key nothing is known, and PostgreSQL
must be asked. So losing what Redis holds never lets a revoked session in.
"""

import math
from collections.abc import Collection
from typing import TYPE_CHECKING

from chalicelib.config import Settings
from chalicelib.errors import RateLimited
from chalicelib.redis import Call, Scripts, guarded

if TYPE_CHECKING:
    import redis

# Reads a session's key and, unless it is revoked, lets one request through its rate limit: a
# generic cell rate algorithm, whose key holds when the bucket will be full again, in µs.
# KEYS: session, bucket. ARGV: requests a second, burst. Answers {state, µs to wait}.
_ADMIT = """
local state = redis.call('GET', KEYS[1])
if state == '0' then return {state, 0} end
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local interval = 1000000 / tonumber(ARGV[1])
local full = math.max(tonumber(redis.call('GET', KEYS[2]) or now), now) + interval
local wait = full - now - interval * tonumber(ARGV[2])
if wait > 0 then return {state or '', math.ceil(wait)} end
redis.call('SET', KEYS[2], string.format('%.0f', full), 'PX', math.ceil((full - now) / 1000))
return {state or '', 0}
"""

# A rebuild must never overwrite a revocation that it raced with, however late it comes: a
# tombstone outlives, besides every access token issued before it, the slowest request.
_SLOWEST_REQUEST = 60


class Revocation:
    """Raises Unavailable from every method when Redis does not answer: nothing is let through."""

    def __init__(self, client: "redis.Redis", settings: Settings) -> None:
        self._redis = client
        self._settings = settings
        self._scripts = Scripts(client)

    def admit(self, user_id: str, session_id: str) -> bool | None:
        """Whether the session stands (None: unknown), and one request less in its rate limit:
        one round trip. Raises RateLimited."""
        state, wait = self._scripts.run(
            Call(
                _ADMIT,
                [_session(user_id, session_id), f"rate:{{{user_id}}}:{session_id}"],
                [self._settings.requests_per_second, self._settings.requests_burst],
            )
        )
        if wait:
            raise RateLimited(math.ceil(wait / 1_000_000))
        return _STATES[state]

    def stands(self, user_id: str, session_id: str) -> bool | None:
        """Whether the session stands; None: unknown."""
        with guarded():
            return _STATES[str(self._redis.get(_session(user_id, session_id)) or "")]

    def confirm(self, user_id: str, session_id: str) -> bool:
        """Note that a session stands as PostgreSQL said. False: it has been revoked meanwhile."""
        with guarded():
            key = _session(user_id, session_id)
            noted = self._redis.set(key, "1", nx=True, ex=self._settings.access_token_seconds)
            return bool(noted) or self._redis.get(key) != "0"

    def revoke(self, user_id: str, session_ids: Collection[str]) -> None:
        """Refuse the next request of these sessions."""
        lifetime = self._settings.access_token_seconds + _SLOWEST_REQUEST
        with guarded():
            pipe = self._redis.pipeline(transaction=False)
            for session_id in session_ids:
                pipe.set(_session(user_id, session_id), "0", ex=lifetime)
            pipe.execute()


_STATES = {"1": True, "0": False, "": None}


def _session(user_id: str, session_id: str) -> str:
    return f"session:{{{user_id}}}:{session_id}"
