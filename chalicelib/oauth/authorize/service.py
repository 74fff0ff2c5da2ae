"""Who the user is, and whether a program may use their account."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from chalicelib.auth.sessions.models import SignedIn
from chalicelib.clock import NOW
from chalicelib.errors import UserNotFound
from chalicelib.identity import Identity
from chalicelib.oauth.authorize.answers import GoBack
from chalicelib.oauth.authorize.prompts import NOBODY
from chalicelib.oauth.authorize.requests import ProgramRequest, Query, Refused
from chalicelib.oauth.signing_in.models import Form
from chalicelib.oauth.signing_in.visitors import Visitor, canonical
from chalicelib.oauth.tokens.models import Approval
from chalicelib.text.addresses import shown
from chalicelib.users.models import Profile
from chalicelib.wire import now

if TYPE_CHECKING:
    from chalicelib.auth.sessions.service import Auth
    from chalicelib.oauth.authorize.requests import Requests
    from chalicelib.oauth.consents.store import ConsentStore
    from chalicelib.oauth.signing_in.service import SigningIn
    from chalicelib.oauth.signing_in.visitors import Visitors
    from chalicelib.users.profiles import Users

_OTHER_ACCOUNT = "The application asked for another account. Sign in to that one, or cancel."


@dataclass(frozen=True, kw_only=True)
class AskToSignIn:
    """Show the user a page to sign in on, with `form`."""

    request: ProgramRequest
    form: Form = field(default_factory=Form)


@dataclass(frozen=True, kw_only=True)
class AskToAllow:
    """Ask a user who is signed in whether they allow the scopes in `new`. `sign_in`: the access
    token of their sign-in session."""

    request: ProgramRequest
    user: Profile
    sign_in: str = field(repr=False)
    new: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class SignInAndGoBack:
    """The user has just signed in, with the access token `sign_in`, and allowed the program
    before: send them back."""

    sign_in: str = field(repr=False)
    answer: GoBack


class Authorization:
    """Methods raise NoWayBack if the user cannot be sent back; RateLimited and Unavailable.

    The session that users sign in to here can only be used to allow programs.
    """

    def __init__(
        self,
        *,
        requests: "Requests",
        visitors: "Visitors",
        signing_in: "SigningIn",
        consents: "ConsentStore",
        auth: "Auth",
        users: "Users",
        clock: Callable[[], datetime] = now,
    ) -> None:
        self._requests = requests
        self._visitors = visitors
        self._signing_in = signing_in
        self._consents = consents
        self._auth = auth
        self._users = users
        self._clock = clock
        self.offers = signing_in.offers

    def open(self, query: Query, visitor: Visitor) -> AskToSignIn | AskToAllow | GoBack:
        """Answer a program's request."""
        try:
            request = self._requests.read(query, visitor)
            found = self._known(request, visitor)
            if found is None:
                request.need_page("login_required")
                return AskToSignIn(request=request, form=_first(request))
            identity, user = found
            new = self._new(request, user.id)
            if not new:
                return self._approved(request, identity, visitor.sign_in)
            request.need_page("consent_required" if request.recognised else "interaction_required")
        except Refused as refused:
            return refused.answer
        return AskToAllow(request=request, user=user, sign_in=visitor.sign_in, new=new)

    def sign_in(
        self, query: Query, step: str, form: Mapping[str, str], visitor: Visitor
    ) -> AskToSignIn | AskToAllow | SignInAndGoBack:
        """Find out who the user is. Correct input never waits for other browsers' limits."""
        request = self._requests.read_again(query, visitor, counted=False)
        if step == "google_back":
            found = self._signing_in.from_google(form, visitor, canonical(request.given))
        else:
            found = self._signing_in.take(step, form, visitor)
        if isinstance(found, Form):
            if found.wrong:
                self._visitors.count(visitor)
            elif found.problem or found.problems:
                self._visitors.count(visitor, "step")
            return AskToSignIn(request=request, form=found)
        return self._signed_in(request, found)

    def show(self, query: Query, form: Form, visitor: Visitor) -> AskToSignIn:
        """Show another page to sign in on."""
        self._visitors.count(visitor, "step")
        request = self._requests.read_again(query, visitor, counted=False)
        return AskToSignIn(request=request, form=form)

    def to_google(self, query: Query, visitor: Visitor) -> str:
        """Where to send the user to sign in with Google."""
        self._visitors.count(visitor, "step")
        request = self._requests.read_again(query, visitor, counted=False)
        return self._signing_in.to_google(visitor, canonical(request.given))

    def switch(self, query: Query, visitor: Visitor) -> AskToSignIn:
        """Sign the user out, and ask another one to sign in."""
        request = self._requests.read_again(query, visitor)
        self._visitors.sign_out(visitor)
        return AskToSignIn(request=request)

    def allow(self, query: Query, visitor: Visitor) -> AskToSignIn | GoBack:
        """Send the program a code that it can trade for tokens, and store the consent."""
        request = self._requests.read_again(query, visitor)
        identity = visitor.identity
        if identity is None:
            return AskToSignIn(request=request, form=Form(problem="Please sign in again."))
        if not request.prompt.accepts(identity.user_id):
            return AskToSignIn(request=request, form=Form(problem=_OTHER_ACCOUNT))
        self._consents.remember(
            identity.user_id,
            request.client.id,
            request.scopes,
            session_id=identity.session_id,
            now=NOW,
        )
        return self._approved(request, identity, visitor.sign_in)

    def deny(self, query: Query, visitor: Visitor) -> GoBack:
        """Tell the program that the user does not agree, and delete the consent."""
        request = self._requests.read_again(query, visitor)
        if visitor.identity is not None:
            self._consents.forget(visitor.identity.user_id, request.client.id)
        return request.respond(None)

    def _known(self, request: ProgramRequest, visitor: Visitor) -> tuple[Identity, Profile] | None:
        """Who is signed in. None if the program wants another user, or a newer sign-in."""
        identity = visitor.identity
        if identity is None:
            return None
        age = self._clock().timestamp() - self._visitors.signed_in_at(visitor.sign_in)
        if not (request.prompt.fresh(age) and request.prompt.accepts(identity.user_id)):
            return None
        try:
            user = self._users.me(identity.user_id)
        except UserNotFound:
            return None
        return (identity, user) if request.prompt.expects(user) else None

    def _signed_in(
        self, request: ProgramRequest, signed_in: SignedIn
    ) -> AskToSignIn | AskToAllow | SignInAndGoBack:
        user, sign_in = signed_in.user, signed_in.access_token
        if not request.prompt.accepts(user.id):
            self._auth.end(user.id, signed_in.session_id)
            return AskToSignIn(request=request, form=Form(problem=_OTHER_ACCOUNT))
        new = self._new(request, user.id)
        if new:
            return AskToAllow(request=request, user=user, sign_in=sign_in, new=new)
        identity = Identity(user_id=user.id, session_id=signed_in.session_id)
        answer = self._approved(request, identity, sign_in)
        return SignInAndGoBack(sign_in=sign_in, answer=answer)

    def _new(self, request: ProgramRequest, user_id: str) -> tuple[str, ...]:
        """The scopes to ask the user for; empty if they allowed all of them before."""
        wanted = tuple(request.scopes)
        if request.prompt.consent or not request.recognised:
            return wanted
        known = self._consents.scopes(user_id, request.client.id)
        return tuple(one for one in wanted if one not in known)

    def _approved(self, request: ProgramRequest, identity: Identity, sign_in: str) -> GoBack:
        auth_time = self._visitors.signed_in_at(sign_in)
        return request.respond(Approval(identity=identity, auth_time=auth_time))


def _first(request: ProgramRequest) -> Form:
    hint = request.prompt.login_hint
    return Form(typed={"login": "" if hint == NOBODY else shown(hint)})
