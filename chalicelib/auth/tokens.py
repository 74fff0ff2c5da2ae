"""Access tokens: JWTs signed with ES256, as RFC 9068 profiles them."""

import json
import secrets
import time
from functools import cached_property
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from pydantic import ValidationError

from chalicelib.auth.models import Identity, Jwk, Jwks
from chalicelib.config import Settings, SettingsInvalid
from chalicelib.errors import Unauthorized

AUDIENCE = "parley"
TYPE = "at+jwt"
MAX_LENGTH = 4096
_MALFORMED = (jwt.PyJWTError, ValueError, KeyError, TypeError, AttributeError)
_CLAIMS = ["iss", "aud", "sub", "scope", "iat", "exp", "jti"]


class AccessTokens:
    """Signs with the first of the keys, verifies with any of them.

    The algorithm is fixed by the key, whatever a token says of itself (RFC 8725).
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def issue(self, identity: Identity) -> str:
        """A token that says who calls, for `access_token_seconds`."""
        return self.issue_to(
            identity.client_id,
            sub=identity.user_id,
            sid=identity.session_id,
            scope=" ".join(sorted(identity.scopes)),
        )

    def issue_to(self, client_id: str | None, *, scope: str, **subject: str) -> str:
        """A token for a program of others, if one is named. Without a session, `sid`, nothing
        that is about a user lets it in."""
        claims = {
            "aud": AUDIENCE,
            **subject,
            **({"client_id": client_id} if client_id else {}),
            "scope": scope,
            "jti": secrets.token_urlsafe(16),
        }
        return self.sign(claims, kind=TYPE)

    def sign(self, claims: dict[str, Any], *, kind: str) -> str:
        """A JWT of ours, good as long as an access token is."""
        kid, key = self._signer
        now = int(time.time())
        ours = {
            "iss": self._settings.issuer,
            "iat": now,
            "exp": now + self._settings.access_token_seconds,
        }
        return jwt.encode(
            {**ours, **claims}, key, algorithm="ES256", headers={"kid": kid, "typ": kind}
        )

    def verify(self, token: str) -> Identity:
        """Who a token is about; whether the session still stands is not in it.

        Raises Unauthorized for everything but a token of ours that has not expired.
        """
        claims = self.claims(token)
        if "sid" not in claims:
            raise Unauthorized()
        return Identity(
            user_id=claims["sub"],
            session_id=claims["sid"],
            scopes=frozenset(claims["scope"].split()),
            client_id=claims.get("client_id"),
        )

    def claims(self, token: str) -> dict[str, Any]:
        """What an access token says, be it about a user or a client. Raises Unauthorized as
        `verify`."""
        try:
            if len(token) > MAX_LENGTH:
                raise Unauthorized()
            header = jwt.get_unverified_header(token)
            key = self._verifiers[header["kid"]]
            if header.get("typ") != TYPE:
                raise Unauthorized()
            claims: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=["ES256"],
                audience=AUDIENCE,
                issuer=self._settings.issuer,
                # `iat` is no limit: clocks of two machines differ by more than its rounding.
                options={"require": _CLAIMS, "strict_aud": True, "verify_iat": False},
            )
            told = [claims.get(name, "") for name in ("sub", "sid", "client_id", "scope")]
            if not all(isinstance(one, str) for one in told):
                raise Unauthorized()
            return claims
        except _MALFORMED:
            raise Unauthorized() from None

    @cached_property
    def public(self) -> Jwks:
        """The public halves of all keys."""
        return Jwks(keys=[jwk for jwk, _ in self._keys])

    @cached_property
    def _signer(self) -> tuple[str, Any]:
        jwk, key = self._keys[0]
        if not isinstance(key, EllipticCurvePrivateKey):
            raise SettingsInvalid("Settings are malformed: JWT_KEYS: the first key cannot sign")
        return jwk.kid, key

    @cached_property
    def _verifiers(self) -> dict[str, Any]:
        return {jwk.kid: jwt.PyJWK(jwk.model_dump()).key for jwk in self.public.keys}

    @cached_property
    def _keys(self) -> list[tuple[Jwk, Any]]:
        try:
            given = json.loads(self._settings.jwt_keys.get_secret_value())["keys"]
            keys = [(Jwk.model_validate(one), jwt.PyJWK(one, "ES256").key) for one in given]
        except (*_MALFORMED, ValidationError):
            keys = []
        if not keys or len({jwk.kid for jwk, _ in keys}) < len(keys):
            raise SettingsInvalid(
                "Settings are malformed: JWT_KEYS: not a JWK Set of P-256 keys with distinct `kid`s"
            )
        return keys
