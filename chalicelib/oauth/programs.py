"""Programs that call in their own name, with a token that they got for their credentials."""

from typing import TYPE_CHECKING

from chalicelib.errors import ScopeMissing, Unauthorized
from chalicelib.identity import Program
from chalicelib.limits.table import Quota, Use

if TYPE_CHECKING:
    from chalicelib.auth.sessions.revocation import Revocation
    from chalicelib.auth.sessions.service import Auth
    from chalicelib.auth.sessions.tokens import AccessTokens
    from chalicelib.oauth.store import ClientStore, Codes


class Programs:
    """Authenticates programs that call without a user."""

    def __init__(
        self,
        *,
        clients: "ClientStore",
        codes: "Codes",
        auth: "Auth",
        tokens: "AccessTokens",
        revocation: "Revocation",
    ) -> None:
        self._clients = clients
        self._codes = codes
        self._auth = auth
        self._tokens = tokens
        self._revocation = revocation

    def admit(self, authorization: str, use: Use) -> tuple[Program, list[Quota]]:
        """Which program calls, from the Authorization header: by a token that was not revoked, of
        a client that was not deleted; and what it has left, all of its tokens together.

        Raises Unauthorized; ScopeMissing for a user's token that is good; RateLimited, Unavailable.
        """
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer":
            raise Unauthorized()
        claims = self._tokens.claims(token.strip())
        if "sid" in claims:
            self._auth.admit(authorization, Use())
            raise ScopeMissing(message="Only a program may do this, in its own name.")
        client_id = claims["sub"]
        quotas = self._revocation.check(client_id, "", use).quotas
        client = self._clients.get(client_id)
        if client is None or self._codes.is_void(claims["jti"]):
            raise Unauthorized()
        # What it was registered for is not what an older token may say.
        scopes = frozenset(claims["scope"].split()).intersection(client.scopes)
        return Program(id=client_id, scopes=scopes), quotas
