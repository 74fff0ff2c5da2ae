"""The provider: what programs and browsers ask of it, and how admins register programs."""

from typing import TYPE_CHECKING, Any

from chalice import Blueprint

from chalicelib.auth.models import Client, Identity
from chalicelib.deps import deps
from chalicelib.errors import AppError
from chalicelib.forms import Sent
from chalicelib.headers import BASIC
from chalicelib.oauth import look, pages
from chalicelib.oauth.metadata import metadata
from chalicelib.oauth.models import ClientPage, ClientQuery, NewClient, RegisteredClient
from chalicelib.rest import Answer, endpoint
from chalicelib.wire import Id

if TYPE_CHECKING:
    from chalicelib.oauth.browsers import Shown
    from chalicelib.oauth.protocol import Outcome

bp = Blueprint(__name__)

CLIENTS = "/v1/admin/oauth-clients"


def _trouble(problem: str) -> Answer:
    return Answer(body=pages.trouble(problem), headers=look.headers())


def _refused(error: AppError) -> dict[str, str]:
    """The error code that OAuth libraries look for in an answer. For a limit, RFC 6749 has only
    `temporarily_unavailable`, of section 4.1.2.1."""
    known = {401: "invalid_token", 403: "insufficient_scope", 500: "server_error"}
    code = "temporarily_unavailable" if error.status in (429, 503) else "invalid_request"
    return {"error": known.get(error.status, code), "error_description": str(error)}


@endpoint(bp, "GET /.well-known/openid-configuration", limit="open", public=True)
def openid_configuration() -> dict[str, Any]:
    """The provider's metadata, for OpenID Connect clients."""
    return metadata(deps.settings.issuer)


@endpoint(bp, "GET /.well-known/oauth-authorization-server", limit="open", public=True)
def authorization_server() -> dict[str, Any]:
    """The provider's metadata, for OAuth clients (RFC 8414)."""
    return metadata(deps.settings.issuer)


@endpoint(bp, "GET /oauth2/authorize", status=(200, 303, 400), limit="page", page=_trouble)
def ask_user(sent: Sent, client: Client) -> Answer:
    """Ask a user whether a program may: sign-in and consent."""
    return _shown(deps.browsers.ask(sent, client))


@endpoint(bp, "POST /oauth2/authorize", status=(200, 303, 400, 403), limit="page", page=_trouble)
def answer_of_user(sent: Sent, client: Client) -> Answer:
    """What the user answers on that page."""
    return _shown(deps.browsers.answer(sent, client))


@endpoint(bp, "GET /oauth2/google", limit="page", page=_trouble)
def back_from_google() -> Answer:
    """Where Google sends a user back to who signs in on that page."""
    return _shown(deps.browsers.from_google())


@endpoint(
    bp,
    "POST /oauth2/token",
    limit="token",
    status=(200, 400, 401),
    told=_refused,
    readers="programs",
)
def give_token(sent: Sent, client: Client) -> Answer:
    """Trade a code, a refresh token or a client's own credentials for tokens (RFC 6749)."""
    return _told(deps.oauth.token(sent, client))


@endpoint(
    bp,
    "POST /oauth2/revoke",
    limit="token",
    status=(200, 400, 401),
    told=_refused,
    readers="programs",
)
def revoke_token(sent: Sent, client: Client) -> Answer:
    """End the grant that a token belongs to (RFC 7009)."""
    return _told(deps.oauth.revoke(sent, client))


@endpoint(bp, "POST /oauth2/introspect", limit="token", status=(200, 400, 401), told=_refused)
def introspect_token(sent: Sent, client: Client) -> Answer:
    """Whether a token is valid and what it allows, for confidential clients (RFC 7662)."""
    return _told(deps.oauth.introspect(sent, client))


@endpoint(bp, "GET /oauth2/userinfo", scope="openid", told=_refused, readers="everybody")
def userinfo(identity: Identity, sent: Sent) -> dict[str, Any]:
    """What the user agreed to show of themselves."""
    return deps.oauth.userinfo(identity)


@endpoint(bp, "POST /oauth2/userinfo", scope="openid", told=_refused, readers="everybody")
def userinfo_by_post(identity: Identity, sent: Sent) -> dict[str, Any]:
    """The same by POST, which OpenID Connect asks for as well. The token may be in the form."""
    return deps.oauth.userinfo(identity)


@endpoint(bp, "GET /oauth2/logout", status=(200, 303, 400), limit="page", page=_trouble)
def ask_to_sign_out(sent: Sent, client: Client) -> Answer:
    """Sign a user out for a program (RP-Initiated Logout), or ask them whether to."""
    return _shown(deps.browsers.sign_out(sent, client))


@endpoint(bp, "POST /oauth2/logout", status=(200, 303, 400, 403), limit="page", page=_trouble)
def sign_out(sent: Sent, client: Client) -> Answer:
    """The same by a form; and the user's answer to the question."""
    return _shown(deps.browsers.sign_out(sent, client))


@endpoint(bp, f"POST {CLIENTS}", scope="admin.clients", status=201)
def register_client(identity: Identity, client: Client, body: NewClient) -> RegisteredClient:
    """Register a program that people may sign in to. Only this answer shows its secret."""
    return deps.oauth_clients.register(identity, client, body)


@endpoint(bp, f"GET {CLIENTS}", scope="admin.clients")
def list_clients(identity: Identity, query: ClientQuery) -> ClientPage:
    """The registered programs, newest first."""
    return deps.oauth_clients.list(query)


@endpoint(bp, f"DELETE {CLIENTS}/{{client_id}}", scope="admin.clients", status=204)
def delete_client(identity: Identity, client: Client, client_id: Id) -> None:
    """Refuse a program from now on, and end all that it was granted."""
    deps.oauth_clients.delete(identity, client, client_id)


def _told(outcome: "Outcome") -> Answer:
    headers = {**outcome.headers, "Content-Type": "application/json"}
    if outcome.status == 401:  # Authlib's has no realm
        headers["WWW-Authenticate"] = BASIC
    return Answer(status=outcome.status, body=outcome.body, headers=headers)


def _shown(shown: "Shown") -> Answer:
    return Answer(
        status=shown.status, body=shown.body, headers=shown.headers, cookies=shown.cookies
    )
