"""Accounts, sessions and tickets over HTTP."""

from chalice import Blueprint

from chalicelib.auth.models import (
    Client,
    Credentials,
    Identity,
    Jwks,
    PasswordChange,
    RefreshRequest,
    Registration,
    SessionPage,
    SessionQuery,
    SignedIn,
    SocketTicket,
    Tokens,
)
from chalicelib.deps import deps
from chalicelib.errors import (
    AccountSuspended,
    EmailTaken,
    InvalidCredentials,
    Unauthorized,
    UsernameTaken,
    UserNotFound,
)
from chalicelib.rest import endpoint
from chalicelib.wire import Id

bp = Blueprint(__name__)


@endpoint(
    bp,
    "POST /v1/auth/register",
    errors=(
        UsernameTaken,
        EmailTaken,
    ),
    limit="register",
    status=201,
)
def register(body: Registration, client: Client) -> SignedIn:
    """Make an account, and sign in to it.

    409 `email_taken` tells anyone that an e-mail address has an account. Until addresses are
    verified by mail, only the limit on registrations slows that down.
    """
    return deps.accounts.register(body, client)


@endpoint(
    bp,
    "POST /v1/auth/login",
    errors=(
        InvalidCredentials,
        AccountSuspended,
    ),
    limit="login",
)
def login(body: Credentials, client: Client) -> SignedIn:
    """Sign in with an e-mail address or a username, and a password."""
    return deps.accounts.login(body, client)


@endpoint(bp, "POST /v1/auth/refresh", errors=(Unauthorized,), limit="refresh")
def refresh(body: RefreshRequest, client: Client) -> Tokens:
    """Trade a refresh token for fresh tokens. Keep the new one: the old one ends with its use."""
    return deps.auth.refresh(body.refresh_token, client)


@endpoint(bp, "POST /v1/auth/logout", scope="account", status=204)
def logout(identity: Identity) -> None:
    """End this session and close its sockets."""
    deps.auth.logout(identity)


@endpoint(
    bp,
    "POST /v1/auth/password",
    errors=(
        InvalidCredentials,
        UserNotFound,
    ),
    scope="account",
    status=204,
)
def change_password(identity: Identity, body: PasswordChange) -> None:
    """Set a new password; all other sessions end."""
    deps.accounts.change_password(identity, body)


@endpoint(bp, "GET /v1/auth/sessions", scope="account")
def list_sessions(identity: Identity, query: SessionQuery) -> SessionPage:
    """Your signed-in devices, newest first."""
    return deps.auth.sessions(identity, query)


@endpoint(bp, "DELETE /v1/auth/sessions/{session_id}", scope="account", status=204)
def revoke_session(identity: Identity, session_id: Id) -> None:
    """End one of your sessions and close its sockets."""
    deps.auth.revoke(identity, session_id)


@endpoint(bp, "DELETE /v1/auth/sessions", scope="account", status=204)
def revoke_other_sessions(identity: Identity) -> None:
    """End all of your sessions but this one."""
    deps.auth.revoke_others(identity)


@endpoint(bp, "GET /.well-known/jwks.json", limit="open")
def public_keys() -> Jwks:
    """The keys that access tokens are signed with."""
    return deps.auth.public_keys()


@endpoint(bp, "POST /v1/socket-tickets", scope="chats.read", limit="connect", status=201)
def issue_ticket(identity: Identity) -> SocketTicket:
    """A ticket to open one socket with, soon."""
    return deps.auth.issue_ticket(identity)
