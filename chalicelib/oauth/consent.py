"""What the user is asked: who they are, and whether a program may."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from authlib.oauth2.rfc6749 import InvalidRequestError, OAuth2Error

from chalicelib.auth.sessions.models import SignedIn
from chalicelib.clock import NOW
from chalicelib.config import Settings
from chalicelib.errors import Unauthorized, UserNotFound
from chalicelib.identity import Identity
from chalicelib.limits.table import Use
from chalicelib.oauth.answers import MODES, TOO_LONG, GoBack, answer, fits
from chalicelib.oauth.models import NoWayBack, OAuthClient, is_claimed, one_each
from chalicelib.oauth.prompts import NOBODY, Wishes, wishes_of
from chalicelib.oauth.protocol import Approval, Question, Server, refuse_other_targets
from chalicelib.oauth.signing_in import Form
from chalicelib.oauth.visitors import Visitor, canonical
from chalicelib.scopes import SIGN_IN
from chalicelib.text.addresses import shown
from chalicelib.users.models import Profile
from chalicelib.wire import now

if TYPE_CHECKING:
    from chalicelib.auth.sessions.service import Auth
    from chalicelib.auth.sessions.tokens import AccessTokens
    from chalicelib.limits.guesses import Throttle
    from chalicelib.oauth.consents import ConsentStore
    from chalicelib.oauth.service import OAuth
    from chalicelib.oauth.signing_in import SigningIn
    from chalicelib.users.profiles import Users

_OTHER_ACCOUNT = "The application asked for another account. Sign in to that one, or cancel."

Given = Mapping[str, list[str]]


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A program's request, once it was found good."""

    given: dict[str, str]
    client: OAuthClient
    redirect_uri: str
    scopes: list[str]
    wishes: Wishes
    grant: Any
    server: Server

    @property
    def recognised(self) -> bool:
        """Whether nobody else can use the answer: the program has a secret, or an address that
        belongs to it. Any program on a device can take a loopback address, or another's scheme, so
        its user must say yes each time (RFC 8252, section 8.6)."""
        return self.client.confidential or is_claimed(self.redirect_uri)


@dataclass(frozen=True, kw_only=True)
class Ask:
    """Show the user a page. Without `user`, it is `form`, which signs them in; else it asks whether
    they allow the scopes in `new`. `sign_in`: their access token for these pages, or empty."""

    asked: Asked
    user: Profile | None = None
    sign_in: str = field(default="", repr=False)
    form: Form = field(default_factory=Form)
    new: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Entered:
    """The user has signed in with `sign_in`, and goes back to a program that knows them already."""

    sign_in: str = field(repr=False)
    answer: GoBack


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
        signing_in: "SigningIn",
        consents: "ConsentStore",
        users: "Users",
        throttle: "Throttle",
        clock: Callable[[], datetime] = now,
    ) -> None:
        self._settings = settings
        self._oauth = oauth
        self._auth = auth
        self._tokens = tokens
        self._signing_in = signing_in
        self._consents = consents
        self._users = users
        self._throttle = throttle
        self._clock = clock
        self.offers = signing_in.offers

    def open(self, query: Given, visitor: Visitor) -> Ask | GoBack:
        """What a program's request leads to."""
        try:
            asked = self._asked(query, visitor)
            found = self._known(asked, visitor)
            if found is None:
                _refuse_silent(asked, "login_required")
                return Ask(asked=asked, form=_first(asked))
            identity, user = found
            new = self._new(asked, user.id)
            if not new:
                return self._approved(asked, identity, visitor.sign_in)
            _refuse_silent(
                asked, "consent_required" if asked.recognised else "interaction_required"
            )
        except _SentBack as refused:
            return refused.answer
        return Ask(asked=asked, user=user, sign_in=visitor.sign_in, new=new)

    def sign_in(
        self, query: Given, step: str, form: Mapping[str, str], visitor: Visitor
    ) -> Ask | Entered:
        """Find out who the user is. Nobody who gives what is right waits for strangers' pages."""
        asked = self._certain(query, visitor, counted=False)
        if step == "google_back":
            found = self._signing_in.from_google(form, visitor, canonical(asked.given))
        else:
            found = self._signing_in.take(step, form, visitor)
        if isinstance(found, Form):
            if found.wrong:
                self.count(visitor)
            elif found.problem or found.problems:
                self.count(visitor, "step")
            return Ask(asked=asked, form=found)
        return self._entered(asked, found)

    def show(self, query: Given, form: Form, visitor: Visitor) -> Ask:
        """Another page of those before one is signed in."""
        self.count(visitor, "step")
        return Ask(asked=self._certain(query, visitor, counted=False), form=form)

    def to_google(self, query: Given, visitor: Visitor) -> str:
        """Where to send the user to sign in with Google."""
        self.count(visitor, "step")
        asked = self._certain(query, visitor, counted=False)
        return self._signing_in.to_google(visitor, canonical(asked.given))

    def switch(self, query: Given, visitor: Visitor) -> Ask:
        """Forget who the user is, and ask."""
        asked = self._certain(query, visitor)
        self.forget(visitor)
        return Ask(asked=asked)

    def allow(self, query: Given, visitor: Visitor) -> Ask | GoBack:
        """Send the program the code that it can trade for tokens, and remember that it may."""
        asked = self._certain(query, visitor)
        identity = visitor.identity
        if identity is None:
            return Ask(asked=asked, form=Form(problem="Please sign in again."))
        if not asked.wishes.accepts(identity.user_id):
            return Ask(asked=asked, form=Form(problem=_OTHER_ACCOUNT))
        self._consents.remember(
            identity.user_id,
            asked.client.id,
            asked.scopes,
            session_id=identity.session_id,
            now=NOW,
        )
        return self._approved(asked, identity, visitor.sign_in)

    def deny(self, query: Given, visitor: Visitor) -> GoBack:
        """Tell the program that the user does not agree. It asks again next time."""
        asked = self._certain(query, visitor)
        if visitor.identity is not None:
            self._consents.forget(visitor.identity.user_id, asked.client.id)
        return _respond(asked, None)

    def identity(self, sign_in: str) -> Identity | None:
        """Whom a sign-in belongs to, while its session stands."""
        if not sign_in:
            return None
        try:
            identity = self._auth.authenticate(f"Bearer {sign_in}")
        except Unauthorized:
            return None
        return identity if SIGN_IN in identity.scopes else None

    def count(self, visitor: Visitor, limit: str = "page") -> None:
        """Count a page by browser if that is known, else by address in a class of limits. Not at
        all if the user is signed in: a session has its own buckets."""
        if visitor.identity is not None:
            return
        if visitor.known:
            self._throttle.page(f"browser {visitor.mark}")
        else:
            self._throttle.anonymous(Use(limit=limit, address=visitor.client.address))

    def count_hint(self, session_id: str) -> None:
        """Count a page by the session that a program wants to end with it."""
        self._throttle.page(f"session {session_id}")

    def forget(self, visitor: Visitor) -> None:
        """End the session of the sign-in page."""
        if visitor.identity is not None:
            identity = visitor.identity
            self._auth.end(identity.user_id, identity.session_id, "signed_out")

    def _known(self, asked: Asked, visitor: Visitor) -> tuple[Identity, Profile] | None:
        """Who is signed in, unless the program wants them to sign in again, or somebody else."""
        identity = visitor.identity
        if identity is None:
            return None
        age = self._clock().timestamp() - self._since(visitor.sign_in)
        if not (asked.wishes.fresh(age) and asked.wishes.accepts(identity.user_id)):
            return None
        try:
            user = self._users.me(identity.user_id)
        except UserNotFound:
            return None
        return (identity, user) if asked.wishes.expects(user) else None

    def _entered(self, asked: Asked, signed_in: SignedIn) -> Ask | Entered:
        user, sign_in = signed_in.user, signed_in.access_token
        if not asked.wishes.accepts(user.id):
            self._auth.end(user.id, signed_in.session_id)
            return Ask(asked=asked, form=Form(problem=_OTHER_ACCOUNT))
        new = self._new(asked, user.id)
        if new:
            return Ask(asked=asked, user=user, sign_in=sign_in, new=new)
        identity = Identity(user_id=user.id, session_id=signed_in.session_id)
        return Entered(sign_in=sign_in, answer=self._approved(asked, identity, sign_in))

    def _new(self, asked: Asked, user_id: str) -> tuple[str, ...]:
        """What the user must be asked about: nothing, if all of it was allowed before."""
        wanted = tuple(asked.scopes)
        if asked.wishes.consent or not asked.recognised:
            return wanted
        known = self._consents.scopes(user_id, asked.client.id)
        return tuple(one for one in wanted if one not in known)

    def _approved(self, asked: Asked, identity: Identity, sign_in: str) -> GoBack:
        return _respond(asked, Approval(identity=identity, auth_time=self._since(sign_in)))

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
            wishes = wishes_of(given, client.id, self._tokens.id_claims)
        except OAuth2Error as error:
            error.state = given.get("state")
            refusal, issuer = dict(error.get_body()), self._settings.issuer
            raise _SentBack(answer(given, redirect_uri, refusal, issuer)) from None
        return Asked(
            given=given,
            client=client,
            redirect_uri=redirect_uri,
            scopes=question.scope.split(),
            wishes=wishes,
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


def _refuse_silent(asked: Asked, error: str) -> None:
    """Send the user back where a page is needed, and none may be shown."""
    if asked.wishes.silent:
        refusal = OAuth2Error(
            "The user has to be asked.", error=error, state=asked.given.get("state")
        )
        raise _SentBack(_back(asked, dict(refusal.get_body())))


def _first(asked: Asked) -> Form:
    hint = asked.wishes.login_hint
    return Form(typed={"login": "" if hint == NOBODY else shown(hint)})


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
