"""A program's request to use a user's account: read, checked and answered."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from authlib.oauth2.rfc6749 import InvalidRequestError, OAuth2Error

from chalicelib.config import Settings
from chalicelib.oauth.authorize.answers import (
    MODES,
    TOO_LONG,
    GoBack,
    NoWayBack,
    answer,
    fits,
    parameters_of,
)
from chalicelib.oauth.authorize.prompts import Prompt, prompt_of
from chalicelib.oauth.clients.models import OAuthClient
from chalicelib.oauth.clients.redirect_uris import is_claimed
from chalicelib.oauth.tokens.models import Approval, ProtocolRequest
from chalicelib.oauth.tokens.protocol import Server, refuse_other_targets

if TYPE_CHECKING:
    from chalicelib.auth.sessions.tokens import AccessTokens
    from chalicelib.oauth.signing_in.visitors import Visitor, Visitors
    from chalicelib.oauth.tokens.service import OAuth

Query = Mapping[str, list[str]]


class Refused(Exception):
    """A refusal that the program gets, at its redirect URI."""

    def __init__(self, answer: GoBack) -> None:
        super().__init__()
        self.answer = answer


@dataclass(frozen=True, kw_only=True)
class ProgramRequest:
    """A program's request that passed the checks. `given`: its parameters."""

    given: dict[str, str]
    client: OAuthClient
    redirect_uri: str
    scopes: list[str]
    prompt: Prompt
    grant: Any
    server: Server

    @property
    def recognised(self) -> bool:
        """Whether only this program can use the answer: it has a secret, or an address with an
        owner. Any program on a device can take a loopback address, or the scheme of another. The
        user must agree to such a program each time (RFC 8252, section 8.6)."""
        return self.client.confidential or is_claimed(self.redirect_uri)

    def respond(self, approval: Approval | None) -> GoBack:
        """Send the program a code or, without an approval, the error `access_denied`."""
        outcome = self.server.create_authorization_response(
            self.grant.request, grant_user=approval, grant=self.grant
        )
        return self._back(outcome.body)

    def need_page(self, error: str) -> None:
        """Raises Refused with this error if the program allows no page."""
        if self.prompt.silent:
            refusal = OAuth2Error(
                "The user has to be asked.", error=error, state=self.given.get("state")
            )
            raise Refused(self._back(dict(refusal.get_body())))

    def _back(self, parameters: Mapping[str, str]) -> GoBack:
        return answer(self.given, self.redirect_uri, parameters, self.server.settings.issuer)


class Requests:
    """Methods raise NoWayBack if the user cannot be sent back; RateLimited and Unavailable."""

    def __init__(
        self, settings: Settings, *, oauth: "OAuth", tokens: "AccessTokens", visitors: "Visitors"
    ) -> None:
        self._issuer = settings.issuer
        self._oauth = oauth
        self._tokens = tokens
        self._visitors = visitors

    def read(self, query: Query, visitor: "Visitor", *, counted: bool = True) -> ProgramRequest:
        """Check a request. Raises Refused for what the program must hear. With `counted`, the visit
        counts against the browser's limits."""
        given = parameters_of(query)
        client = self._oauth.client(given.get("client_id", ""), visitor.source)
        if client is None:
            raise NoWayBack("The application is not known here.")
        if counted:
            self._visitors.count(visitor)
        redirect_uri = given.get("redirect_uri", "")
        if not client.may_return_to(redirect_uri):
            raise NoWayBack("The application asked for an unknown address.")
        if not fits(given, redirect_uri):
            raise NoWayBack(TOO_LONG)
        try:
            return self._checked(given, client, self._oauth.server(visitor.source, client))
        except OAuth2Error as error:
            error.state = given.get("state")
            refusal = dict(error.get_body())
            raise Refused(answer(given, redirect_uri, refusal, self._issuer)) from None

    def read_again(
        self, query: Query, visitor: "Visitor", *, counted: bool = True
    ) -> ProgramRequest:
        """Check the request of one of our own forms. It passed before, when the page was made."""
        try:
            return self.read(query, visitor, counted=counted)
        except Refused as refused:
            raise NoWayBack("The application asked for something that is not allowed.") from refused

    def _checked(
        self, given: dict[str, str], client: OAuthClient, server: Server
    ) -> ProgramRequest:
        """Raises OAuth2Error."""
        _refuse_unsupported(given, self._issuer)
        request = ProtocolRequest("GET", self._issuer, given)
        grant = server.get_consent_grant(request)
        return ProgramRequest(
            given=given,
            client=client,
            redirect_uri=given["redirect_uri"],
            scopes=request.scope.split(),
            prompt=prompt_of(given, client.id, self._tokens.id_claims),
            grant=grant,
            server=server,
        )


def _refuse_unsupported(given: Mapping[str, str], issuer: str) -> None:
    for name in ("request", "request_uri"):
        if name in given:
            raise OAuth2Error("Send plain parameters.", error=f"{name}_not_supported")
    if "response_type" not in given:
        raise InvalidRequestError("Send response_type.")
    if given["response_type"] != "code":  # Authlib quotes it, and fails for some characters
        raise OAuth2Error("Ask for a code.", error="unsupported_response_type")
    if given.get("response_mode", MODES[0]) not in MODES:
        raise InvalidRequestError(f"Ask for a response_mode of: {', '.join(MODES)}.")
    refuse_other_targets(given, issuer)
