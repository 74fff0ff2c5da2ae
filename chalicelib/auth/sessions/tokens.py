"""Access tokens, JWTs as RFC 9068 profiles them, and ID tokens of OpenID Connect."""

import json
import secrets
import time
from functools import cached_property
from typing import Any

import jwt
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from jwt.utils import base64url_decode
from pydantic import ValidationError

from chalicelib.auth.sessions.models import Jwks
from chalicelib.config import Settings, SettingsInvalid
from chalicelib.errors import Unauthorized
from chalicelib.identity import Identity

AUDIENCE = "parley"
TYPE = "at+jwt"
ID_TYPE = "JWT"
ALGORITHMS = {TYPE: "ES256", ID_TYPE: "RS256"}
"""ES256 for access tokens, because its signatures are short. RS256 for ID tokens, because every
client of OpenID Connect knows it and a provider must offer it (Discovery, section 3)."""

MAX_LENGTH = 4096
_CANNOT_SIGN = "Settings are malformed: JWT_KEYS: the first key cannot sign"
_MALFORMED = (jwt.PyJWTError, ValueError, KeyError, TypeError, AttributeError)
_ID_CLAIMS = ["iss", "aud", "sub", "sid", "iat", "exp"]
_CLAIMS = ["iss", "aud", "sub", "scope", "iat", "exp", "jti"]


class AccessTokens:
    """Signs with the first key of an algorithm, verifies with any of them.

    The kind of token decides the algorithm. What the token's header says is ignored (RFC 8725).
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._signers: dict[str, tuple[str, Any]] = {}

    def issue(self, identity: Identity) -> str:
        """A token that names the caller, for `access_token_seconds`."""
        return self.issue_to(
            identity.client_id,
            sub=identity.user_id,
            sid=identity.session_id,
            scope=" ".join(sorted(identity.scopes)),
        )

    def issue_to(self, client_id: str | None, *, scope: str, **subject: str) -> str:
        """A token for an OAuth client, if one is named. Without a session (`sid`), routes that need
        a user refuse it."""
        claims = {
            "aud": AUDIENCE,
            **subject,
            **({"client_id": client_id} if client_id else {}),
            "scope": scope,
            "jti": secrets.token_urlsafe(16),
        }
        return self._sign(claims, kind=TYPE)

    def issue_id(self, client_id: str, **claims: Any) -> str:
        """An ID token for an OAuth client (OpenID Connect Core, section 2)."""
        return self._sign({"aud": client_id, **claims}, kind=ID_TYPE)

    def _sign(self, claims: dict[str, Any], *, kind: str) -> str:
        algorithm = ALGORITHMS[kind]
        kid, key = self._signer(algorithm)
        now = int(time.time())
        ours = {
            "iss": self._settings.issuer,
            "iat": now,
            "exp": now + self._settings.access_token_seconds,
        }
        return jwt.encode(
            {**ours, **claims}, key, algorithm=algorithm, headers={"kid": kid, "typ": kind}
        )

    def verify(self, token: str) -> Identity:
        """The caller that a token names. Whether the session is still valid must be checked
        elsewhere.

        Raises Unauthorized for everything but a token that we issued and that has not expired.
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
        """The claims of an access token of a user or of a client. Raises Unauthorized like
        `verify`."""
        claims = self._decoded(token, TYPE, audience=AUDIENCE)
        told = [claims.get(name, "") for name in ("sub", "sid", "client_id", "scope")]
        if not all(isinstance(one, str) for one in told):
            raise Unauthorized()
        return claims

    def id_claims(self, token: str) -> dict[str, Any]:
        """The claims of an ID token, also of an expired one. Raises Unauthorized unless we issued
        it with a key that is still in use."""
        claims = self._decoded(token, ID_TYPE, audience=None)
        if not all(isinstance(claims.get(name), str) for name in ("sub", "sid", "aud")):
            raise Unauthorized()
        return claims

    def _decoded(self, token: str, kind: str, *, audience: str | None) -> dict[str, Any]:
        try:
            if len(token) > MAX_LENGTH:
                raise Unauthorized()
            header = jwt.get_unverified_header(token)
            key = self._verifiers[ALGORITHMS[kind]][header["kid"]]
            if header.get("typ") != kind:
                raise Unauthorized()
            claims: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=[ALGORITHMS[kind]],
                audience=audience,
                issuer=self._settings.issuer,
                options={
                    "require": _CLAIMS if kind == TYPE else _ID_CLAIMS,
                    "strict_aud": True,
                    "verify_aud": audience is not None,
                    "verify_exp": kind == TYPE,
                    # `iat` is not checked: the clocks of two machines may differ, and it would seem
                    # to be in the future.
                    "verify_iat": False,
                },
            )
            return claims
        except _MALFORMED:
            raise Unauthorized() from None

    def keys_for(self, purpose: bytes) -> list[bytes]:
        """Secret keys of 256 bits for another purpose than signing, one from each private key of
        access tokens. They reveal nothing of it (HKDF, RFC 5869). Raises SettingsInvalid."""
        try:
            own = [
                base64url_decode(key["d"])
                for key in self._given
                if key["alg"] == ALGORITHMS[TYPE] and "d" in key
            ]
        except _MALFORMED:
            raise _malformed() from None
        if not own:
            raise SettingsInvalid(_CANNOT_SIGN)
        return [HKDF(SHA256(), length=32, salt=None, info=purpose).derive(one) for one in own]

    @cached_property
    def public(self) -> Jwks:
        """The public halves of all keys. Raises SettingsInvalid."""
        try:
            keys = Jwks.model_validate({"keys": self._given})
        except ValidationError:
            raise _malformed() from None
        if len({key.kid for key in keys.keys}) < len(keys.keys):
            raise _malformed()
        return keys

    def _signer(self, algorithm: str) -> tuple[str, Any]:
        """Made on first use: an RSA key is checked when it is loaded, which takes a while."""
        if algorithm not in self._signers:
            known = self._verifiers[algorithm]
            own = next(key for key in self._given if key["kid"] in known)
            if "d" not in own:
                raise SettingsInvalid(_CANNOT_SIGN)
            try:
                self._signers[algorithm] = own["kid"], jwt.PyJWK(own, algorithm).key
            except _MALFORMED:
                raise _malformed() from None
        return self._signers[algorithm]

    @cached_property
    def _verifiers(self) -> dict[str, dict[str, Any]]:
        found: dict[str, dict[str, Any]] = {algorithm: {} for algorithm in ALGORITHMS.values()}
        try:
            for jwk in self.public.keys:
                found[jwk.alg][jwk.kid] = jwt.PyJWK(jwk.model_dump(), jwk.alg).key
        except _MALFORMED:
            raise _malformed() from None
        if not all(found.values()):
            raise _malformed()
        return found

    @cached_property
    def _given(self) -> list[dict[str, Any]]:
        try:
            text = self._settings.verifying_keys.get_secret_value()
            given: list[dict[str, Any]] = json.loads(text)["keys"]
        except _MALFORMED:
            raise _malformed() from None
        return given


def _malformed() -> SettingsInvalid:
    return SettingsInvalid(
        "Settings are malformed: JWT_KEYS: not a JWK Set of P-256 and RSA keys, at least one of "
        "each, with distinct `kid`s"
    )
