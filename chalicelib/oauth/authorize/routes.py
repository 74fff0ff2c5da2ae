"""HTTP routes that a user's browser visits: the authorization endpoint and sign-out."""

from typing import TYPE_CHECKING, Annotated

from chalice import Blueprint

from chalicelib.deps import deps
from chalicelib.edge.forms import Takes
from chalicelib.edge.rest import Answer, endpoint
from chalicelib.identity import Source
from chalicelib.oauth.pages import look, plain
from chalicelib.oauth.wire import AuthorizationRequest, LogoutForm, LogoutRequest, SignInForm
from chalicelib.wire import Sent

if TYPE_CHECKING:
    from chalicelib.oauth.authorize.shown import Shown

bp = Blueprint(__name__)


def _trouble(problem: str) -> Answer:
    return Answer(body=plain.trouble(problem), headers=look.headers())


@endpoint(
    bp, "GET /oauth2/authorize", tag="OAuth", status=(200, 303, 400), limit="page", page=_trouble
)
def ask_user(sent: Annotated[Sent, Takes(query=AuthorizationRequest)], source: Source) -> Answer:
    """Send a user to the sign-in page.

    A program sends the user's browser here. The user signs in and agrees, and the browser goes
    back to the program with a code (RFC 6749, section 4.1).
    """
    return _shown(deps.browsers.ask(sent, source))


@endpoint(
    bp,
    "POST /oauth2/authorize",
    tag="OAuth",
    status=(200, 303, 400, 403),
    limit="page",
    page=_trouble,
)
def answer_of_user(
    sent: Annotated[Sent, Takes(query=AuthorizationRequest, form=SignInForm)], source: Source
) -> Answer:
    """Take what the user answers on the sign-in page.

    The page posts its forms here. A program may also send its request by a form. The browser is
    then redirected to the page.
    """
    return _shown(deps.browsers.answer(sent, source))


@endpoint(bp, "GET /oauth2/google", tag="OAuth", limit="page", page=_trouble)
def back_from_google() -> Answer:
    """Take a user back from Google.

    Google sends the user here, after they signed in with Google on the sign-in page. Google's
    answer is in the fragment of the address.
    """
    return _shown(deps.browsers.from_google())


@endpoint(
    bp, "GET /oauth2/logout", tag="OAuth", status=(200, 303, 400), limit="page", page=_trouble
)
def ask_to_sign_out(sent: Annotated[Sent, Takes(query=LogoutRequest)], source: Source) -> Answer:
    """Sign a user out for a program.

    A program sends the user's browser here (OpenID Connect RP-Initiated Logout). Without an ID
    token, the user is asked first.
    """
    return _shown(deps.sign_out.take(sent, source))


@endpoint(
    bp, "POST /oauth2/logout", tag="OAuth", status=(200, 303, 400, 403), limit="page", page=_trouble
)
def sign_out(
    sent: Annotated[Sent, Takes(query=LogoutRequest, form=LogoutForm)], source: Source
) -> Answer:
    """Sign a user out by a form.

    The same request by POST, or the user's answer on the page.
    """
    return _shown(deps.sign_out.take(sent, source))


def _shown(shown: "Shown") -> Answer:
    return Answer(
        status=shown.status, body=shown.body, headers=shown.headers, cookies=shown.cookies
    )
