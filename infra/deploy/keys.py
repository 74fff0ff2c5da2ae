"""The keys that access tokens are signed with: made here, rotated in three phases.

A key set is what the setting JWT_KEYS holds: the first key signs, all of them verify. The times of
the phases stand in the keys themselves, as members that RFC 7517 lets readers ignore.
"""

import base64
import json
import secrets
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec

from infra.deploy.errors import Stopped

JWKS_SECONDS = 60 * 60
"""For so long others may keep the public keys that they fetched."""

MARGIN_SECONDS = 10 * 60
"""For clocks that differ, and for functions to take the new keys."""

ADDED, FIRST = "parley_added_at", "parley_first_at"

Key = dict[str, Any]


@dataclass(frozen=True)
class Rotation:
    """A key set after a phase, what the phase did, and what comes next."""

    keys: list[Key]
    done: str
    following: str


def new_key(now: float) -> Key:
    """A private ES256 key as a JWK."""
    numbers = ec.generate_private_key(ec.SECP256R1()).private_numbers()
    return {
        "kty": "EC",
        "crv": "P-256",
        "alg": "ES256",
        "use": "sig",
        "kid": secrets.token_hex(8),
        "x": _base64url(numbers.public_numbers.x),
        "y": _base64url(numbers.public_numbers.y),
        "d": _base64url(numbers.private_value),
        ADDED: int(now),
    }


def read(jwks: str) -> list[Key]:
    """The keys of a set. Raises Stopped, which says nothing of them."""
    try:
        keys = json.loads(jwks)["keys"]
        if not keys or any("kid" not in key or "d" not in key for key in keys):
            raise ValueError
    except (ValueError, KeyError, TypeError):
        raise Stopped("JWT_KEYS in the secret is not a set of private keys.") from None
    return list(keys)


def write(keys: list[Key]) -> str:
    """A key set as JWT_KEYS holds it."""
    return json.dumps({"keys": keys})


def advance(keys: list[Key], now: float, token_seconds: int) -> Rotation:
    """The next phase. Raises Stopped while clients or tokens still need the present one."""
    by_hand = len(keys) == 2 and FIRST not in keys[0] and ADDED not in keys[1]
    if len(keys) == 1 or by_hand:
        return Rotation(
            stamped(keys, now) if by_hand else [*keys, new_key(now)],
            "1 of 3: a new key is published, and signs nothing yet",
            f"Others must fetch it before it signs: go on in {_minutes(_wait_added())}.",
        )
    if len(keys) > 2:
        raise Stopped("JWT_KEYS has more than two keys: that is no state of a rotation.")
    first, second = keys
    if FIRST not in first or second.get(ADDED, 0) >= first[FIRST]:
        _insist(second.get(ADDED, now), _wait_added(), now, "others fetch the new key")
        return Rotation(
            [{**second, FIRST: int(now)}, first],
            "2 of 3: the new key signs, the old one still verifies",
            f"Tokens of the old key must run out: go on in {_minutes(_wait_first(token_seconds))}.",
        )
    _insist(first[FIRST], _wait_first(token_seconds), now, "tokens of the old key run out")
    return Rotation([first], "3 of 3: the old key is gone", "The rotation is complete.")


def stamped(keys: list[Key], now: float) -> list[Key]:
    """The same phase, beginning now: the functions had not taken it yet."""
    if len(keys) == 2 and FIRST in keys[0] and keys[1].get(ADDED, 0) < keys[0][FIRST]:
        return [{**keys[0], FIRST: int(now)}, keys[1]]
    if len(keys) == 2:
        return [keys[0], {**keys[1], ADDED: int(now)}]
    return keys


def _wait_added() -> int:
    return JWKS_SECONDS + MARGIN_SECONDS


def _wait_first(token_seconds: int) -> int:
    return token_seconds + MARGIN_SECONDS


def _insist(since: float, seconds: int, now: float, while_: str) -> None:
    left = since + seconds - now
    if left > 0:
        raise Stopped(f"Too early, {while_}: go on in {_minutes(left)}.")


def _minutes(seconds: float) -> str:
    minutes = -(-int(seconds) // 60)
    return f"{minutes} minute{'s' if minutes > 1 else ''}"


def _base64url(number: int) -> str:
    return base64.urlsafe_b64encode(number.to_bytes(32, "big")).rstrip(b"=").decode()
