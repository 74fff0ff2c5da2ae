"""The programs that a user let in, over HTTP."""

from chalice import Blueprint

from chalicelib.auth.models import Identity
from chalicelib.deps import deps
from chalicelib.oauth.grants import AllowedPrograms
from chalicelib.rest import endpoint
from chalicelib.wire import Id

bp = Blueprint(__name__)


@endpoint(bp, "GET /v1/auth/programs", scope="account")
def list_programs(identity: Identity) -> AllowedPrograms:
    """The programs that you let in, by name, and what each may do."""
    return deps.grants.all(identity)


@endpoint(bp, "DELETE /v1/auth/programs/{client_id}", scope="account", status=204)
def end_program(identity: Identity, client_id: Id) -> None:
    """End a program's access to your account at once. It must ask you again."""
    deps.grants.end(identity, client_id)
