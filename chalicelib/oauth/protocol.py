"""OAuth 2.0 as Authlib speaks it, over our sessions. Nothing but the provider's routes loads it."""

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from authlib.oauth2.rfc6749 import (
    AccessDeniedError,
    AuthorizationServer,
    ClientMixin,
    InvalidClientError,
    InvalidGrantError,
    InvalidScopeError,
    OAuth2Error,
    OAuth2Request,
)
from authlib.oauth2.rfc6749.grants import (
    AuthorizationCodeGrant,
    ClientCredentialsGrant,
    RefreshTokenGrant,
)
from authlib.oauth2.rfc6749.requests import BasicOAuth2Payload

from chalicelib.auth.models import Client, Identity, Terms, Tokens
from chalicelib.config import Settings
from chalicelib.errors import Unauthorized, UserNotFound
from chalicelib.ids import new_id
from chalicelib.oauth.id_tokens import IdTokens
from chalicelib.oauth.models import (
    SERVICE_SCOPES,
    Code,
    OAuthClient,
    challenge_of,
)
from chalicelib.oauth.pkce import Pkce
from chalicelib.oauth.tokens import ANY, SECRET, Introspection, ProgramTokens, Revocation
from chalicelib.users.models import Profile

if TYPE_CHECKING:
    from chalicelib.auth.models import Session
    from chalicelib.auth.service import Auth
    from chalicelib.auth.throttle import Throttle
    from chalicelib.auth.tokens import AccessTokens
    from chalicelib.oauth.store import Codes
    from chalicelib.users.service import Users


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
        caller: Client,
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

    def create_oauth2_request(self, request: Question) -> Question:
        return request

    def handle_response(
        self, status: int, body: dict[str, Any] | str, headers: list[tuple[str, str]]
    ) -> Outcome:
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


class Redeemed:
    """A code that was good, as Authlib asks about it."""

    def __init__(self, text: str, code: Code) -> None:
        self.text, self.code = text, code
        self.code_challenge = code.challenge

    def get_redirect_uri(self) -> str:
        return self.code.redirect_uri

    def get_scope(self) -> str:
        return self.code.scope


class CodeGrant(AuthorizationCodeGrant):
    """A code is good once, for its own client. A second use ends the session of the first."""

    TOKEN_ENDPOINT_AUTH_METHODS = ANY
    server: Server

    def generate_authorization_code(self) -> str:
        return secrets.token_urlsafe(32)

    def save_authorization_code(self, code: str, request: Question) -> None:
        approval: Approval = request.user
        self.server.codes.keep(
            code,
            Code(
                client_id=request.client.get_client_id(),
                redirect_uri=request.payload.redirect_uri,
                challenge=request.form.get("code_challenge", ""),
                scope=request.scope,
                nonce=request.form.get("nonce"),
                user_id=approval.identity.user_id,
                opener_id=approval.identity.session_id,
                auth_time=approval.auth_time,
                session_id=new_id(),
            ),
        )

    def create_authorization_response(
        self, redirect_uri: str, grant_user: Approval | None
    ) -> tuple[int, dict[str, str], list[tuple[str, str]]]:
        """The parameters of the answer to a request, in the body: see `answers`."""
        if grant_user is None:
            raise AccessDeniedError()
        self.request.user = grant_user
        code = self.generate_authorization_code()
        self.save_authorization_code(code, self.request)
        state = self.request.payload.state
        return 200, {"code": code, **({"state": state} if state else {})}, []

    def query_authorization_code(self, code: str, client: Party) -> Redeemed | None:
        verifier = self.request.form.get("code_verifier")
        answered = challenge_of(verifier) if verifier else ""
        redeemed = self.server.codes.redeem(code, client.get_client_id(), answered)
        if redeemed is None:
            return None
        found, again = redeemed
        if again:  # two have it: what the first got for it is not to be trusted either
            self.server.auth.end(found.user_id, found.session_id)
            return None
        return Redeemed(code, found)

    def delete_authorization_code(self, authorization_code: Redeemed) -> None:
        """Already done by `query_authorization_code`."""

    def authenticate_user(self, authorization_code: Redeemed) -> Redeemed:
        return authorization_code

    def generate_token(self, user: Redeemed, **_: Any) -> dict[str, Any]:
        code, server, client = user.code, self.server, self.request.client.client
        opener = Identity(user_id=code.user_id, session_id=code.opener_id)
        profile = server.profile(client, code.user_id)
        terms = Terms(
            session_id=code.session_id,
            client_id=client.id,
            scope=code.scope,
            auth_time=datetime.fromtimestamp(code.auth_time, UTC),
        )
        try:
            tokens = server.auth.open_for(opener, server.caller, client.name, terms)
        except Unauthorized:
            raise InvalidGrantError("The user has signed out meanwhile.") from None
        if server.codes.came_again(user.text):  # before there was a session to end
            server.auth.end(code.user_id, code.session_id)
            raise InvalidGrantError("The code was used twice.")
        return server.answer(tokens, profile, auth_time=terms.auth_time, nonce=code.nonce)


class Held:
    """A refresh token and the session it names, as Authlib asks about it. Trading it shows whether
    it is still good; an old one ends the session."""

    def __init__(self, text: str, session: "Session") -> None:
        self.text, self.session = text, session

    def check_client(self, client: Party) -> bool:
        return self.session.client_id == client.get_client_id()

    def get_scope(self) -> str:
        return self.session.scope or ""


class RefreshGrant(RefreshTokenGrant):
    """By the rules of first-party sessions: see `Auth.refresh`."""

    TOKEN_ENDPOINT_AUTH_METHODS = ANY
    server: Server

    def authenticate_refresh_token(self, refresh_token: str) -> Held | None:
        session = self.server.auth.session_behind(refresh_token)
        return Held(refresh_token, session) if session else None

    def _validate_token_scope(self, token: Held) -> None:
        """What may be left out of the first request may be so here, since programs repeat it. What
        the user was not asked for is refused (RFC 6749, section 6)."""
        wanted = self.request.client.client.allowed(self.request.payload.scope or token.get_scope())
        if not wanted or not set(token.get_scope().split()).issuperset(wanted):
            raise InvalidScopeError()
        self.request.scope = " ".join(wanted)

    def authenticate_user(self, refresh_token: Held) -> str:
        return refresh_token.session.user_id

    def issue_token(self, user: str, refresh_token: Held) -> dict[str, Any]:
        profile = self.server.profile(self.request.client.client, user)
        try:
            tokens = self.server.auth.trade(
                refresh_token.text,
                client_id=refresh_token.session.client_id,
                only=self.request.scope.split(),
            )
        except Unauthorized:
            raise InvalidGrantError("The refresh token is not good any more.") from None
        return self.server.answer(tokens, profile, auth_time=refresh_token.session.auth_time)

    def revoke_old_credential(self, refresh_token: Held) -> None:
        """Already done by `issue_token`. The old token stays good until the new one is used."""


class ServiceGrant(ClientCredentialsGrant):
    """A program in its own name: no user, no session."""

    TOKEN_ENDPOINT_AUTH_METHODS = SECRET
    server: Server

    def generate_token(self, scope: str | None = None, **_: Any) -> dict[str, Any]:
        client: OAuthClient = self.request.client.client
        allowed = SERVICE_SCOPES.intersection(client.scopes)
        wanted = set((scope or "").split()) or allowed
        if not wanted <= allowed:
            raise InvalidScopeError("The client is not registered for that.")
        tokens = self.server.tokens
        access_token = tokens.issue_to(client.id, sub=client.id, scope=" ".join(sorted(wanted)))
        return self.server.bearer(access_token)
