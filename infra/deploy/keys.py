"""The signing keys of tokens: made here, and rotated in three phases.

A key set is what the setting JWT_KEYS holds: the first key of an algorithm signs, all of them
verify. The times of the phases stand in the keys themselves, as members that RFC 7517 lets readers
ignore.
"""

import json
import secrets
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from chalicelib.edge.headers import PUBLIC_SECONDS
from infra.deploy.errors import Stopped

MARGIN_SECONDS = 10 * 60
"""For clocks that differ, and for functions to read the new keys."""

ADDED, FIRST = "parley_added_at", "parley_first_at"

PUBLIC = {
    "EC": ("kty", "crv", "x", "y", "alg", "use", "kid"),
    "RSA": ("kty", "n", "e", "alg", "use", "kid"),
}
"""Members of a key that are public (RFC 7518, section 6)."""

Key = dict[str, Any]


@dataclass(frozen=True)
class Rotation:
    """A key set after a phase, what the phase did, and what comes next."""

    keys: list[Key]
    done: str
    following: str


def new_keys(now: float) -> list[Key]:
    """Private keys as JWKs: one to sign access tokens with, one for ID tokens."""
    curve, modulus = ec.generate_private_key(ec.SECP256R1()), rsa.generate_private_key(65537, 2048)
    return [
        _named(ECAlgorithm.to_jwk(curve, as_dict=True), "ES256", now),
        _named(RSAAlgorithm.to_jwk(modulus, as_dict=True), "RS256", now),
    ]


def completed(keys: list[Key], now: float) -> list[Key]:
    """The same keys, and a new key of each kind that is missing."""
    return [*keys, *(key for key in new_keys(now) if not _kinds(keys)[key["kty"]])]


def read(jwks: str) -> list[Key]:
    """The keys of a set. Raises Stopped without showing them."""
    try:
        keys = json.loads(jwks)["keys"]
        if not keys or any(not {"kid", "kty", "d"} <= key.keys() for key in keys):
            raise ValueError
    except (ValueError, KeyError, TypeError, AttributeError):
        raise Stopped("JWT_KEYS in the secret is not a set of private keys.") from None
    return list(keys)


def write(keys: list[Key]) -> str:
    """A key set as JWT_KEYS holds it."""
    return json.dumps({"keys": keys})


def public(keys: list[Key]) -> str:
    """The public halves of a key set, as JWT_PUBLIC_KEYS holds them."""
    halves = [{name: key[name] for name in PUBLIC[key["kty"]] if name in key} for key in keys]
    return json.dumps({"keys": halves})


def advance(keys: list[Key], now: float, token_seconds: int) -> Rotation:
    """The next phase. Raises Stopped while clients or tokens still need the present one."""
    fresh = {key["kty"]: key for key in new_keys(now)}
    rotations = [
        _advance(group, fresh[kind], now, token_seconds) for kind, group in _kinds(keys).items()
    ]
    if len({rotation.done for rotation in rotations}) > 1:
        raise Stopped("The keys in JWT_KEYS are in different phases of a rotation.")
    together = [key for rotation in rotations for key in rotation.keys]
    return Rotation(together, rotations[0].done, rotations[0].following)


def stamped(keys: list[Key], now: float) -> list[Key]:
    """The same phase, starting now, because the functions had not read the keys yet."""
    return [key for group in _kinds(keys).values() for key in _stamped(group, now)]


def _advance(keys: list[Key], fresh: Key, now: float, token_seconds: int) -> Rotation:
    by_hand = len(keys) == 2 and FIRST not in keys[0] and ADDED not in keys[1]
    if len(keys) == 1 or by_hand:
        return Rotation(
            _stamped(keys, now) if by_hand else [*keys, fresh],
            "1 of 3: new keys are published, and sign nothing yet",
            f"Others must fetch them before they sign: continue in {_minutes(_wait_added())}.",
        )
    if len(keys) > 2:
        raise Stopped("JWT_KEYS has more than two keys of a kind: a rotation never has that.")
    first, second = keys
    if FIRST not in first or second.get(ADDED, 0) >= first[FIRST]:
        _insist(second.get(ADDED, now), _wait_added(), now, "other services fetch the new keys")
        return Rotation(
            [{**second, FIRST: int(now)}, first],
            "2 of 3: the new keys sign, the old ones still verify",
            f"Old tokens must expire: continue in {_minutes(_wait_first(token_seconds))}.",
        )
    _insist(first[FIRST], _wait_first(token_seconds), now, "tokens of the old keys expire")
    return Rotation([first], "3 of 3: the old keys are removed", "The rotation is complete.")


def _stamped(keys: list[Key], now: float) -> list[Key]:
    if len(keys) == 2 and FIRST in keys[0] and keys[1].get(ADDED, 0) < keys[0][FIRST]:
        return [{**keys[0], FIRST: int(now)}, keys[1]]
    if len(keys) == 2:
        return [keys[0], {**keys[1], ADDED: int(now)}]
    return keys


def _wait_added() -> int:
    return PUBLIC_SECONDS + MARGIN_SECONDS


def _wait_first(token_seconds: int) -> int:
    return token_seconds + MARGIN_SECONDS


def _insist(since: float, seconds: int, now: float, while_: str) -> None:
    left = since + seconds - now
    if left > 0:
        raise Stopped(f"Too early, {while_}: continue in {_minutes(left)}.")


def _minutes(seconds: float) -> str:
    minutes = -(-int(seconds) // 60)
    return f"{minutes} minute{'s' if minutes > 1 else ''}"


def _kinds(keys: list[Key]) -> dict[str, list[Key]]:
    return {kind: [key for key in keys if key["kty"] == kind] for kind in ("EC", "RSA")}


def _named(jwk: Key, algorithm: str, now: float) -> Key:
    jwk.pop("key_ops", None)
    return {**jwk, "alg": algorithm, "use": "sig", "kid": secrets.token_hex(8), ADDED: int(now)}
