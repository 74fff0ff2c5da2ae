"""The provider: what programs and browsers ask of it."""

from typing import TYPE_CHECKING, Annotated, Any

from chalice import Blueprint

from chalicelib.deps import deps
from chalicelib.edge.forms import Sent, Takes
from chalicelib.edge.headers import BASIC, RESOURCE_METADATA
from chalicelib.edge.rest import Answer, endpoint
from chalicelib.errors import AppError
from chalicelib.identity import Identity, Source
from chalicelib.oauth import look, pages, resource
from chalicelib.oauth.metadata import ServerMetadata, metadata
from chalicelib.oauth.wire import (
    AuthorizationRequest,
    GrantedTokens,
    LogoutForm,
    LogoutRequest,
    RevocationAnswer,
    SignInForm,
    TokenQuestion,
    TokenRequest,
    TokenState,
    UserInfo,
    UserInfoForm,
)

if TYPE_CHECKING:
    from chalicelib.oauth.browsers import Shown
    from chalicelib.oauth.protocol import Outcome

bp = Blueprint(__name__)


def _trouble(problem: str) -> Answer:
    return Answer(body=pages.trouble(problem), headers=look.headers())


def _refused(error: AppError) -> dict[str, str]:
    """The error code that OAuth libraries look for in an answer. For a limit, RFC 6749 has only
    `temporarily_unavailable`, of section 4.1.2.1."""
    known = {401: "invalid_token", 403: "insufficient_scope", 500: "server_error"}
    code = "temporarily_unavailable" if error.status in (429, 503) else "invalid_request"
    return {"error": known.get(error.status, code), "error_description": str(error)}


@endpoint(bp, "GET /.well-known/openid-configuration", tag="OAuth", limit="open", public=True)
def openid_configuration() -> ServerMetadata:
    """Get the provider's metadata for OpenID Connect.

    Where the endpoints are, and what they take (OpenID Connect Discovery).
    """
    return metadata(deps.settings.issuer)


@endpoint(bp, "GET /.well-known/oauth-authorization-server", tag="OAuth", limit="open", public=True)
def authorization_server() -> ServerMetadata:
    """Get the provider's metadata for OAuth 2.0.

    The same as for OpenID Connect (RFC 8414).
    """
    return metadata(deps.settings.issuer)


@endpoint(bp, f"GET {RESOURCE_METADATA}", tag="OAuth", limit="open", public=True)
def protected_resource() -> resource.ResourceMetadata:
    """Get where tokens for this API come from.

    For programs that were refused by this API (RFC 9728).
    """
    return resource.resource_metadata(deps.settings.issuer)


@endpoint(
    bp, "GET /oauth2/authorize", tag="OAuth", status=(200, 303, 400), limit="page", page=_trouble
)
def ask_user(sent: Annotated[Sent, Takes(query=AuthorizationRequest)], client: Source) -> Answer:
    """Send a user to the sign-in page.

    A program sends the user's browser here. The user signs in and agrees, and the browser goes
    back to the program with a code (RFC 6749, section 4.1).
    """
    return _shown(deps.browsers.ask(sent, client))


@endpoint(
    bp,
    "POST /oauth2/authorize",
    tag="OAuth",
    status=(200, 303, 400, 403),
    limit="page",
    page=_trouble,
)
def answer_of_user(
    sent: Annotated[Sent, Takes(query=AuthorizationRequest, form=SignInForm)], client: Source
) -> Answer:
    """Take what the user answers on the sign-in page.

    The page posts its forms here. A program may also send its request by a form; the browser is
    then sent to the page.
    """
    return _shown(deps.browsers.answer(sent, client))


@endpoint(bp, "GET /oauth2/google", tag="OAuth", limit="page", page=_trouble)
def back_from_google() -> Answer:
    """Take a user back from Google.

    Google sends the user here who signs in with Google on the sign-in page. What it answers is
    in the fragment of the address.
    """
    return _shown(deps.browsers.from_google())


@endpoint(
    bp,
    "POST /oauth2/token",
    tag="OAuth",
    limit="token",
    status=(200, 400, 401),
    told=_refused,
    readers="programs",
)
def give_token(
    sent: Annotated[Sent, Takes(form=TokenRequest, basic=True)], client: Source
) -> Annotated[Answer, GrantedTokens]:
    """Get tokens.

    In exchange for a code, a refresh token or the program's own credentials (RFC 6749, section
    3.2).
    """
    return _told(deps.oauth.token(sent, client))


@endpoint(
    bp,
    "POST /oauth2/revoke",
    tag="OAuth",
    limit="token",
    status=(200, 400, 401),
    told=_refused,
    readers="programs",
)
def revoke_token(
    sent: Annotated[Sent, Takes(form=TokenQuestion, basic=True)], client: Source
) -> Annotated[Answer, RevocationAnswer]:
    """End the grant that a token belongs to.

    Its access token and its refresh token are void (RFC 7009).
    """
    return _told(deps.oauth.revoke(sent, client))


@endpoint(
    bp, "POST /oauth2/introspect", tag="OAuth", limit="token", status=(200, 400, 401), told=_refused
)
def introspect_token(
    sent: Annotated[Sent, Takes(form=TokenQuestion, basic=True)], client: Source
) -> Annotated[Answer, TokenState]:
    """Ask whether a token is good, and for what.

    For confidential programs, about their own tokens; with the scope `tokens.introspect` about
    all (RFC 7662).
    """
    return _told(deps.oauth.introspect(sent, client))


@endpoint(
    bp, "GET /oauth2/userinfo", tag="OAuth", scope="openid", told=_refused, readers="everybody"
)
def userinfo(identity: Identity, sent: Sent) -> Annotated[dict[str, Any], UserInfo]:
    """Get what the user agreed to show of themselves.

    The scopes `profile` and `email` decide (OpenID Connect Core, section 5.3).
    """
    return deps.oauth.userinfo(identity)


@endpoint(
    bp, "POST /oauth2/userinfo", tag="OAuth", scope="openid", told=_refused, readers="everybody"
)
def userinfo_by_post(
    identity: Identity, sent: Annotated[Sent, Takes(form=UserInfoForm)]
) -> Annotated[dict[str, Any], UserInfo]:
    """Get the same by POST.

    OpenID Connect asks for this way as well. The access token may be in the form.
    """
    return deps.oauth.userinfo(identity)


@endpoint(
    bp, "GET /oauth2/logout", tag="OAuth", status=(200, 303, 400), limit="page", page=_trouble
)
def ask_to_sign_out(sent: Annotated[Sent, Takes(query=LogoutRequest)], client: Source) -> Answer:
    """Sign a user out for a program.

    A program sends the user's browser here (OpenID Connect RP-Initiated Logout). Without an ID
    token, the user is asked first.
    """
    return _shown(deps.browsers.sign_out(sent, client))


@endpoint(
    bp, "POST /oauth2/logout", tag="OAuth", status=(200, 303, 400, 403), limit="page", page=_trouble
)
def sign_out(
    sent: Annotated[Sent, Takes(query=LogoutRequest, form=LogoutForm)], client: Source
) -> Answer:
    """Sign a user out by a form.

    The same request by POST; and the user's answer to the question.
    """
    return _shown(deps.browsers.sign_out(sent, client))


def _told(outcome: "Outcome") -> Answer:
    headers = {**outcome.headers, "Content-Type": "application/json"}
    if outcome.status == 401:  # Authlib's has no realm
        headers["WWW-Authenticate"] = BASIC
    return Answer(status=outcome.status, body=outcome.body, headers=headers)


def _shown(shown: "Shown") -> Answer:
    return Answer(
        status=shown.status, body=shown.body, headers=shown.headers, cookies=shown.cookies
    )
