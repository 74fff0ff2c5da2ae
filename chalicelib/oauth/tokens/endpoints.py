"""The endpoints that revoke tokens (RFC 7009) and tell their state (RFC 7662)."""

from typing import Any

from authlib.oauth2.rfc7009 import RevocationEndpoint
from authlib.oauth2.rfc7662 import IntrospectionEndpoint

from chalicelib.oauth.scopes import INTROSPECT
from chalicelib.oauth.tokens.issued import IssuedToken
from chalicelib.oauth.tokens.models import ANY, SECRET, ProtocolClient
from chalicelib.oauth.tokens.protocol import Server


class RevokeTokens(RevocationEndpoint):
    """To revoke either token of a session ends the session."""

    CLIENT_AUTH_METHODS = ANY
    server: Server

    def query_token(self, token_string: str, token_type_hint: str | None) -> IssuedToken | None:
        return self.server.issued.find(token_string)

    def revoke_token(self, token: IssuedToken, request: Any) -> None:
        self.server.issued.end(token)


class IntrospectTokens(IntrospectionEndpoint):
    """Tells confidential clients about their own tokens; with INTROSPECT, about all tokens."""

    CLIENT_AUTH_METHODS = SECRET
    server: Server

    def query_token(self, token_string: str, token_type_hint: str | None) -> IssuedToken | None:
        return self.server.issued.find(token_string)

    def check_permission(self, token: IssuedToken, client: ProtocolClient, request: Any) -> bool:
        return INTROSPECT in client.client.scopes or token.check_client(client)

    def introspect_token(self, token: IssuedToken) -> dict[str, Any]:
        return {"iss": self.server.settings.issuer, **token.told}
