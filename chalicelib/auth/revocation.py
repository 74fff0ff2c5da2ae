"""Which sessions stand: Redis's copy of what PostgreSQL knows, checked with the rate limits.

A session's key is "1" (stands) or "0" (revoked); without a key nothing is known, and PostgreSQL
must be asked. So losing what Redis holds never lets a revoked session in.
"""

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, NamedTuple

from chalicelib.buckets import (
    LOOK,
    TAKE,
    Held,
    digest,
    held,
    judge,
    looking,
    network,
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

# Revokes sessions. KEYS: sessions. ARGV: seconds to remember it for.
_REVOKE = """
for i = 1, #KEYS do redis.call('SET', KEYS[i], '0', 'EX', ARGV[1]) end
return #KEYS
"""

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

    def admit(self, user_id: str, session_id: str, use: Use) -> Admission:
        """Whether the session stands, and one less in the buckets of what it is about to do: one
        round trip. Raises RateLimited.

        Two, where its address has a bucket as well: that is on another slot, and what either of
        them refuses must not cost the other.
        """
        limit = use.limit, self._settings.limits[use.limit]
        target = digest(use.target) if use.target else None
        own = held(limit, user_id, user="", session=session_id, target=target)
        own_call = admitting(user_id, session_id, own)
        of_address = held(limit, network(use.address), address="") if use.address else []
        if not of_address:
            state, *answer = self._scripts.run(own_call)
            return self._admission(state, [(own, answer)])
        (state, *answer), found = self._scripts.run_all(
            [own_call._replace(script=_LOOK), looking(of_address)]
        )
        if state == "0":
            return Admission(False, [])
        judge([(own, answer), (of_address, found)])
        (state, *answer), found = self._scripts.run_all([own_call, taking(of_address)])
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

    def tombstones(self, user_id: str, session_ids: Collection[str]) -> list[Call]:
        """What refuses the next request of these sessions, once it was run."""
        keys = [_session(user_id, session_id) for session_id in session_ids]
        lifetime = self._settings.access_token_seconds + _SLOWEST_REQUEST
        return [Call(_REVOKE, keys, [lifetime])]

    def unfinished(self, sessions: Collection[tuple[str, str]]) -> list[tuple[str, str]]:
        """Those of some revoked (user, session) whose next request would not be refused at once."""
        with guarded():
            pipe = self._redis.pipeline(transaction=False)
            for user_id, session_id in sessions:
                pipe.get(_session(user_id, session_id))
            states: list[str | None] = pipe.execute()
        return [one for one, state in zip(sessions, states, strict=True) if state != "0"]

    @staticmethod
    def _admission(state: str, taken: list[tuple[list[Held], list[int]]]) -> Admission:
        if state == "0":
            return Admission(False, [])
        return Admission(_STATES[state], judge(taken))


def admitting(user_id: str, session_id: str, own: Sequence[Held], cost: int = 1) -> Call:
    """Reads how a session stands, and takes of its buckets. Answers {state, …}: see _ADMIT."""
    keys = [_session(user_id, session_id), *(one.key for one in own)]
    return Call(_ADMIT, keys, sizes(own, cost))


_STATES = {"1": True, "0": False, "": None}


def _session(user_id: str, session_id: str) -> str:
    return f"session:{{{user_id}}}:{session_id}"
