"""Refresh tokens: opaque, traded for the next at each use, told apart from stolen ones."""

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass, field
from typing import Self

_FORM = re.compile(
    r"([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})\.([0-9a-f]{64})", re.ASCII
)


@dataclass(frozen=True, slots=True)
class RefreshToken:
    """The session it belongs to and 256 bits that nobody can guess; we keep their digest alone."""

    session_id: str
    secret: bytes = field(repr=False)

    @classmethod
    def new(cls, session_id: str) -> Self:
        return cls(session_id, secrets.token_bytes(32))

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """None for what cannot be one of ours."""
        match = _FORM.fullmatch(text)
        return cls(match[1], bytes.fromhex(match[2])) if match else None

    def __str__(self) -> str:
        return f"{self.session_id}.{self.secret.hex()}"

    @property
    def digest(self) -> bytes:
        return hashlib.sha256(self.secret).digest()

    def successor(self, seed: bytes) -> Self:
        """The token this one is traded for. Whoever has both the token and the seed gets the same
        again: so a repeated request can have its answer once more, although we do not keep it."""
        return type(self)(
            self.session_id, hmac.digest(self.secret, b"parley refresh" + seed, "sha256")
        )

    def matches(self, digest: bytes | None) -> bool:
        return digest is not None and hmac.compare_digest(self.digest, digest)
