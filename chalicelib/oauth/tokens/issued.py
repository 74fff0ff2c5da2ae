"""Tokens that were issued: to find what one stands for, and to end it."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from chalicelib.clock import SKEW
from chalicelib.errors import Unauthorized
from chalicelib.identity import Identity

if TYPE_CHECKING:
    from chalicelib.auth.sessions.service import Auth
    from chalicelib.auth.sessions.tokens import AccessTokens
    from chalicelib.oauth.tokens.codes import Codes


@dataclass(frozen=True, kw_only=True)
class IssuedToken:
    """A token that was valid when it was checked. `told`: what introspection says of it (RFC 7662,
    section 2.2). A token that a program got in its own name has no user and no session."""

    told: dict[str, Any]
    user_id: str | None
    session_id: str | None

    def check_client(self, client: Any) -> bool:
        return bool(self.told["client_id"] == client.get_client_id())

    def is_expired(self) -> bool:
        return False

    def is_revoked(self) -> bool:
        return False


class IssuedTokens:
    """Needs no hint of a token's type: refresh tokens and access tokens differ in form."""

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
        """What a token stands for; None if it is not valid."""
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
        return found if self._valid(found) else None

    def end(self, token: IssuedToken) -> None:
        """End the session of a token. A token without a session ends alone."""
        if token.user_id is not None and token.session_id is not None:
            self._auth.end(token.user_id, token.session_id, "signed_out")
        else:
            self._codes.void(token.told["jti"], max(0, token.told["exp"] - int(time.time())) + SKEW)

    def _valid(self, token: IssuedToken) -> bool:
        if token.user_id is None or token.session_id is None:
            known = self._find(token.told["client_id"]) is not None
            return known and not self._codes.is_void(token.told["jti"])
        identity = Identity(user_id=token.user_id, session_id=token.session_id)
        return self._auth.still_valid(identity)
