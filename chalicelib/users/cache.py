"""A cache of public profiles in Redis. An older profile never replaces a newer one."""

import secrets
from collections.abc import Collection, Iterable

import redis
from pydantic_core import to_json

from chalicelib.drivers.redis import Command, Scripts, guarded
from chalicelib.users.models import Card

SHAPE = 1
"""The version of the cached format, a part of the key. Increase it when Card changes: then no
version of the code reads what another version wrote."""

KEEP_SECONDS = 60 * 60
HOLD_SECONDS = 60
"""Longer than a request may take: by then a change has ended, and so has every read that began
before it."""

# Keeps a profile, unless one as new is there, or a change holds the key that is not the caller's.
# A key holds "<revision> <profile>" or "held <token>".
# KEYS: a profile. ARGV: revision, profile, for how long, the caller's token or ''.
_KEEP = """
local found = redis.call('GET', KEYS[1])
if found and found ~= 'held ' .. ARGV[4] then
  local revision = tonumber(found:match('^%d+'))
  if not revision or revision >= tonumber(ARGV[1]) then return 0 end
end
redis.call('SET', KEYS[1], ARGV[1] .. ' ' .. ARGV[2], 'EX', ARGV[3])
return 1
"""


class ProfileCache:
    """Raises Unavailable from every method when Redis does not answer. Each is one round trip, and
    each of its commands has one key: on a cluster, users are on different slots."""

    def __init__(self, client: redis.Redis) -> None:
        self._redis = client
        self._scripts = Scripts(client)

    def find(self, user_ids: Collection[str]) -> dict[str, Card]:
        """The cached profiles, without those that are being changed."""
        with guarded():
            pipe = self._redis.pipeline(transaction=False)
            for user_id in user_ids:
                pipe.get(_profile(user_id))
            found: list[str | None] = pipe.execute()
        kept = [one.partition(" ")[2] for one in found if one and not one.startswith("held ")]
        return {card.id: card for card in map(Card.model_validate_json, kept)}

    def hold(self, user_id: str) -> str:
        """Remove a profile that is about to change. Until `keep` is called with the token, or
        HOLD_SECONDS are over, no other profile is cached for this user."""
        token = secrets.token_hex(8)
        with guarded():
            self._redis.set(_profile(user_id), f"held {token}", ex=HOLD_SECONDS)
        return token

    def keep(self, cards: Iterable[Card], *, token: str = "") -> None:
        """Cache profiles that were just read, unless a newer one is cached."""
        self._scripts.run_all(
            [
                Command(
                    _KEEP,
                    [_profile(card.id)],
                    [card.revision, to_json(card).decode(), KEEP_SECONDS, token],
                )
                for card in cards
            ]
        )


def _profile(user_id: str) -> str:
    return f"profile:{{{user_id}}}:{SHAPE}"
