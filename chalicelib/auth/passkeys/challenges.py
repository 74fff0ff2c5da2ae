"""Challenges that authenticators sign: random, for one use, one purpose and one caller."""

import hashlib
import hmac
import secrets
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Literal

from chalicelib.clock import SKEW
from chalicelib.drivers.redis import guarded

if TYPE_CHECKING:
    import redis

SECONDS = 300 + SKEW
"""Five minutes, and SKEW more: the clock of the function that checks may be ahead."""

KEYS_FOR = b"parley passkey challenges 1"
"""What the keys of Challenges are derived for."""

Purpose = Literal["register", "sign_in", "second_factor"]

_EXPIRY, _RANDOM = 8, 16


class Challenges:
    """Each contains when it expires, and a proof that we made it, for this purpose and caller. So
    asking for one stores nothing. Only the digests of challenges with a right answer are stored,
    until they expire."""

    def __init__(self, client: "redis.Redis", keys: Callable[[], Sequence[bytes]]) -> None:
        """`keys`: the first makes challenges, all recognise them."""
        self._redis = client
        self._keys = keys

    def issue(self, purpose: Purpose, owner: str = "") -> bytes:
        """`owner`: the session or user that must answer it."""
        ends = int(time.time()) + SECONDS
        head = ends.to_bytes(_EXPIRY, "big") + secrets.token_bytes(_RANDOM)
        return head + _proof(self._keys()[0], head, purpose, owner)

    def good(self, challenge: bytes, purpose: Purpose, owner: str = "") -> bool:
        """Whether it was issued for this purpose and owner, and has not expired. Asks no server."""
        head, proof = challenge[: _EXPIRY + _RANDOM], challenge[_EXPIRY + _RANDOM :]
        made = [_proof(key, head, purpose, owner) for key in self._keys()]
        if not any(hmac.compare_digest(one, proof) for one in made):
            return False
        return int.from_bytes(head[:_EXPIRY], "big") > time.time()

    def use(self, challenge: bytes) -> bool:
        """Mark a valid challenge as used. False if it was used before."""
        key = f"challenge:{hashlib.sha256(challenge).hexdigest()}"
        with guarded():
            return bool(self._redis.set(key, "1", ex=SECONDS + SKEW, nx=True))


def _proof(key: bytes, head: bytes, purpose: Purpose, owner: str) -> bytes:
    return hmac.digest(key, b"\0".join([purpose.encode(), owner.encode(), head]), "sha256")
