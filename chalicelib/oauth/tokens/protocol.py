"""The OAuth 2.0 protocol by Authlib, over our sessions. Only the provider's routes load it."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from authlib.oauth2.rfc6749 import (
    AuthorizationServer,
    InvalidClientError,
    InvalidGrantError,
    OAuth2Error,
)

from chalicelib.auth.sessions.models import Tokens
from chalicelib.config import Settings
from chalicelib.errors import UserNotFound
from chalicelib.errors.protocol import with_link
from chalicelib.identity import Source
from chalicelib.oauth.clients.models import OAuthClient
from chalicelib.oauth.tokens.id_tokens import IdTokens
from chalicelib.oauth.tokens.issued import IssuedTokens
from chalicelib.oauth.tokens.models import Outcome, ProtocolClient, ProtocolRequest
from chalicelib.users.models import Profile

if TYPE_CHECKING:
    from chalicelib.auth.sessions.service import Auth
    from chalicelib.auth.sessions.tokens import AccessTokens
    from chalicelib.limits.guesses import Throttle
    from chalicelib.oauth.tokens.codes import Codes
    from chalicelib.users.profiles import Users


def refuse_other_targets(given: Mapping[str, str], issuer: str) -> None:
    """Raises OAuth2Error for a request whose `resource` names another API than ours (RFC 8707)."""
    if not {issuer, f"{issuer}/"}.issuperset(given.get("resource", issuer).split(" ")):
        raise OAuth2Error("Tokens are only for this API.", error="invalid_target")


class Server(AuthorizationServer):
    """The protocol for one request, from `source`. `OAuth.server` registers the grant types and the
    endpoints. `secret_shown`: the request contained the client's secret.

    Methods raise RateLimited if the client sends too many requests.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        find: Callable[[str], OAuthClient | None],
        codes: "Codes",
        auth: "Auth",
        tokens: "AccessTokens",
        throttle: "Throttle",
        users: "Callable[[], Users]",
        source: Source,
    ) -> None:
        super().__init__()
        self.settings, self.source = settings, source
        self.codes, self.auth, self.tokens = codes, auth, tokens
        self.issued = IssuedTokens(find=find, codes=codes, auth=auth, tokens=tokens)
        self.id_tokens = IdTokens(tokens, users)
        self._find, self._throttle = find, throttle
        self.secret_shown = False

    def query_client(self, client_id: str) -> ProtocolClient:
        client = self._find(client_id)
        if client is None:
            raise InvalidClientError(status_code=401, description="There is no such client.")
        return ProtocolClient(client, self._count)

    def _count(self, client: OAuthClient) -> None:
        """Count a client's request once, before anything else is read."""
        if not self.secret_shown:
            self.secret_shown = True
            self._throttle.program(client.id)

    def create_token_response(self, request: ProtocolRequest) -> Outcome:
        """The token endpoint (RFC 6749, section 3.2)."""
        try:
            refuse_other_targets(request.form, self.settings.issuer)
        except OAuth2Error as error:
            return self.handle_error_response(request, error)
        outcome: Outcome = super().create_token_response(request)
        return outcome

    def create_oauth2_request(self, request: ProtocolRequest) -> ProtocolRequest:
        return request

    def handle_response(
        self, status: int, body: dict[str, Any] | str, headers: list[tuple[str, str]]
    ) -> Outcome:
        if isinstance(body, dict):
            body = with_link(body, self.settings.issuer)
        return Outcome(status=status, body=body, headers=dict(headers))

    def validate_requested_scope(self, scope: str | None) -> None:
        """Accepts all. Each grant type checks its scopes: see `OAuthClient.allowed`."""

    def handle_error_response(self, request: ProtocolRequest | None, error: OAuth2Error) -> Outcome:
        """The error parameters, in the body. `authorize.answers` sends them to a redirect URI."""
        error.redirect_uri = None
        outcome: Outcome = super().handle_error_response(request, error)
        return outcome

    def send_signal(self, name: str, *args: Any, **kwargs: Any) -> None:
        """Authlib reports each step here. Nothing listens."""

    def save_token(self, token: dict[str, Any], request: ProtocolRequest) -> None:
        """Nothing to do: the session is stored already."""

    def profile(self, client: OAuthClient, user_id: str) -> Profile | None:
        """Like `IdTokens.profile`. Raises InvalidGrantError if the user's account is deleted."""
        try:
            return self.id_tokens.profile(client, user_id)
        except UserNotFound:
            raise InvalidGrantError("The user has deleted their account.") from None

    def answer(
        self,
        tokens: Tokens,
        profile: Profile | None,
        *,
        auth_time: datetime | None,
        nonce: str | None = None,
    ) -> dict[str, Any]:
        """The answer with the tokens of a session (RFC 6749, section 5.1; OpenID Connect Core,
        sections 3.1.3.3 and 12.2)."""
        answer = {**self.bearer(tokens.access_token), "refresh_token": tokens.refresh_token}
        id_token = self.id_tokens.beside(
            tokens.access_token, profile, auth_time=auth_time, nonce=nonce
        )
        return {**answer, "id_token": id_token} if id_token else answer

    def bearer(self, access_token: str) -> dict[str, Any]:
        """The answer with an access token alone, without a refresh token."""
        return {
            "access_token": access_token,
            "token_type": "Bearer",
            "expires_in": self.settings.access_token_seconds,
            "scope": self.tokens.claims(access_token)["scope"],
        }
