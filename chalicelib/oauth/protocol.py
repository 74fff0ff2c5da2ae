"""OAuth 2.0 as Authlib speaks it, over our sessions. Nothing but the provider's routes loads it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from authlib.oauth2.rfc6749 import (
    AuthorizationServer,
    ClientMixin,
    InvalidClientError,
    InvalidGrantError,
    OAuth2Error,
    OAuth2Request,
)
from authlib.oauth2.rfc6749.requests import BasicOAuth2Payload

from chalicelib.auth.sessions.models import Tokens
from chalicelib.config import Settings
from chalicelib.errors import UserNotFound
from chalicelib.errors.protocol import with_link
from chalicelib.identity import Identity, Source
from chalicelib.oauth.grant_types import CodeGrant, RefreshGrant, ServiceGrant
from chalicelib.oauth.id_tokens import IdTokens
from chalicelib.oauth.models import OAuthClient, is_our_api
from chalicelib.oauth.pkce import Pkce
from chalicelib.oauth.registration import SERVICE_SCOPES
from chalicelib.oauth.tokens import Introspection, ProgramTokens, Revocation
from chalicelib.users.models import Profile

if TYPE_CHECKING:
    from chalicelib.auth.sessions.service import Auth
    from chalicelib.auth.sessions.tokens import AccessTokens
    from chalicelib.limits.guesses import Throttle
    from chalicelib.oauth.store import Codes
    from chalicelib.users.profiles import Users


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What the protocol answers with."""

    status: int
    body: dict[str, Any] | str
    headers: dict[str, str] = field(repr=False)

    @property
    def error(self) -> str | None:
        return self.body.get("error") if isinstance(self.body, dict) else None


class Question(OAuth2Request):
    """A request with each parameter once, as Authlib reads it."""

    def __init__(
        self, method: str, uri: str, given: Mapping[str, str], authorization: str = ""
    ) -> None:
        headers = {"Authorization": authorization} if authorization else {}
        super().__init__(method, uri, headers=headers)
        self.payload = BasicOAuth2Payload(dict(given))

    @property
    def form(self) -> dict[str, str]:
        given: dict[str, str] = self.payload.data
        return given


def refuse_other_targets(given: Mapping[str, str], issuer: str) -> None:
    """Raises OAuth2Error for a request that names another resource than our API (RFC 8707)."""
    if "resource" in given and not is_our_api(given["resource"], issuer):
        raise OAuth2Error("Tokens are for this API alone.", error="invalid_target")


@dataclass(frozen=True, kw_only=True)
class Approval:
    """That a user agreed, in which session, and when they signed in to it."""

    identity: Identity
    auth_time: int


class Server(AuthorizationServer):
    """The protocol for one request, from `caller`. `secret_shown`: a program has proven by its
    secret that the request is its own. Methods raise RateLimited if that program asks too often."""

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
        caller: Source,
    ) -> None:
        super().__init__()
        self.settings, self.caller = settings, caller
        self.codes, self.auth, self.tokens = codes, auth, tokens
        self.issued = ProgramTokens(find=find, codes=codes, auth=auth, tokens=tokens)
        self.id_tokens = IdTokens(tokens, users)
        self._find, self._throttle = find, throttle
        self.secret_shown = False
        self.register_grant(CodeGrant, [Pkce()])
        self.register_grant(RefreshGrant)
        self.register_grant(ServiceGrant)
        self.register_endpoint(Revocation)
        self.register_endpoint(Introspection)

    def query_client(self, client_id: str) -> "Party":
        client = self._find(client_id)
        if client is None:
            raise InvalidClientError(status_code=401, description="There is no such client.")
        return Party(client, self._count)

    def _count(self, client: OAuthClient) -> None:
        """Count a program's request, before anything else is looked up."""
        if not self.secret_shown:
            self.secret_shown = True
            self._throttle.program(client.id)

    def create_token_response(self, request: Question) -> Outcome:
        """The token endpoint (RFC 6749, section 3.2)."""
        try:
            refuse_other_targets(request.form, self.settings.issuer)
        except OAuth2Error as error:
            return self.handle_error_response(request, error)
        outcome: Outcome = super().create_token_response(request)
        return outcome

    def create_oauth2_request(self, request: Question) -> Question:
        return request

    def handle_response(
        self, status: int, body: dict[str, Any] | str, headers: list[tuple[str, str]]
    ) -> Outcome:
        if isinstance(body, dict):
            body = with_link(body, self.settings.issuer)
        return Outcome(status=status, body=body, headers=dict(headers))

    def validate_requested_scope(self, scope: str | None) -> None:
        """Passes. Each grant looks itself: see `OAuthClient.allowed`, `ServiceGrant`."""

    def handle_error_response(self, request: Question | None, error: OAuth2Error) -> Outcome:
        """A refusal. Its parameters are in the body, wherever they go: see `answers`."""
        error.redirect_uri = None
        outcome: Outcome = super().handle_error_response(request, error)
        return outcome

    def send_signal(self, name: str, *args: Any, **kwargs: Any) -> None:
        """Authlib tells of each step here; we do nothing with it."""

    def save_token(self, token: dict[str, Any], request: Question) -> None:
        """Already stored: making a token stores its session."""

    def profile(self, client: OAuthClient, user_id: str) -> Profile | None:
        """See `IdTokens.profile`."""
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
        """The tokens of a session (RFC 6749, section 5.1; OpenID Connect Core, 3.1.3.3, 12.2)."""
        answer = {**self.bearer(tokens.access_token), "refresh_token": tokens.refresh_token}
        id_token = self.id_tokens.beside(
            tokens.access_token, profile, auth_time=auth_time, nonce=nonce
        )
        return {**answer, "id_token": id_token} if id_token else answer

    def bearer(self, access_token: str) -> dict[str, Any]:
        """An access token that nothing can be traded for."""
        return {
            "access_token": access_token,
            "token_type": "Bearer",
            "expires_in": self.settings.access_token_seconds,
            "scope": self.tokens.claims(access_token)["scope"],
        }


class Party(ClientMixin):
    """A registered program, as Authlib asks about it. `proven` is called when it shows its
    secret."""

    def __init__(self, client: OAuthClient, proven: Callable[[OAuthClient], None]) -> None:
        self.client, self._proven = client, proven

    def get_client_id(self) -> str:
        return self.client.id

    def get_default_redirect_uri(self) -> None:
        """None: each request must name its redirect URI."""

    def get_allowed_scope(self, scope: str | None) -> str | None:
        """The scopes to ask a user for; None if there are none, which is `invalid_scope`."""
        return " ".join(self.client.allowed(scope or "")) or None

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        return self.client.may_return_to(redirect_uri)

    def check_client_secret(self, client_secret: str) -> bool:
        if not (self.client.confidential and self.client.knows(client_secret)):
            return False
        self._proven(self.client)
        return True

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        return (method == "none") != self.client.confidential

    def check_response_type(self, response_type: str) -> bool:
        return response_type == "code" and bool(self.client.redirect_uris)

    def check_grant_type(self, grant_type: str) -> bool:
        if grant_type == "client_credentials":
            return self.client.confidential and bool(
                SERVICE_SCOPES.intersection(self.client.scopes)
            )
        return bool(self.client.redirect_uris)
