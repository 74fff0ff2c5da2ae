"""Sessions, their tokens and socket tickets over HTTP."""

from typing import Annotated

from chalice import Blueprint
from pydantic import Field

from chalicelib.auth.sessions.models import (
    Jwks,
    RefreshRequest,
    SessionPage,
    SessionQuery,
    SocketTicket,
    Tokens,
)
from chalicelib.deps import deps
from chalicelib.edge.rest import endpoint
from chalicelib.errors import (
    Unauthorized,
)
from chalicelib.identity import Identity, Source
from chalicelib.wire import Id

bp = Blueprint(__name__)

SessionId = Annotated[Id, Field(description="The session's id.")]


@endpoint(bp, "POST /v1/auth/refresh", tag="Sessions", errors=(Unauthorized,), limit="refresh")
def refresh(body: RefreshRequest, source: Source) -> Tokens:
    """Trade a refresh token for fresh tokens.

    Keep the new one: the old one ends when the new one is used.
    """
    return deps.auth.refresh(body.refresh_token, source)


@endpoint(bp, "POST /v1/auth/logout", tag="Sessions", scope="account", status=204)
def logout(identity: Identity) -> None:
    """Sign out.

    This session ends, and its sockets are closed.
    """
    deps.auth.logout(identity)


@endpoint(bp, "GET /v1/auth/sessions", tag="Sessions", scope="account")
def list_sessions(identity: Identity, query: SessionQuery) -> SessionPage:
    """List your signed-in devices.

    And the programs that you let in. Newest first.
    """
    return deps.auth.sessions(identity, query)


@endpoint(bp, "DELETE /v1/auth/sessions/{session_id}", tag="Sessions", scope="account", status=204)
def revoke_session(identity: Identity, session_id: SessionId) -> None:
    """End one of your sessions.

    Its sockets are closed.
    """
    deps.auth.revoke(identity, session_id)


@endpoint(bp, "DELETE /v1/auth/sessions", tag="Sessions", scope="account", status=204)
def revoke_other_sessions(identity: Identity) -> None:
    """End all of your sessions but this one.

    Their sockets are closed.
    """
    deps.auth.revoke_others(identity)


@endpoint(bp, "GET /.well-known/jwks.json", tag="OAuth", limit="open", public=True)
def public_keys() -> Jwks:
    """Get the keys that tokens are signed with.

    Access tokens are signed by ES256, ID tokens by RS256. Keep the keys as `Cache-Control`
    says.
    """
    return deps.auth.public_keys()


@endpoint(
    bp, "POST /v1/socket-tickets", tag="Sessions", scope="chats.read", limit="connect", status=201
)
def issue_ticket(identity: Identity) -> SocketTicket:
    """Get a ticket to open a socket with.

    Browsers cannot send a bearer token when they open a socket. Connect to `url` with
    `?ticket=` and the ticket before it ends.
    """
    return deps.auth.issue_ticket(identity)
