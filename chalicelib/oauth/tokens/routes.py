"""HTTP routes that programs call themselves: token, revocation, introspection, userinfo."""

from typing import TYPE_CHECKING, Annotated, Any

from chalice import Blueprint

from chalicelib.deps import deps
from chalicelib.edge.forms import Takes
from chalicelib.edge.headers import BASIC
from chalicelib.edge.rest import Answer, endpoint
from chalicelib.errors import AppError
from chalicelib.identity import Identity, Source
from chalicelib.oauth.wire import (
    GrantedTokens,
    RevocationAnswer,
    TokenQuestion,
    TokenRequest,
    TokenState,
    UserInfo,
    UserInfoForm,
)
from chalicelib.wire import Sent

if TYPE_CHECKING:
    from chalicelib.oauth.tokens.models import Outcome

bp = Blueprint(__name__)


def _refused(error: AppError) -> dict[str, str]:
    """The error code that OAuth libraries expect. For a limit, RFC 6749 has only
    `temporarily_unavailable` (section 4.1.2.1)."""
    known = {401: "invalid_token", 403: "insufficient_scope", 500: "server_error"}
    code = "temporarily_unavailable" if error.status in (429, 503) else "invalid_request"
    return {"error": known.get(error.status, code), "error_description": str(error)}


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
    sent: Annotated[Sent, Takes(form=TokenRequest, basic=True)], source: Source
) -> Annotated[Answer, GrantedTokens]:
    """Get tokens.

    In exchange for a code, a refresh token or the program's own credentials (RFC 6749, section
    3.2).
    """
    return _told(deps.oauth.token(sent, source))


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
    sent: Annotated[Sent, Takes(form=TokenQuestion, basic=True)], source: Source
) -> Annotated[Answer, RevocationAnswer]:
    """End the session that a token belongs to.

    Its access token and its refresh token end (RFC 7009).
    """
    return _told(deps.oauth.revoke(sent, source))


@endpoint(
    bp, "POST /oauth2/introspect", tag="OAuth", limit="token", status=(200, 400, 401), told=_refused
)
def introspect_token(
    sent: Annotated[Sent, Takes(form=TokenQuestion, basic=True)], source: Source
) -> Annotated[Answer, TokenState]:
    """Ask whether a token is valid, and for what.

    For confidential programs, about their own tokens. With the scope `tokens.introspect`, about
    all tokens (RFC 7662).
    """
    return _told(deps.oauth.introspect(sent, source))


@endpoint(
    bp, "GET /oauth2/userinfo", tag="OAuth", scope="openid", told=_refused, readers="everybody"
)
def userinfo(identity: Identity, sent: Sent) -> Annotated[dict[str, Any], UserInfo]:
    """Get what the user allows the program to see of them.

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

    OpenID Connect requires this as well. The access token may be in the form.
    """
    return deps.oauth.userinfo(identity)


def _told(outcome: "Outcome") -> Answer:
    headers = {**outcome.headers, "Content-Type": "application/json"}
    if outcome.status == 401:  # Authlib sends no realm
        headers["WWW-Authenticate"] = BASIC
    return Answer(status=outcome.status, body=outcome.body, headers=headers)
