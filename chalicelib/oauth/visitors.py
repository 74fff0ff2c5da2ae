"""The browser that a user visits our pages with."""

import hashlib
import hmac
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlencode

from chalicelib.identity import Identity, Source

SEALED_FORM = "This form was not made for this browser, or is too old. Go back, and start again."
KEYS_FOR = b"parley known browsers 1"
"""The purpose of the keys that prove a browser known."""

SEALS = b"parley sealed forms 1"
"""The purpose of the key that seals forms. With the mark alone a browser could seal its own."""


@dataclass(frozen=True, kw_only=True)
class Visitor:
    """A browser: `sign_in` says who uses it, if that is known, and `mark` is a secret of its own,
    and its device key. Both are cookies that no other site can read or set. `identity`: who uses
    it, while the session of its sign-in stands. `known`: somebody has signed in here before."""

    client: Source
    sign_in: str = field(repr=False)
    mark: str = field(repr=False)
    key: bytes = field(repr=False)
    identity: Identity | None
    known: bool

    def seal(self, *what: str) -> str:
        """What our forms carry. It proves that we gave a form to this browser, for this purpose and
        for this user."""
        return self.proof(*what, self.sign_in)

    def proof(self, *what: str) -> str:
        """Like `seal`, for any user of this browser."""
        return _mac(self.key, "\0".join([self.mark, *what]))

    def mark_cookie(self, keys: Sequence[bytes]) -> str:
        """The mark and, of a known browser, the proof that it is known."""
        return f"{self.mark}.{_mac(keys[0], self.mark)}" if self.known else self.mark


def read_mark(cookie: str, keys: Sequence[bytes]) -> tuple[str, bool]:
    """What `mark_cookie` wrote: the mark, or a new one, and whether the browser is known."""
    mark, _, proof = cookie.partition(".")
    return mark or secrets.token_urlsafe(32), any(same(_mac(key, mark), proof) for key in keys)


def canonical(given: Mapping[str, str]) -> str:
    """Parameters as one text, whatever their order."""
    return urlencode(sorted(given.items()))


def same(made: str, given: str) -> bool:
    """Compares in constant time."""
    return hmac.compare_digest(made.encode(), given.encode(errors="replace"))


def _mac(key: bytes, text: str) -> str:
    return hmac.new(key, text.encode(errors="replace"), hashlib.sha256).hexdigest()
