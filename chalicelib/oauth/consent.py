"""What the user is asked: who they are, and whether a program may."""

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, NoReturn

from authlib.oauth2.rfc6749 import InvalidRequestError, OAuth2Error
from pydantic import ValidationError

from chalicelib.auth.models import Credentials, Identity, Terms
from chalicelib.auth.scopes import SIGN_IN
from chalicelib.config import Settings
from chalicelib.errors import (
    AccountSuspended,
    InvalidCredentials,
    RateLimited,
    SecondFactorInvalid,
    SecondFactorRequired,
    Unauthorized,
    UserNotFound,
)
from chalicelib.limits import Use
from chalicelib.oauth.answers import MODES, TOO_LONG, GoBack, answer, fits
from chalicelib.oauth.models import NoWayBack, OAuthClient, one_each
from chalicelib.oauth.protocol import Approval, Question, Server, refuse_other_targets
from chalicelib.oauth.visitors import Visitor
from chalicelib.users.models import Profile
from chalicelib.wire import now

if TYPE_CHECKING:
    from chalicelib.auth.accounts import Accounts
    from chalicelib.auth.service import Auth
    from chalicelib.auth.throttle import Throttle
    from chalicelib.auth.tokens import AccessTokens
    from chalicelib.oauth.service import OAuth
    from chalicelib.users.service import Users

DEVICE = "Sign-in page"
PROMPTS = frozenset({"none", "login", "consent", "select_account"})
_WRONG = (
    AccountSuspended,
    InvalidCredentials,
    RateLimited,
    SecondFactorInvalid,
    ValidationError,
)

Given = Mapping[str, list[str]]


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A program's request, once it was found good."""

    given: dict[str, str]
    client: OAuthClient
    redirect_uri: str
    scopes: list[str]
    grant: Any
    server: Server


@dataclass(frozen=True, kw_only=True)
class Ask:
    """Show the user a page: who they are if that is not known, else whether they agree.
    `sign_in`: what says from now on who they are; empty if nobody is to. `code`: whether to ask for
    one of their second factor, too."""

    asked: Asked
    user: Profile | None
    sign_in: str
    problem: str | None = None
    code: bool = False


class Consent:
    """Methods raise NoWayBack where the user cannot be sent back, RateLimited and Unavailable.

    `sign_in` is an access token to a session that can do nothing but say yes here.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        oauth: "OAuth",
        auth: "Auth",
        tokens: "AccessTokens",
        accounts: "Callable[[], Accounts]",
        users: "Users",
        throttle: "Throttle",
        clock: Callable[[], datetime] = now,
    ) -> None:
        self._settings = settings
        self._oauth = oauth
        self._auth = auth
        self._tokens = tokens
        self._accounts = accounts
        self._users = users
        self._throttle = throttle
        self._clock = clock

    def open(self, query: Given, visitor: Visitor) -> Ask | GoBack:
        """What a program's request leads to."""
        try:
            asked = self._asked(query, visitor)
            user = self._known(asked, visitor)
            if "none" in asked.given.get("prompt", "").split():
                error = "consent_required" if user else "login_required"
                _refuse(asked, error, "The user has to be asked.")
        except _SentBack as refused:
            return refused.answer
        return Ask(asked=asked, user=user, sign_in=visitor.sign_in if user else "")

    def sign_in(self, query: Given, form: Mapping[str, str], visitor: Visitor) -> Ask:
        """Find out who the user is. The right password never waits for strangers' pages."""
        asked = self._certain(query, visitor, counted=False)
        terms = Terms(scope=SIGN_IN, seconds=self._settings.access_token_seconds)
        ask = functools.partial(Ask, asked=asked, user=None, sign_in="")
        try:
            credentials = Credentials(
                login=form.get("login", ""),
                password=form.get("password", ""),
                second_factor=form.get("code") or None,
                device_name=DEVICE,
                device_key=visitor.mark,
            )
            signed_in = self._accounts().login(credentials, visitor.client, terms)
        except SecondFactorRequired:
            return ask(problem="Sign in again, with a code of your second factor.", code=True)
        except _WRONG as error:
            self.count(visitor)
            wrong = InvalidCredentials() if isinstance(error, ValidationError) else error
            return ask(problem=str(wrong), code="code" in form)
        return Ask(asked=asked, user=signed_in.user, sign_in=signed_in.access_token)

    def switch(self, query: Given, visitor: Visitor) -> Ask:
        """Forget who the user is, and ask."""
        asked = self._certain(query, visitor)
        self.forget(visitor)
        return Ask(asked=asked, user=None, sign_in="")

    def allow(self, query: Given, visitor: Visitor) -> Ask | GoBack:
        """Send the program the code that it can trade for tokens."""
        asked = self._certain(query, visitor)
        identity = visitor.identity
        if identity is None:
            return Ask(asked=asked, user=None, sign_in="", problem="Please sign in again.")
        approval = Approval(identity=identity, auth_time=self._since(visitor.sign_in))
        return _respond(asked, approval)

    def deny(self, query: Given, visitor: Visitor) -> GoBack:
        """Tell the program that the user does not agree."""
        return _respond(self._certain(query, visitor), None)

    def identity(self, sign_in: str) -> Identity | None:
        """Whom a sign-in belongs to, while its session stands."""
        if not sign_in:
            return None
        try:
            identity = self._auth.authenticate(f"Bearer {sign_in}")
        except Unauthorized:
            return None
        return identity if SIGN_IN in identity.scopes else None

    def count(self, visitor: Visitor) -> None:
        """Count a page by browser if that is known, else by address. Not at all if the user is
        signed in: a session has its own buckets."""
        if visitor.identity is not None:
            return
        if visitor.known:
            self._throttle.page(f"browser {visitor.mark}")
        else:
            self._throttle.anonymous(Use(limit="page", address=visitor.client.address))

    def count_hint(self, session_id: str) -> None:
        """Count a page by the session that a program wants to end with it."""
        self._throttle.page(f"session {session_id}")

    def forget(self, visitor: Visitor) -> None:
        """End the session of the sign-in page."""
        if visitor.identity is not None:
            self._auth.end(visitor.identity.user_id, visitor.identity.session_id)

    def _known(self, asked: Asked, visitor: Visitor) -> Profile | None:
        """Who is signed in, unless the program wants them to sign in again."""
        prompts = asked.given.get("prompt", "").split()
        if not PROMPTS.issuperset(prompts) or ("none" in prompts and len(prompts) > 1):
            _refuse(asked, "invalid_request", "This prompt is not supported.")
        max_age = asked.given.get("max_age", "999999999")
        if not (max_age.isascii() and max_age.isdigit() and len(max_age) < 10):
            _refuse(asked, "invalid_request", "max_age is in whole seconds.")
        identity = visitor.identity
        if identity is None or {"login", "select_account"}.intersection(prompts):
            return None
        if self._clock().timestamp() - self._since(visitor.sign_in) > int(max_age):
            return None
        try:
            return self._users.me(identity.user_id)
        except UserNotFound:
            return None

    def _certain(self, query: Given, visitor: Visitor, *, counted: bool = True) -> Asked:
        try:
            return self._asked(query, visitor, counted=counted)
        except _SentBack as refused:  # it was good when the page was made
            raise NoWayBack("The application asked for something that it may not.") from refused

    def _asked(self, query: Given, visitor: Visitor, *, counted: bool = True) -> Asked:
        try:
            given = one_each(query)
        except ValueError as error:
            raise NoWayBack(str(error)) from None
        client = self._oauth.client(given.get("client_id", ""), visitor.client)
        if client is None:
            raise NoWayBack("The application is not known here.")
        if counted:
            self.count(visitor)
        redirect_uri = given.get("redirect_uri", "")
        if not client.may_return_to(redirect_uri):
            raise NoWayBack("The application asked for an unknown address.")
        if not fits(given, redirect_uri):
            raise NoWayBack(TOO_LONG)
        server = self._oauth.server(visitor.client)
        question = Question("GET", self._settings.issuer, given)
        try:
            _refuse_what_we_have_not(given, self._settings.issuer)
            grant = server.get_consent_grant(question)
        except OAuth2Error as error:
            error.state = given.get("state")
            refusal, issuer = dict(error.get_body()), self._settings.issuer
            raise _SentBack(answer(given, redirect_uri, refusal, issuer)) from None
        return Asked(
            given=given,
            client=client,
            redirect_uri=redirect_uri,
            scopes=question.scope.split(),
            grant=grant,
            server=server,
        )

    def _since(self, sign_in: str) -> int:
        return int(self._tokens.claims(sign_in)["iat"])


class _SentBack(Exception):
    """A refusal that the program gets, at its redirect URI."""

    def __init__(self, answer: GoBack) -> None:
        super().__init__()
        self.answer = answer


def _respond(asked: Asked, approval: Approval | None) -> GoBack:
    outcome = asked.server.create_authorization_response(
        asked.grant.request, grant_user=approval, grant=asked.grant
    )
    return _back(asked, outcome.body)


def _refuse(asked: Asked, error: str, description: str) -> NoReturn:
    refusal = OAuth2Error(description, error=error, state=asked.given.get("state"))
    raise _SentBack(_back(asked, dict(refusal.get_body())))


def _back(asked: Asked, parameters: Mapping[str, str]) -> GoBack:
    return answer(asked.given, asked.redirect_uri, parameters, asked.server.settings.issuer)


def _refuse_what_we_have_not(given: Mapping[str, str], issuer: str) -> None:
    for name in ("request", "request_uri"):
        if name in given:
            raise OAuth2Error("Send plain parameters.", error=f"{name}_not_supported")
    if "response_type" not in given:
        raise InvalidRequestError("Send response_type.")
    if given["response_type"] != "code":  # Authlib would quote it, and fails where it cannot
        raise OAuth2Error("Ask for a code.", error="unsupported_response_type")
    if given.get("response_mode", MODES[0]) not in MODES:
        raise InvalidRequestError(f"Ask for a response_mode of: {', '.join(MODES)}.")
    refuse_other_targets(given, issuer)
