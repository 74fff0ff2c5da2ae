"""Tokens that programs hold: introspection (RFC 7662) and revocation (RFC 7009)."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from authlib.oauth2.rfc7009 import RevocationEndpoint
from authlib.oauth2.rfc7662 import IntrospectionEndpoint

from chalicelib.clock import SKEW
from chalicelib.errors import Unauthorized
from chalicelib.identity import Identity
from chalicelib.oauth.registration import INTROSPECT

SECRET = ["client_secret_basic", "client_secret_post"]
ANY = [*SECRET, "none"]
"""How a program authenticates (RFC 7591, section 2). A public one only names itself."""

if TYPE_CHECKING:
    from chalicelib.auth.sessions.service import Auth
    from chalicelib.auth.sessions.tokens import AccessTokens
    from chalicelib.oauth.store import Codes


@dataclass(frozen=True, kw_only=True)
class IssuedToken:
    """A token that was good when it was looked at: what it says (RFC 7662, section 2.2), and the
    user and session behind it, if it is not a program's own."""

    told: dict[str, Any]
    user_id: str | None
    session_id: str | None

    def check_client(self, client: Any) -> bool:
        return bool(self.told["client_id"] == client.get_client_id())

    def is_expired(self) -> bool:
        return False

    def is_revoked(self) -> bool:
        return False


class ProgramTokens:
    """Finds tokens without a hint of their type: refresh and access tokens differ in form."""

    def __init__(
        self,
        *,
        find: Callable[[str], object | None],
        codes: "Codes",
        auth: "Auth",
        tokens: "AccessTokens",
    ) -> None:
        self._find = find
        self._codes = codes
        self._auth = auth
        self._tokens = tokens

    def find(self, text: str) -> IssuedToken | None:
        """What a token stands for; None if it is not good, or not any more."""
        if (session := self._auth.session_of(text)) is not None:
            return IssuedToken(
                told={
                    "client_id": session.client_id,
                    "sub": session.user_id,
                    "scope": " ".join(sorted(session.scopes)),
                    "exp": int(session.expires_at.timestamp()),
                },
                user_id=session.user_id,
                session_id=session.id,
            )
        try:
            claims = self._tokens.claims(text)
        except Unauthorized:
            return None
        session_id = claims.get("sid")
        found = IssuedToken(
            told={
                "token_type": "Bearer",
                "client_id": claims.get("client_id"),
                **{name: claims[name] for name in ("sub", "aud", "scope", "exp", "iat", "jti")},
            },
            user_id=claims["sub"] if session_id else None,
            session_id=session_id,
        )
        return found if self._stands(found) else None

    def end(self, token: IssuedToken) -> None:
        """End the grant it belongs to, or a program's own token alone."""
        if token.user_id is not None and token.session_id is not None:
            self._auth.end(token.user_id, token.session_id, "signed_out")
        else:
            self._codes.void(token.told["jti"], max(0, token.told["exp"] - int(time.time())) + SKEW)

    def _stands(self, token: IssuedToken) -> bool:
        if token.user_id is None or token.session_id is None:
            known = self._find(token.told["client_id"]) is not None
            return known and not self._codes.is_void(token.told["jti"])
        identity = Identity(user_id=token.user_id, session_id=token.session_id)
        return self._auth.still_valid(identity)


class Revocation(RevocationEndpoint):
    """Revoking either token of a grant ends the whole grant."""

    CLIENT_AUTH_METHODS = ANY
    server: Any

    def query_token(self, token_string: str, token_type_hint: str | None) -> IssuedToken | None:
        found: IssuedToken | None = self.server.issued.find(token_string)
        return found

    def revoke_token(self, token: IssuedToken, request: Any) -> None:
        self.server.issued.end(token)


class Introspection(IntrospectionEndpoint):
    """For confidential clients, about their own tokens; with INTROSPECT, about all tokens."""

    CLIENT_AUTH_METHODS = SECRET
    server: Any

    def query_token(self, token_string: str, token_type_hint: str | None) -> IssuedToken | None:
        found: IssuedToken | None = self.server.issued.find(token_string)
        return found

    def check_permission(self, token: IssuedToken, client: Any, request: Any) -> bool:
        return INTROSPECT in client.client.scopes or token.check_client(client)

    def introspect_token(self, token: IssuedToken) -> dict[str, Any]:
        return {"iss": self.server.settings.issuer, **token.told}
