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
ID_TYPE = "JWT"
MAX_LENGTH = 4096
_MALFORMED = (jwt.PyJWTError, ValueError, KeyError, TypeError, AttributeError)
_ID_CLAIMS = ["iss", "aud", "sub", "sid", "iat", "exp"]
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
        return self._sign(claims, kind=TYPE)

    def issue_id(self, client_id: str, **claims: Any) -> str:
        """An ID token for a program of others (OpenID Connect Core, section 2)."""
        return self._sign({"aud": client_id, **claims}, kind=ID_TYPE)

    def _sign(self, claims: dict[str, Any], *, kind: str) -> str:
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
        claims = self._decoded(token, TYPE, audience=AUDIENCE)
        told = [claims.get(name, "") for name in ("sub", "sid", "client_id", "scope")]
        if not all(isinstance(one, str) for one in told):
            raise Unauthorized()
        return claims

    def id_claims(self, token: str) -> dict[str, Any]:
        """What an ID token says, also one that has expired. Raises Unauthorized unless it is one
        of ours, signed with a key that is still in use."""
        claims = self._decoded(token, ID_TYPE, audience=None)
        if not all(isinstance(claims.get(name), str) for name in ("sub", "sid", "aud")):
            raise Unauthorized()
        return claims

    def _decoded(self, token: str, kind: str, *, audience: str | None) -> dict[str, Any]:
        try:
            if len(token) > MAX_LENGTH:
                raise Unauthorized()
            header = jwt.get_unverified_header(token)
            key = self._verifiers[header["kid"]]
            if header.get("typ") != kind:
                raise Unauthorized()
            claims: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=["ES256"],
                audience=audience,
                issuer=self._settings.issuer,
                options={
                    "require": _CLAIMS if kind == TYPE else _ID_CLAIMS,
                    "strict_aud": True,
                    "verify_aud": audience is not None,
                    "verify_exp": kind == TYPE,
                    # `iat` is no limit: clocks of two machines differ by more than its rounding.
                    "verify_iat": False,
                },
            )
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
