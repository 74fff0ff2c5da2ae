"""Which sessions stand: Redis's copy of what PostgreSQL knows, checked with the rate limits.

A session's key is "1" (stands) or "0" (revoked); without a key nothing is known, and PostgreSQL
must be asked. So losing what Redis holds never lets a revoked session in.
"""

from collections.abc import Collection
from typing import TYPE_CHECKING, NamedTuple

from chalicelib.buckets import (
    LOOK,
    TAKE,
    Held,
    held,
    judge,
    looking,
    network,
    of_caller,
    sizes,
    taking,
)
from chalicelib.config import Settings
from chalicelib.limits import Quota, Use
from chalicelib.redis import Call, Scripts, guarded

if TYPE_CHECKING:
    import redis


def _admit(of_its_buckets: str) -> str:
    return f"""
    local state = redis.call('GET', KEYS[1])
    if state == '0' then return {{state}} end
    local buckets = {{unpack(KEYS, 2)}}
    {of_its_buckets}
    return {{state or '', wait, unpack(full)}}
    """


# Read a session's key and, unless it is revoked, its buckets. KEYS: session, buckets. ARGV: see
# LOOK. Answer {state, µs to wait, µs until each bucket is full}.
_LOOK, _ADMIT = _admit(LOOK), _admit(TAKE)

# A rebuild must never overwrite a revocation that it raced with, however late it comes: a
# tombstone outlives, besides every access token issued before it, the slowest request.
_SLOWEST_REQUEST = 60


class Admission(NamedTuple):
    """Whether a session stands (None: unknown), and what it has left."""

    stands: bool | None
    quotas: list[Quota]


class Revocation:
    """Raises Unavailable from every method when Redis does not answer: nothing is let through."""

    def __init__(self, client: "redis.Redis", settings: Settings) -> None:
        self._redis = client
        self._settings = settings
        self._scripts = Scripts(client)

    def admit(
        self, user_id: str, session_id: str, use: Use, client_id: str | None = None
    ) -> Admission:
        """Whether the session stands, and one less in the buckets of what it is about to do: one
        round trip. `client_id`: of a program that the user let in. Raises RateLimited.

        Two, where its address has a bucket as well: that is on another slot, and what either of
        them refuses must not cost the other.
        """
        limit = use.limit, self._settings.limits[use.limit]
        own = of_caller(self._settings.limits, use, user_id, session_id, client_id)
        keys, sized = [_session(user_id, session_id), *(one.key for one in own)], sizes(own)
        of_address = held(limit, network(use.address), address="") if use.address else []
        if not of_address:
            state, *answer = self._scripts.run(Call(_ADMIT, keys, sized))
            return self._admission(state, [(own, answer)])
        (state, *answer), found = self._scripts.run_all(
            [Call(_LOOK, keys, sized), looking(of_address)]
        )
        if state == "0":
            return Admission(False, [])
        judge([(own, answer), (of_address, found)])
        (state, *answer), found = self._scripts.run_all(
            [Call(_ADMIT, keys, sized), taking(of_address)]
        )
        return self._admission(state, [(own, answer), (of_address, found)])

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

    @staticmethod
    def _admission(state: str, taken: list[tuple[list[Held], list[int]]]) -> Admission:
        if state == "0":
            return Admission(False, [])
        return Admission(_STATES[state], judge(taken))


_STATES = {"1": True, "0": False, "": None}


def _session(user_id: str, session_id: str) -> str:
    return f"session:{{{user_id}}}:{session_id}"
