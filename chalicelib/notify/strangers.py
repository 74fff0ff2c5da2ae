"""Limits pushes from chats that the user has not answered."""

from collections.abc import Collection
from typing import NamedTuple

import redis

from chalicelib.drivers.redis import Command, Scripts

PUSHES = 3
SECONDS = 60 * 60

# Counts a message against a chat's pushes to a user. One that was counted is not counted again: its
# push may have failed. KEYS: the messages pushed lately. ARGV: message, how many, for how long.
# Answers 1 if it may be pushed.
_COUNT = """
local now = tonumber(redis.call('TIME')[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - ARGV[3])
if redis.call('ZSCORE', KEYS[1], ARGV[1]) then return 1 end
if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[2]) then return 0 end
redis.call('ZADD', KEYS[1], now, ARGV[1])
redis.call('EXPIRE', KEYS[1], ARGV[3])
return 1
"""


class UnansweredPush(NamedTuple):
    """A push to somebody who has not written in the chat."""

    user_id: str
    chat_id: str
    message_id: str


class PushThrottle:
    """Raises Unavailable when Redis does not answer."""

    def __init__(self, client: redis.Redis) -> None:
        self._scripts = Scripts(client)

    def too_many(self, pushes: Collection[UnansweredPush]) -> set[UnansweredPush]:
        """Returns those beyond PUSHES in an hour from one chat to one user: one round trip."""
        unique = list(dict.fromkeys(pushes))
        allowed = self._scripts.run_all(
            [Command(_COUNT, [_key(one)], [one.message_id, PUSHES, SECONDS]) for one in unique]
        )
        return {one for one, may in zip(unique, allowed, strict=True) if not may}


def _key(one: UnansweredPush) -> str:
    return f"knocks:{{{one.user_id}}}:{one.chat_id}"
