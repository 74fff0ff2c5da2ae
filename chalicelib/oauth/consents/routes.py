"""HTTP routes for the programs that a user allowed."""

from typing import Annotated

from chalice import Blueprint
from pydantic import Field

from chalicelib.deps import deps
from chalicelib.edge.rest import endpoint
from chalicelib.identity import Identity
from chalicelib.oauth.consents.models import AllowedPrograms
from chalicelib.wire import Id

bp = Blueprint(__name__)

ClientId = Annotated[Id, Field(description="The program's id.")]


@endpoint(bp, "GET /v1/auth/programs", tag="OAuth clients", scope="account")
def list_programs(identity: Identity) -> AllowedPrograms:
    """List the programs that you allowed.

    By name, with what each may do.
    """
    return deps.consents.all(identity)


@endpoint(
    bp, "DELETE /v1/auth/programs/{client_id}", tag="OAuth clients", scope="account", status=204
)
def end_program(identity: Identity, client_id: ClientId) -> None:
    """End a program's access to your account.

    At once. The program must ask you again.
    """
    deps.consents.end(identity, client_id)
