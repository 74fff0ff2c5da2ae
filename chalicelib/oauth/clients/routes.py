"""HTTP routes with which admins register and change programs."""

from typing import Annotated

from chalice import Blueprint
from pydantic import Field

from chalicelib.deps import deps
from chalicelib.edge.rest import endpoint
from chalicelib.errors import NoSecret
from chalicelib.identity import Identity, Source
from chalicelib.oauth.clients.registration import (
    ClientChanges,
    ClientInfo,
    ClientPage,
    ClientQuery,
    NewClient,
    RegisteredClient,
)
from chalicelib.wire import Id

bp = Blueprint(__name__)

CLIENTS = "/v1/admin/oauth-clients"

ClientId = Annotated[Id, Field(description="The program's id.")]


@endpoint(bp, f"POST {CLIENTS}", tag="OAuth clients", scope="admin.clients", status=201)
def register_client(identity: Identity, source: Source, body: NewClient) -> RegisteredClient:
    """Register a program.

    People can then sign in to it, or it acts in its own name. Only this answer contains its
    secret.
    """
    return deps.oauth_clients.register(identity, source, body)


@endpoint(bp, f"GET {CLIENTS}", tag="OAuth clients", scope="admin.clients")
def list_clients(identity: Identity, query: ClientQuery) -> ClientPage:
    """List the registered programs.

    Newest first.
    """
    return deps.oauth_clients.list(query)


@endpoint(bp, f"PATCH {CLIENTS}/{{client_id}}", tag="OAuth clients", scope="admin.clients")
def update_client(
    identity: Identity, source: Source, client_id: ClientId, body: ClientChanges
) -> ClientInfo:
    """Change a program.

    Fields that you leave out stay. If it loses scopes, its next tokens do not have them.
    """
    return deps.oauth_clients.update(identity, source, client_id, body)


@endpoint(
    bp,
    f"POST {CLIENTS}/{{client_id}}/secret",
    tag="OAuth clients",
    errors=(NoSecret,),
    scope="admin.clients",
    status=201,
)
def rotate_client_secret(
    identity: Identity, source: Source, client_id: ClientId
) -> RegisteredClient:
    """Give a program a new secret.

    Only this answer contains it. The former secret stays valid for seven days, or until you end
    it.
    """
    return deps.oauth_clients.rotate_secret(identity, source, client_id)


@endpoint(
    bp,
    f"DELETE {CLIENTS}/{{client_id}}/former-secret",
    tag="OAuth clients",
    scope="admin.clients",
    status=204,
)
def end_former_secret(identity: Identity, source: Source, client_id: ClientId) -> None:
    """End the former secret of a program.

    The program can then use only its current secret.
    """
    deps.oauth_clients.end_former_secret(identity, source, client_id)


@endpoint(
    bp, f"DELETE {CLIENTS}/{{client_id}}", tag="OAuth clients", scope="admin.clients", status=204
)
def delete_client(identity: Identity, source: Source, client_id: ClientId) -> None:
    """Delete a program.

    Its requests are refused, its tokens end, and its users' consents are deleted.
    """
    deps.oauth_clients.delete(identity, source, client_id)
