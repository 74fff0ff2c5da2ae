"""The endpoints that programs call themselves: token, revocation, introspection, userinfo."""

import functools
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from authlib.oauth2.rfc6749 import InvalidClientError, InvalidRequestError, OAuth2Error
from authlib.oauth2.rfc6749.util import extract_basic_authorization

from chalicelib.clock import NOW
from chalicelib.config import Settings
from chalicelib.errors import Unavailable
from chalicelib.identity import Identity, Source
from chalicelib.oauth.clients.models import OAuthClient, client_id_of, digest
from chalicelib.oauth.parameters import one_each
from chalicelib.oauth.tokens.endpoints import IntrospectTokens, RevokeTokens
from chalicelib.oauth.tokens.grant_types import CodeGrant, RefreshGrant, ServiceGrant
from chalicelib.oauth.tokens.id_tokens import claims_of
from chalicelib.oauth.tokens.models import Outcome, ProtocolRequest
from chalicelib.oauth.tokens.pkce import Pkce
from chalicelib.oauth.tokens.protocol import Server
from chalicelib.wire import Sent

if TYPE_CHECKING:
    from chalicelib.auth.sessions.service import Auth
    from chalicelib.auth.sessions.tokens import AccessTokens
    from chalicelib.limits.guesses import Throttle
    from chalicelib.oauth.clients.store import ClientStore
    from chalicelib.oauth.tokens.codes import Codes
    from chalicelib.users.profiles import Users

NOTED_EVERY = timedelta(hours=1)
"""A busy program costs one write an hour."""

Respond = Callable[[Server, ProtocolRequest], Outcome]

_WRONG = {"invalid_client", "invalid_grant"}
"""The errors for a wrong secret, code or token."""


class OAuth:
    """Methods that return an Outcome also raise RateLimited and Unavailable."""

    def __init__(
        self,
        settings: Settings,
        *,
        clients: "ClientStore",
        codes: "Codes",
        auth: "Auth",
        tokens: "AccessTokens",
        throttle: "Throttle",
        users: "Callable[[], Users]",
    ) -> None:
        self._settings = settings
        self._clients = clients
        self._codes = codes
        self._auth = auth
        self._tokens = tokens
        self._throttle = throttle
        self._users = users

    def token(self, sent: Sent, source: Source) -> Outcome:
        """The token endpoint (RFC 6749, section 3.2)."""
        return self._counted(sent, source, Server.create_token_response)

    def revoke(self, sent: Sent, source: Source) -> Outcome:
        """The revocation endpoint (RFC 7009). Another client's token is refused."""
        return self._counted(sent, source, _endpoint("revocation"))

    def introspect(self, sent: Sent, source: Source) -> Outcome:
        """The introspection endpoint (RFC 7662)."""
        return self._counted(sent, source, _endpoint("introspection"))

    def userinfo(self, identity: Identity) -> dict[str, Any]:
        """What the user allowed the program to see (OpenID Connect Core, section 5.3)."""
        return claims_of(self._users().me(identity.user_id), identity.scopes)

    def client(self, client_id: str, source: Source) -> OAuthClient | None:
        """A client by its id. Only unknown ids count against the rate limit of the address."""
        if (known_as := client_id_of(client_id)) is None:
            return None
        client = self._clients.get(known_as)
        if client is None:
            self._throttle.program_guess(source.address)
        return client

    def server(self, source: Source, client: OAuthClient | None = None) -> Server:
        """The protocol for one request. `client`: its client, if that is known."""

        @functools.cache
        def find(client_id: str) -> OAuthClient | None:
            known_as = client_id_of(client_id)
            if client is not None and known_as == client.id:
                return client
            return self._clients.get(known_as) if known_as else None

        server = Server(
            self._settings,
            find=find,
            codes=self._codes,
            auth=self._auth,
            tokens=self._tokens,
            throttle=self._throttle,
            users=self._users,
            source=source,
        )
        server.register_grant(CodeGrant, [Pkce()])
        server.register_grant(RefreshGrant)
        server.register_grant(ServiceGrant)
        server.register_endpoint(RevokeTokens)
        server.register_endpoint(IntrospectTokens)
        return server

    def _counted(self, sent: Sent, source: Source, respond: Respond) -> Outcome:
        """Answer a request. Only a wrong secret, code or token counts by address, so correct
        requests never wait for others at that address. A program that has shown its secret has its
        own buckets."""
        server = self.server(source)
        try:
            request = self._request(sent)
        except OAuth2Error as error:
            refused: Outcome = server.handle_error_response(None, error)
            return refused
        outcome = respond(server, request)
        if outcome.error in _WRONG and not server.secret_shown:
            self._throttle.program_guess(source.address)
        if outcome.error is None and request.client is not None:
            self._note_use(request.client.client, _secret_of(request))
        return outcome

    def _note_use(self, client: OAuthClient, secret: str) -> None:
        """Note when a program last called, at most once in NOTED_EVERY. Does nothing if PostgreSQL
        does not answer."""
        shown = digest(secret) if client.confidential else None
        if not client.used_within(NOTED_EVERY, shown):
            with suppress(Unavailable):
                self._clients.note_use(client.id, shown, every=NOTED_EVERY, now=NOW)

    def _request(self, sent: Sent) -> ProtocolRequest:
        try:
            form = one_each(sent.form)
        except ValueError as error:
            raise InvalidRequestError(str(error)) from None
        # No hint is needed to find a token, and a wrong hint is no error (RFC 7009, section 2.1).
        form.pop("token_type_hint", None)
        try:
            named, _ = extract_basic_authorization({"Authorization": sent.authorization})
        except ValueError:  # also where the header is not ASCII
            raise InvalidClientError(
                status_code=401, description="The Authorization header is not valid text."
            ) from None
        if sent.authorization and "client_secret" in form:
            raise InvalidRequestError("Authenticate in one way, not in two.")
        named = (named or "").lower()
        if sent.authorization and form.get("client_id", named).lower() != named:
            raise InvalidRequestError("The request names two clients.")
        return ProtocolRequest("POST", self._settings.issuer, form, sent.authorization)


def _secret_of(request: ProtocolRequest) -> str:
    """The secret in a request, or an empty text."""
    _, secret = extract_basic_authorization(request.headers)
    return secret or request.form.get("client_secret", "")


def _endpoint(name: str) -> Respond:
    def respond(server: Server, request: ProtocolRequest) -> Outcome:
        outcome: Outcome = server.create_endpoint_response(name, request)
        return outcome

    return respond
