"""Programs that call the API in their own name, with a token for their secret."""

from typing import TYPE_CHECKING

from chalicelib.errors import ScopeMissing, Unauthorized
from chalicelib.identity import Program
from chalicelib.limits.table import Quota, Use

if TYPE_CHECKING:
    from chalicelib.auth.sessions.revocation import Revocation
    from chalicelib.auth.sessions.service import Auth
    from chalicelib.auth.sessions.tokens import AccessTokens
    from chalicelib.oauth.clients.store import ClientStore
    from chalicelib.oauth.tokens.codes import Codes


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
        """The program that calls, by the Authorization header, and its remaining quotas. All tokens
        of a program share these. The token must not be revoked, nor the program deleted.

        Raises Unauthorized; ScopeMissing for a user's valid token; RateLimited, Unavailable.
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
        # An older token may name scopes that the program has lost since.
        scopes = frozenset(claims["scope"].split()).intersection(client.scopes)
        return Program(id=client_id, scopes=scopes), quotas
