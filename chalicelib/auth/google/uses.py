"""Remembers the ID tokens that were used, so each works once."""

import hashlib
import time
from typing import TYPE_CHECKING

from chalicelib.auth.google.tokens import LEEWAY
from chalicelib.clock import SKEW
from chalicelib.drivers.redis import guarded

if TYPE_CHECKING:
    import redis


class IdTokenUses:
    """Redis gets digests only, and keeps them until the tokens have expired."""

    def __init__(self, client: "redis.Redis") -> None:
        self._redis = client

    def use(self, token: str, expires_at: int) -> bool:
        """Mark a token as used. False if it was used before."""
        seconds = max(0, expires_at + LEEWAY - int(time.time())) + SKEW
        with guarded():
            return bool(self._redis.set(_key(token), "1", ex=seconds, nx=True))

    def give_back(self, token: str) -> None:
        """Make a token usable again: it did not sign in."""
        with guarded():
            self._redis.delete(_key(token))


def _key(token: str) -> str:
    # The digest of the signed part only: a signature can be encoded in more than one way.
    signed = token.rpartition(".")[0]
    return f"id-token:{hashlib.sha256(signed.encode()).hexdigest()}"
