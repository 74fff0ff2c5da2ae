"""What an authenticator is to sign: random, good once, for one purpose and one caller."""

import hashlib
import json
import secrets
from typing import TYPE_CHECKING, Literal

from chalicelib.redis import guarded

if TYPE_CHECKING:
    import redis

SECONDS = 300

Purpose = Literal["register", "sign_in", "second_factor"]


class Challenges:
    """Each is good once, for `SECONDS`; Redis sees its digest only."""

    def __init__(self, client: "redis.Redis") -> None:
        self._redis = client

    def issue(self, purpose: Purpose, owner: str = "") -> bytes:
        """`owner`: whose answer alone will do, a session or a user."""
        challenge = secrets.token_bytes(32)
        with guarded():
            self._redis.set(_key(challenge), json.dumps([purpose, owner]), ex=SECONDS)
        return challenge

    def redeem(self, challenge: bytes, purpose: Purpose, owner: str = "") -> bool:
        """Whether it was issued for this, lately. It is used up either way."""
        with guarded():
            found = self._redis.getdel(_key(challenge))
        return found is not None and json.loads(found) == [purpose, owner]


def _key(challenge: bytes) -> str:
    return f"challenge:{hashlib.sha256(challenge).hexdigest()}"
