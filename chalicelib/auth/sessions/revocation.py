"""Which sessions are valid: a copy in Redis of PostgreSQL's data, checked together with the rate
limits.

A session's key is "1" (valid) or "0" (revoked). Without a key, PostgreSQL must be asked. So a
revoked session stays refused, also if Redis loses its data.
"""

from collections.abc import Collection
from typing import TYPE_CHECKING, NamedTuple

from chalicelib.config import Settings
from chalicelib.drivers.redis import Command, Scripts, guarded
from chalicelib.limits.admission import admitting, session_key
from chalicelib.limits.buckets import judge, of_caller
from chalicelib.limits.table import Quota, Use

if TYPE_CHECKING:
    import redis

# Revokes sessions. KEYS: sessions. ARGV: seconds to remember it for.
_REVOKE = """
for i = 1, #KEYS do redis.call('SET', KEYS[i], '0', 'EX', ARGV[1]) end
return #KEYS
"""

# A request that read PostgreSQL before the revocation may write "1" late. So a tombstone lives
# longer than every access token that was issued before it, and than the slowest request.
_SLOWEST_REQUEST = 60


class Checked(NamedTuple):
    """Whether a session is valid (None: unknown), and what is left of its buckets."""

    stands: bool | None
    quotas: list[Quota]


class Revocation:
    """Raises Unavailable from every method when Redis does not answer, so the request is
    refused."""

    def __init__(self, client: "redis.Redis", settings: Settings) -> None:
        self._redis = client
        self._settings = settings
        self._scripts = Scripts(client)

    def check(
        self, user_id: str, session_id: str, use: Use, client_id: str | None = None
    ) -> Checked:
        """Whether the session is valid. Takes a token from each bucket of the use: one round trip.
        `client_id`: of the session's OAuth client. Raises RateLimited."""
        own = of_caller(self._settings.limits, use, user_id, session_id, client_id)
        state, *answer = self._scripts.run(admitting(user_id, session_id, own))
        if state == "0":
            return Checked(False, [])
        return Checked(_STATES[state], judge([(own, answer)]))

    def stands(self, user_id: str, session_id: str) -> bool | None:
        """Whether the session is valid; None: unknown."""
        with guarded():
            return _STATES[str(self._redis.get(session_key(user_id, session_id)) or "")]

    def confirm(self, user_id: str, session_id: str) -> bool:
        """Note that a session is valid by PostgreSQL. False if it has been revoked in the
        meantime."""
        with guarded():
            key = session_key(user_id, session_id)
            noted = self._redis.set(key, "1", nx=True, ex=self._settings.access_token_seconds)
            return bool(noted) or self._redis.get(key) != "0"

    def tombstones(self, user_id: str, session_ids: Collection[str]) -> list[Command]:
        """Scripts that make the next request of these sessions fail."""
        keys = [session_key(user_id, session_id) for session_id in session_ids]
        lifetime = self._settings.access_token_seconds + _SLOWEST_REQUEST
        return [Command(_REVOKE, keys, [lifetime])]

    def unfinished(self, sessions: Collection[tuple[str, str]]) -> list[tuple[str, str]]:
        """Of these revoked (user, session), those whose next request would not be refused."""
        with guarded():
            pipe = self._redis.pipeline(transaction=False)
            for user_id, session_id in sessions:
                pipe.get(session_key(user_id, session_id))
            states: list[str | None] = pipe.execute()
        return [one for one, state in zip(sessions, states, strict=True) if state != "0"]


_STATES = {"1": True, "0": False, "": None}
