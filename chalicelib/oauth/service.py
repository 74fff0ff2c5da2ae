"""What programs ask for themselves: tokens, whether these are valid, and to revoke them."""

import functools
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from authlib.oauth2.rfc6749 import InvalidClientError, InvalidRequestError, OAuth2Error
from authlib.oauth2.rfc6749.util import extract_basic_authorization

from chalicelib.clock import NOW
from chalicelib.config import Settings
from chalicelib.edge.forms import Sent
from chalicelib.errors import Unavailable
from chalicelib.identity import Identity, Source
from chalicelib.oauth.id_tokens import claims_of
from chalicelib.oauth.models import OAuthClient, client_id_of, digest, one_each
from chalicelib.oauth.protocol import Outcome, Question, Server

if TYPE_CHECKING:
    from chalicelib.auth.sessions.service import Auth
    from chalicelib.auth.sessions.tokens import AccessTokens
    from chalicelib.limits.guesses import Throttle
    from chalicelib.oauth.edit_store import EditStore
    from chalicelib.oauth.store import ClientStore, Codes
    from chalicelib.users.profiles import Users

NOTED_EVERY = timedelta(hours=1)
"""So that a program that asks all the time costs a write an hour."""

Respond = Callable[[Server, Question], Outcome]

_WRONG = {"invalid_client", "invalid_grant"}
"""What a wrong secret, code or token is answered with."""


class OAuth:
    """Methods that answer with an Outcome raise RateLimited and Unavailable besides."""

    def __init__(
        self,
        settings: Settings,
        *,
        clients: "ClientStore",
        edits: "EditStore",
        codes: "Codes",
        auth: "Auth",
        tokens: "AccessTokens",
        throttle: "Throttle",
        users: "Callable[[], Users]",
    ) -> None:
        self._settings = settings
        self._clients = clients
        self._edits = edits
        self._codes = codes
        self._auth = auth
        self._tokens = tokens
        self._throttle = throttle
        self._users = users

    def token(self, sent: Sent, caller: Source) -> Outcome:
        """The token endpoint (RFC 6749, section 3.2)."""
        return self._counted(sent, caller, Server.create_token_response)

    def revoke(self, sent: Sent, caller: Source) -> Outcome:
        """The revocation endpoint (RFC 7009). A token of somebody else is refused."""
        return self._counted(sent, caller, _endpoint("revocation"))

    def introspect(self, sent: Sent, caller: Source) -> Outcome:
        """The introspection endpoint (RFC 7662)."""
        return self._counted(sent, caller, _endpoint("introspection"))

    def userinfo(self, identity: Identity) -> dict[str, Any]:
        """What the user agreed to show of themselves (OpenID Connect Core, section 5.3)."""
        return claims_of(self._users().me(identity.user_id), identity.scopes)

    def client(self, client_id: str, caller: Source) -> OAuthClient | None:
        """A program by its id. Only unknown ids count against the rate limit of the address."""
        if (known_as := client_id_of(client_id)) is None:
            return None
        client = self._clients.get(known_as)
        if client is None:
            self._throttle.program_guess(caller.address)
        return client

    def server(self, caller: Source) -> Server:
        """The protocol, for one request."""
        return Server(
            self._settings,
            find=functools.cache(self._find),
            codes=self._codes,
            auth=self._auth,
            tokens=self._tokens,
            throttle=self._throttle,
            users=self._users,
            caller=caller,
        )

    def _find(self, client_id: str) -> OAuthClient | None:
        known_as = client_id_of(client_id)
        return self._clients.get(known_as) if known_as else None

    def _counted(self, sent: Sent, caller: Source, respond: Respond) -> Outcome:
        """Answer. Only what turned out wrong counts by address, so right requests never wait for
        it. A program that has shown its secret has buckets of its own."""
        server = self.server(caller)
        try:
            question = self._question(sent)
        except OAuth2Error as error:
            refused: Outcome = server.handle_error_response(None, error)
            return refused
        outcome = respond(server, question)
        if outcome.error in _WRONG and not server.secret_shown:
            self._throttle.program_guess(caller.address)
        if outcome.error is None and question.client is not None:
            self._note_use(question.client.client, _secret_of(question))
        return outcome

    def _note_use(self, client: OAuthClient, secret: str) -> None:
        """Note when a program last asked, at most once in NOTED_EVERY; best effort."""
        shown = digest(secret) if client.confidential else None
        if not client.used_within(NOTED_EVERY, shown):
            with suppress(Unavailable):
                self._edits.note_use(client.id, shown, every=NOTED_EVERY, now=NOW)

    def _question(self, sent: Sent) -> Question:
        try:
            form = one_each(sent.form)
        except ValueError as error:
            raise InvalidRequestError(str(error)) from None
        # A token is found without a hint of its type, and a wrong one is none (RFC 7009, 2.1).
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
        return Question("POST", self._settings.issuer, form, sent.authorization)


def _secret_of(question: Question) -> str:
    """The secret that a request shows, or nothing."""
    _, secret = extract_basic_authorization(question.headers)
    return secret or question.form.get("client_secret", "")


def _endpoint(name: str) -> Respond:
    def respond(server: Server, question: Question) -> Outcome:
        outcome: Outcome = server.create_endpoint_response(name, question)
        return outcome

    return respond
