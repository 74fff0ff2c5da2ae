"""What the user is asked: who they are, and whether a program may."""

import hashlib
import hmac
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from pydantic import ValidationError

from chalicelib.auth.models import Client, Credentials, Identity, Terms
from chalicelib.config import Settings
from chalicelib.errors import InvalidCredentials, Unauthorized, UserNotFound
from chalicelib.ids import new_id
from chalicelib.oauth.models import (
    SIGN_IN,
    USER_SCOPES,
    AuthorizationRequest,
    Code,
    NoWayBack,
    OAuthClient,
    OAuthError,
    is_challenge,
)
from chalicelib.users.models import Profile
from chalicelib.wire import now

if TYPE_CHECKING:
    from chalicelib.auth.accounts import Accounts
    from chalicelib.auth.service import Auth
    from chalicelib.auth.tokens import AccessTokens
    from chalicelib.oauth.service import OAuth
    from chalicelib.oauth.store import Codes
    from chalicelib.users.service import Users

DEVICE = "Sign-in page"
PROMPTS = frozenset({"none", "login", "consent", "select_account"})


@dataclass(frozen=True, kw_only=True)
class GoBack:
    """Send the user back to the program."""

    uri: str


@dataclass(frozen=True, kw_only=True)
class Ask:
    """Show the user a page: who they are if that is not known, else whether they agree.
    `sign_in`: what says from now on who they are; empty if nobody is to."""

    request: AuthorizationRequest
    user: Profile | None
    sign_in: str
    problem: str | None = None


class Consent:
    """Methods raise NoWayBack where the user cannot be sent back, RateLimited and Unavailable.

    `sign_in` is an access token to a session that can do nothing but say yes here.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        oauth: "OAuth",
        codes: "Codes",
        auth: "Auth",
        tokens: "AccessTokens",
        accounts: "Callable[[], Accounts]",
        users: "Users",
        clock: Callable[[], datetime] = now,
    ) -> None:
        self._settings = settings
        self._oauth = oauth
        self._codes = codes
        self._auth = auth
        self._tokens = tokens
        self._accounts = accounts
        self._users = users
        self._clock = clock

    def open(self, given: Mapping[str, str], sign_in: str, caller: Client) -> Ask | GoBack:
        """What a program's request leads to."""
        try:
            request = self._request(given, caller)
        except _SentBack as refused:
            return self._refuse(refused.request, refused.error, str(refused))
        user = self._user(sign_in)
        again = bool(request.prompt & {"login", "select_account"})
        if request.max_age is not None and user is not None:
            again = again or self._clock().timestamp() - self._since(sign_in) > request.max_age
        if again:
            user = None
        if "none" in request.prompt:
            missing = "consent_required" if user else "login_required"
            return self._refuse(request, missing, "The user has to be asked.")
        return Ask(request=request, user=user, sign_in=sign_in if user else "")

    def sign_in(self, given: Mapping[str, str], form: Mapping[str, str], caller: Client) -> Ask:
        """Find out who the user is."""
        request = self._certain(given, caller)
        terms = Terms(scope=SIGN_IN, seconds=self._settings.access_token_seconds)
        try:
            credentials = Credentials(
                login=form.get("login", ""), password=form.get("password", ""), device_name=DEVICE
            )
            signed_in = self._accounts().login(credentials, caller, terms)
        except (InvalidCredentials, ValidationError):
            return Ask(request=request, user=None, sign_in="", problem=InvalidCredentials.message)
        return Ask(request=request, user=signed_in.user, sign_in=signed_in.access_token)

    def switch(self, given: Mapping[str, str], sign_in: str, caller: Client) -> Ask:
        """Forget who the user is, and ask."""
        request = self._certain(given, caller)
        if (identity := self._identity(sign_in)) is not None:
            self._auth.end(identity.user_id, identity.session_id)
        return Ask(request=request, user=None, sign_in="")

    def allow(self, given: Mapping[str, str], sign_in: str, caller: Client) -> Ask | GoBack:
        """Send the program the code that it can trade for tokens."""
        request = self._certain(given, caller)
        identity = self._identity(sign_in)
        if identity is None:
            return Ask(request=request, user=None, sign_in="", problem="Please sign in again.")
        text = secrets.token_urlsafe(32)
        code = Code(
            client_id=request.client.id,
            redirect_uri=request.redirect_uri,
            challenge=request.challenge,
            scope=" ".join(request.scopes),
            nonce=request.nonce,
            user_id=identity.user_id,
            opener_id=identity.session_id,
            auth_time=self._since(sign_in),
            session_id=new_id(),
        )
        self._codes.keep(text, code)
        return self._back(request, code=text)

    def deny(self, given: Mapping[str, str], caller: Client) -> GoBack:
        """Tell the program that the user does not agree."""
        return self._refuse(
            self._certain(given, caller), "access_denied", "The user did not agree."
        )

    def _certain(self, given: Mapping[str, str], caller: Client) -> AuthorizationRequest:
        try:
            return self._request(given, caller)
        except _SentBack as refused:  # no form of ours asks for that
            raise NoWayBack(refused.error, str(refused)) from None

    def _request(self, given: Mapping[str, str], caller: Client) -> AuthorizationRequest:
        client = self._oauth.client(given.get("client_id", ""), caller)
        if client is None:
            raise NoWayBack("invalid_request", "The application is not known here.")
        redirect_uri = given.get("redirect_uri", "")
        if redirect_uri not in client.redirect_uris:
            raise NoWayBack("invalid_request", "The application asked for an unknown address.")
        back = AuthorizationRequest(
            client=client, redirect_uri=redirect_uri, state=given.get("state")
        )
        try:
            return _read(given, back)
        except OAuthError as error:
            raise _SentBack(error, back) from None

    def _identity(self, sign_in: str) -> Identity | None:
        try:
            identity = self._auth.authenticate(f"Bearer {sign_in}")
        except Unauthorized:
            return None
        return identity if SIGN_IN in identity.scopes else None

    def _user(self, sign_in: str) -> Profile | None:
        identity = self._identity(sign_in)
        try:
            return self._users.me(identity.user_id) if identity else None
        except UserNotFound:
            return None

    def _since(self, sign_in: str) -> int:
        return int(self._tokens.claims(sign_in)["iat"])

    def _refuse(self, request: AuthorizationRequest, error: str, description: str) -> GoBack:
        return self._back(request, error=error, error_description=description)

    def _back(self, request: AuthorizationRequest, **parameters: str) -> GoBack:
        if request.state is not None:
            parameters["state"] = request.state
        parameters["iss"] = self._settings.issuer
        joint = "&" if "?" in request.redirect_uri else "?"
        return GoBack(uri=f"{request.redirect_uri}{joint}{urlencode(parameters)}")


class _SentBack(OAuthError):
    """A refusal that the program is told."""

    def __init__(self, error: OAuthError, request: AuthorizationRequest) -> None:
        super().__init__(error.error, str(error))
        self.request = request


def seal(form_secret: str, *what: str) -> str:
    """What a form of ours carries, to prove that we gave it to this browser for this purpose."""
    return hmac.new(form_secret.encode(), "\0".join(what).encode(), hashlib.sha256).hexdigest()


def _read(given: Mapping[str, str], back: AuthorizationRequest) -> AuthorizationRequest:
    for name in ("request", "request_uri"):
        if name in given:
            raise OAuthError(f"{name}_not_supported", "Send plain parameters.")
    if "response_type" not in given:
        raise OAuthError("invalid_request", "Send response_type.")
    if given["response_type"] != "code":
        raise OAuthError("unsupported_response_type", "Ask for a code.")
    if given.get("response_mode", "query") != "query":
        raise OAuthError("invalid_request", "The answer comes in the query alone.")
    if given.get("code_challenge_method") != "S256":
        raise OAuthError("invalid_request", "Use PKCE with code_challenge_method=S256.")
    challenge = given.get("code_challenge", "")
    if not is_challenge(challenge):
        raise OAuthError("invalid_request", "Send a code_challenge of 43 characters.")
    prompt = frozenset(given.get("prompt", "").split())
    if not prompt <= PROMPTS or ("none" in prompt and len(prompt) > 1):
        raise OAuthError("invalid_request", "The prompt is not one of ours.")
    max_age = given.get("max_age")
    if max_age is not None and not (max_age.isascii() and max_age.isdigit() and len(max_age) < 10):
        raise OAuthError("invalid_request", "max_age is in whole seconds.")
    return AuthorizationRequest(
        client=back.client,
        redirect_uri=back.redirect_uri,
        state=back.state,
        scopes=_scopes(given.get("scope", ""), back.client),
        nonce=given.get("nonce"),
        challenge=challenge,
        prompt=prompt,
        max_age=int(max_age) if max_age is not None else None,
    )


def _scopes(asked: str, client: OAuthClient) -> tuple[str, ...]:
    wanted = set(asked.split())
    if not wanted or not wanted <= USER_SCOPES.keys() & set(client.scopes):
        raise OAuthError("invalid_scope", "Ask for scopes that the client is registered for.")
    return tuple(scope for scope in USER_SCOPES if scope in wanted)
