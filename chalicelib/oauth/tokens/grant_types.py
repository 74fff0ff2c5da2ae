"""The grant types: what programs trade for tokens."""

import secrets
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from authlib.oauth2.rfc6749 import AccessDeniedError, InvalidGrantError, InvalidScopeError
from authlib.oauth2.rfc6749.grants import (
    AuthorizationCodeGrant,
    ClientCredentialsGrant,
    RefreshTokenGrant,
)

from chalicelib.auth.sessions.models import Terms
from chalicelib.errors import Unauthorized
from chalicelib.identity import Identity
from chalicelib.ids import new_id
from chalicelib.oauth.scopes import SERVICE_SCOPES
from chalicelib.oauth.tokens.codes import Code
from chalicelib.oauth.tokens.models import (
    ANY,
    SECRET,
    Approval,
    ProtocolClient,
    ProtocolRequest,
)
from chalicelib.oauth.tokens.pkce import challenge_of
from chalicelib.oauth.tokens.protocol import Server

if TYPE_CHECKING:
    from chalicelib.auth.sessions.models import Session
    from chalicelib.oauth.clients.models import OAuthClient


class RedeemedCode:
    """A valid code, for Authlib."""

    def __init__(self, text: str, code: Code) -> None:
        self.text, self.code = text, code
        self.code_challenge = code.challenge

    def get_redirect_uri(self) -> str:
        return self.code.redirect_uri

    def get_scope(self) -> str:
        return self.code.scope


class CodeGrant(AuthorizationCodeGrant):
    """A code works once, for its own client. A second use ends the session that the first use
    opened."""

    TOKEN_ENDPOINT_AUTH_METHODS = ANY
    server: Server

    def generate_authorization_code(self) -> str:
        return secrets.token_urlsafe(32)

    def save_authorization_code(self, code: str, request: ProtocolRequest) -> None:
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
        """The answer's parameters, in the body. `authorize.answers` sends them to the program."""
        if grant_user is None:
            raise AccessDeniedError()
        self.request.user = grant_user
        code = self.generate_authorization_code()
        self.save_authorization_code(code, self.request)
        state = self.request.payload.state
        return 200, {"code": code, **({"state": state} if state else {})}, []

    def query_authorization_code(self, code: str, client: ProtocolClient) -> RedeemedCode | None:
        verifier = self.request.form.get("code_verifier")
        answered = challenge_of(verifier) if verifier else ""
        redeemed = self.server.codes.redeem(code, client.get_client_id(), answered)
        if redeemed is None:
            return None
        found, again = redeemed
        if again:  # it was copied: perhaps the thief opened the first session
            self.server.auth.end(found.user_id, found.session_id)
            return None
        return RedeemedCode(code, found)

    def delete_authorization_code(self, authorization_code: RedeemedCode) -> None:
        """Nothing to do: `query_authorization_code` has done it."""

    def authenticate_user(self, authorization_code: RedeemedCode) -> RedeemedCode:
        return authorization_code

    def generate_token(self, user: RedeemedCode, **_: Any) -> dict[str, Any]:
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
            tokens = server.auth.open_for(opener, server.source, client.name, terms)
        except Unauthorized:
            raise InvalidGrantError("The user has signed out in the meantime.") from None
        if server.codes.came_again(user.text):  # before there was a session to end
            server.auth.end(code.user_id, code.session_id)
            raise InvalidGrantError("The code was used twice.")
        return server.answer(tokens, profile, auth_time=terms.auth_time, nonce=code.nonce)


class UsedRefreshToken:
    """A refresh token and its session, for Authlib. Only trading it shows whether it is still
    valid; an old one ends the session."""

    def __init__(self, text: str, session: "Session") -> None:
        self.text, self.session = text, session

    def check_client(self, client: ProtocolClient) -> bool:
        return self.session.client_id == client.get_client_id()

    def get_scope(self) -> str:
        return self.session.scope or ""


class RefreshGrant(RefreshTokenGrant):
    """Refreshes like our own clients do: see `Auth.refresh`."""

    TOKEN_ENDPOINT_AUTH_METHODS = ANY
    server: Server

    def authenticate_refresh_token(self, refresh_token: str) -> UsedRefreshToken | None:
        session = self.server.auth.session_behind(refresh_token)
        return UsedRefreshToken(refresh_token, session) if session else None

    def _validate_token_scope(self, token: UsedRefreshToken) -> None:
        """Unknown scopes are ignored, as in the authorization request, since programs repeat that
        one. Scopes that the user did not allow are refused (RFC 6749, section 6)."""
        wanted = self.request.client.client.allowed(self.request.payload.scope or token.get_scope())
        if not wanted or not set(token.get_scope().split()).issuperset(wanted):
            raise InvalidScopeError()
        self.request.scope = " ".join(wanted)

    def authenticate_user(self, refresh_token: UsedRefreshToken) -> str:
        return refresh_token.session.user_id

    def issue_token(self, user: str, refresh_token: UsedRefreshToken) -> dict[str, Any]:
        profile = self.server.profile(self.request.client.client, user)
        try:
            tokens = self.server.auth.trade(
                refresh_token.text,
                client_id=refresh_token.session.client_id,
                only=self.request.scope.split(),
            )
        except Unauthorized:
            raise InvalidGrantError("The refresh token is no longer valid.") from None
        return self.server.answer(tokens, profile, auth_time=refresh_token.session.auth_time)

    def revoke_old_credential(self, refresh_token: UsedRefreshToken) -> None:
        """Nothing to do: `issue_token` has done it. The old token stays valid until the program
        uses the new one."""


class ServiceGrant(ClientCredentialsGrant):
    """Tokens for a program in its own name, without a user and a session."""

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
