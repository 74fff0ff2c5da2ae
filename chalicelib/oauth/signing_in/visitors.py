"""The browsers that visit our pages: their cookies, their sign-in session and their limits."""

import hashlib
import hmac
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from chalicelib.config import Settings
from chalicelib.errors import Forbidden, Unauthorized
from chalicelib.identity import Identity, Source
from chalicelib.limits.table import Use
from chalicelib.scopes import SIGN_IN

if TYPE_CHECKING:
    from chalicelib.auth.sessions.service import Auth
    from chalicelib.auth.sessions.tokens import AccessTokens
    from chalicelib.limits.guesses import Throttle

SEALED_FORM = "This form was not made for this browser, or is too old. Go back, and start again."
KEYS_FOR = b"parley known browsers 1"
"""The purpose of the keys that prove a browser known."""

SEALS = b"parley sealed forms 1"
"""The purpose of the key that seals forms. With the mark alone, a browser could make seals."""

MARK_SECONDS = 60 * 60 * 24 * 180


@dataclass(frozen=True, kw_only=True)
class Visitor:
    """A browser. Both `sign_in` and `mark` are cookies that no other site can read or set.

    `sign_in`: the access token of the sign-in session, or empty. `mark`: a secret of this browser,
    and its device key. `identity`: the user, while the sign-in session is valid. `known`: a user
    has signed in here before.
    """

    source: Source
    sign_in: str = field(repr=False)
    mark: str = field(repr=False)
    key: bytes = field(repr=False)
    identity: Identity | None
    known: bool

    def seal(self, *what: str) -> str:
        """A field of our forms. It proves that we gave the form to this browser, for this purpose
        and for this user."""
        return self.proof(*what, self.sign_in)

    def proof(self, *what: str) -> str:
        """Like `seal`, for any user of this browser."""
        return _mac(self.key, "\0".join([self.mark, *what]))

    def check(self, form: Mapping[str, str], *what: str) -> None:
        """Raises Forbidden for a form without the seal of this browser for this purpose."""
        if not same(self.seal(*what), form.get("seal", "")):
            raise Forbidden(SEALED_FORM)

    def mark_cookie(self, keys: Sequence[bytes]) -> str:
        """The mark and, for a known browser, the proof that it is known."""
        return f"{self.mark}.{_mac(keys[0], self.mark)}" if self.known else self.mark


class Visitors:
    """Raises RateLimited and Unavailable."""

    def __init__(
        self, settings: Settings, *, auth: "Auth", tokens: "AccessTokens", throttle: "Throttle"
    ) -> None:
        self._auth = auth
        self._tokens = tokens
        self._throttle = throttle
        # With this prefix, browsers refuse the cookies of other hosts of a domain (RFC 6265bis,
        # section 4.1.3). It needs HTTPS and the path /, whatever the path of our pages is.
        self._secure = settings.issuer.startswith("https://")
        self._prefix = "__Host-" if self._secure else ""
        self._seconds = settings.access_token_seconds

    def read(self, cookies: Mapping[str, str], source: Source) -> Visitor:
        """The browser that sent these cookies. A new browser gets a new mark."""
        sign_in = cookies.get(f"{self._prefix}parley-sign-in", "")
        mark, known = _read_mark(cookies.get(f"{self._prefix}parley-mark", ""), self._keys())
        return Visitor(
            source=source,
            sign_in=sign_in,
            identity=self._identity(sign_in),
            mark=mark,
            key=self._tokens.keys_for(SEALS)[0],
            known=known,
        )

    def count(self, visitor: Visitor, limit: str = "page") -> None:
        """Count a page: a known browser by its mark, others by address in a class of limits. A user
        who is signed in is not counted here: their session has its own buckets."""
        if visitor.identity is not None:
            return
        if visitor.known:
            self._throttle.page(f"browser {visitor.mark}")
        else:
            self._throttle.anonymous(Use(limit=limit, address=visitor.source.address))

    def count_hint(self, session_id: str) -> None:
        """Count a page by the session that a program asks to end."""
        self._throttle.page(f"session {session_id}")

    def sign_out(self, visitor: Visitor) -> None:
        """End the sign-in session."""
        if visitor.identity is not None:
            identity = visitor.identity
            self._auth.end(identity.user_id, identity.session_id, "signed_out")

    def signed_in_at(self, sign_in: str) -> int:
        """When a sign-in session was opened, in seconds since 1970."""
        return int(self._tokens.claims(sign_in)["iat"])

    def mark(self, visitor: Visitor) -> tuple[str, ...]:
        """The cookie with the browser's mark."""
        value = visitor.mark_cookie(self._keys())
        return (self._cookie("mark", value, seconds=MARK_SECONDS),)

    def keep_sign_in(self, sign_in: str) -> tuple[str, ...]:
        """The cookie with the access token of a sign-in session."""
        return (self._cookie("sign-in", sign_in, seconds=self._seconds),)

    def drop_sign_in(self) -> tuple[str, ...]:
        """The cookie that deletes the one of `keep_sign_in`."""
        return (self._cookie("sign-in", "", seconds=0),)

    def _identity(self, sign_in: str) -> Identity | None:
        if not sign_in:
            return None
        try:
            identity = self._auth.authenticate(f"Bearer {sign_in}")
        except Unauthorized:
            return None
        return identity if SIGN_IN in identity.scopes else None

    def _keys(self) -> list[bytes]:
        return self._tokens.keys_for(KEYS_FOR)

    def _cookie(self, name: str, value: str, *, seconds: int) -> str:
        """SameSite=Lax: browsers send it when they follow a program's link, not with another
        site's form."""
        secure = "; Secure" if self._secure else ""
        return (
            f"{self._prefix}parley-{name}={value}; Path=/; HttpOnly; SameSite=Lax{secure}"
            f"; Max-Age={seconds}"
        )


def _read_mark(cookie: str, keys: Sequence[bytes]) -> tuple[str, bool]:
    """What `mark_cookie` wrote: the mark, or a new one, and whether the browser is known."""
    mark, _, proof = cookie.partition(".")
    return mark or secrets.token_urlsafe(32), any(same(_mac(key, mark), proof) for key in keys)


def canonical(given: Mapping[str, str]) -> str:
    """Parameters as one text that does not depend on their order."""
    return urlencode(sorted(given.items()))


def same(made: str, given: str) -> bool:
    """Whether two texts are equal, in constant time."""
    return hmac.compare_digest(made.encode(), given.encode(errors="replace"))


def _mac(key: bytes, text: str) -> str:
    return hmac.new(key, text.encode(errors="replace"), hashlib.sha256).hexdigest()
