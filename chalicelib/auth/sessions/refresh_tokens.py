"""Refresh tokens: opaque, and each use trades one for the next. Copies and guesses are
recognised."""

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Self

PURPOSE = b"parley refresh tokens 1"
"""What the keys of RefreshTokens are derived for."""

_FORM = re.compile(
    r"([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})\.([0-9a-f]{64})", re.ASCII
)
_HALF = 16


@dataclass(frozen=True, slots=True)
class RefreshToken:
    """Its session and 256 bits that nobody can guess. We store only their digest.

    The first half is random, the second proves that we made the token: see RefreshTokens.
    """

    session_id: str
    secret: bytes = field(repr=False)

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """None if the text does not have the form of our tokens."""
        match = _FORM.fullmatch(text)
        return cls(match[1], bytes.fromhex(match[2])) if match else None

    def __str__(self) -> str:
        return f"{self.session_id}.{self.secret.hex()}"

    @property
    def digest(self) -> bytes:
        return hashlib.sha256(self.secret).digest()

    def matches(self, digest: bytes | None) -> bool:
        return digest is not None and hmac.compare_digest(self.digest, digest)


class RefreshTokens:
    """Makes tokens with the first of `keys`, and recognises those made with any of them.

    So a token that we issued can be told from a guess without asking a server, however old it is.
    """

    def __init__(self, keys: Sequence[bytes]) -> None:
        self._keys = keys

    def new(self, session_id: str) -> RefreshToken:
        """The first token of a session."""
        return _made(session_id, secrets.token_bytes(_HALF), self._keys[0])

    def issued(self, token: RefreshToken) -> bool:
        """Whether we made it with a key that is still in use. Also False for old tokens without a
        proof, and for tokens of a key that was removed."""
        half = token.secret[:_HALF]
        return any(
            hmac.compare_digest(_made(token.session_id, half, key).secret, token.secret)
            for key in self._keys
        )

    def successor(self, token: RefreshToken, seed: bytes) -> RefreshToken:
        """The token that this one is traded for."""
        return next(self._successors(token, seed))

    def repeated(
        self, token: RefreshToken, seed: bytes, current: bytes | None
    ) -> RefreshToken | None:
        """The token that this one was traded for. We store only its digest, but the same token and
        seed give the same successor. None if its key was removed."""
        made = self._successors(token, seed)
        return next((one for one in made if one.matches(current)), None)

    def _successors(self, token: RefreshToken, seed: bytes) -> Iterator[RefreshToken]:
        """The successors by each key, and last the old form without a proof."""
        secret = hmac.digest(token.secret, b"parley refresh" + seed, "sha256")
        for key in self._keys:
            yield _made(token.session_id, secret[:_HALF], key)
        yield RefreshToken(token.session_id, secret)


def _made(session_id: str, half: bytes, key: bytes) -> RefreshToken:
    proof = hmac.digest(key, session_id.encode() + half, "sha256")[:_HALF]
    return RefreshToken(session_id, half + proof)
