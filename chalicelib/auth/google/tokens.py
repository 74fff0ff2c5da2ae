"""Google's ID tokens, and the keys that they are signed with."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from chalicelib.clock import SKEW
from chalicelib.errors import IdTokenInvalid
from chalicelib.errors.counted import unavailable
from chalicelib.text.addresses import canonical

ISSUER = "https://accounts.google.com"
MAX_TOKEN = 8192
MAX_KEY_SET = 64 * 1024
MAX_KEYS = 20
KEEP = 3600
"""Google changes its keys every few weeks, and publishes one days before it signs with it."""

ASK_AGAIN = 60
"""Seconds before the keys are fetched again after an unknown `kid` or an outage."""
LEEWAY = SKEW
_REQUIRED = ["iss", "aud", "sub", "iat", "exp", "email", "email_verified", "nonce"]
_MALFORMED = (jwt.PyJWTError, ValueError, KeyError, TypeError, AttributeError)


@dataclass(frozen=True, slots=True, kw_only=True)
class GoogleAccount:
    """The user of a token. `subject` never changes, the address may. It is None if we cannot send
    mail to it.

    `authoritative`: the mailbox is at Google, so nobody else can have it. For any other address,
    Google only knows that the user proved it once.
    """

    subject: str
    email: str | None = field(repr=False)
    name: str = field(repr=False)
    authoritative: bool
    nonce: str = field(repr=False)
    expires_at: int


class GoogleKeys:
    """The public keys by `kid`, kept for an hour.

    `fetch` answers status and body, and raises OSError where no answer comes in time.
    """

    def __init__(
        self, fetch: Callable[[], tuple[int, bytes]], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._fetch = fetch
        self._clock = clock
        self._keys: dict[str, RSAPublicKey] = {}
        self._good_until = self._ask_from = float("-inf")

    def get(self, kid: str) -> RSAPublicKey | None:
        """None for a `kid` that is not in use. Raises Unavailable if the keys cannot be fetched."""
        if self._clock() < self._good_until and (kid in self._keys or not self._may_ask):
            return self._keys.get(kid)
        if not self._may_ask:
            raise unavailable("google", retry_after=ASK_AGAIN)
        self._ask_from = self._clock() + ASK_AGAIN
        try:
            self._keys = _keys(*self._fetch())
        except (OSError, ValueError):
            raise unavailable("google", retry_after=ASK_AGAIN) from None
        self._good_until = self._clock() + KEEP
        return self._keys.get(kid)

    @property
    def _may_ask(self) -> bool:
        return self._clock() >= self._ask_from


class GoogleTokens:
    """Checks ID tokens by OpenID Connect Core, section 3.1.3.7. We choose the algorithm and the
    key, and ignore what the token's header says about them (RFC 8725)."""

    def __init__(
        self, keys: GoogleKeys, *, client_ids: tuple[str, ...], issuer: str = ISSUER
    ) -> None:
        self._keys = keys
        self._client_ids = client_ids
        # Google's tokens name it with and without the scheme.
        self._issuers = [issuer, issuer.removeprefix("https://")]

    def verify(self, token: str) -> GoogleAccount:
        """The user of a token. The caller checks its nonce.

        Raises IdTokenInvalid for everything but a token of the issuer, for one of our client ids,
        about a verified address; Unavailable where the keys cannot be fetched.
        """
        if len(token) > MAX_TOKEN:
            raise IdTokenInvalid()
        try:
            header = jwt.get_unverified_header(token)
            kid = header["kid"]
            if header["alg"] != "RS256" or not isinstance(kid, str):
                raise IdTokenInvalid()
        except _MALFORMED:
            raise IdTokenInvalid() from None
        if (key := self._keys.get(kid)) is None:
            raise IdTokenInvalid()
        try:
            return self._account(self._claims(token, key))
        except _MALFORMED:
            raise IdTokenInvalid() from None

    def _claims(self, token: str, key: RSAPublicKey) -> dict[str, Any]:
        claims: dict[str, Any] = jwt.decode(
            token,
            key,
            algorithms=["RS256"],
            audience=self._client_ids,
            issuer=self._issuers,
            leeway=LEEWAY,
            options={"require": _REQUIRED},
        )
        return claims

    def _account(self, claims: dict[str, Any]) -> GoogleAccount:
        audience = claims["aud"]
        if not isinstance(audience, str) or claims.get("azp", audience) not in self._client_ids:
            raise IdTokenInvalid()
        if claims["email_verified"] is not True:
            raise IdTokenInvalid()
        subject, email, nonce = claims["sub"], claims["email"], claims["nonce"]
        texts = (subject, email, nonce)
        if not all(isinstance(one, str) and 0 < len(one) <= 254 for one in texts):
            raise IdTokenInvalid()
        name, domain = claims.get("name"), claims.get("hd")
        mailbox = _mailbox(email)
        return GoogleAccount(
            subject=subject,
            email=mailbox,
            name=name if isinstance(name, str) else "",
            authoritative=mailbox is not None
            and (
                mailbox.endswith(("@gmail.com", "@googlemail.com"))
                or (isinstance(domain, str) and bool(domain))
            ),
            nonce=nonce,
            expires_at=int(claims["exp"]),
        )


def _mailbox(email: str) -> str | None:
    try:
        return canonical(email)
    except ValueError:
        return None


def _keys(status: int, body: bytes) -> dict[str, RSAPublicKey]:
    """The RSA keys of a JWK Set that verify RS256. Raises ValueError if there is none."""
    if status != 200 or len(body) > MAX_KEY_SET:
        raise ValueError
    given = json.loads(body)
    listed = given.get("keys") if isinstance(given, dict) else None
    if not isinstance(listed, list) or len(listed) > MAX_KEYS:
        raise ValueError
    found = {}
    for one in listed:
        try:
            key = jwt.PyJWK(one, "RS256").key
            fits = one.get("alg", "RS256") == "RS256" and one.get("use", "sig") == "sig"
            # PyJWT takes any RSA key; a very large one would take very long.
            if fits and isinstance(key, RSAPublicKey) and 2048 <= key.key_size <= 4096:
                found[str(one["kid"])] = key
        except _MALFORMED:
            continue
    if not found:
        raise ValueError
    return found
