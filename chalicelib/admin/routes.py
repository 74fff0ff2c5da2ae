"""Users as staff sees and handles them, and the audit log, over HTTP."""

from typing import Annotated

from chalice import Blueprint
from pydantic import Field

from chalicelib.admin.models import (
    Account,
    AccountPage,
    AccountQuery,
    AuditPage,
    AuditQuery,
    Suspension,
)
from chalicelib.deps import deps
from chalicelib.edge.rest import endpoint
from chalicelib.errors import NotYourself, UserNotFound
from chalicelib.identity import Identity, Source
from chalicelib.scopes import Role
from chalicelib.wire import Id

bp = Blueprint(__name__)

RoleName = Annotated[Role, Field(description="A role besides `user`.")]
UserId = Annotated[Id, Field(description="The user's id.")]

USER = "/v1/admin/users/{user_id}"


@endpoint(bp, "GET /v1/admin/users", tag="Admin", scope="admin.users", limit="search")
def search_accounts(identity: Identity, query: AccountQuery) -> AccountPage:
    """Search users.

    By the beginning of the username, or by the exact e-mail address. Sorted by username.
    """
    return deps.admin.search(query)


@endpoint(bp, f"GET {USER}", tag="Admin", errors=(UserNotFound,), scope="admin.users")
def view_account(identity: Identity, user_id: UserId) -> Account:
    """Get a user as staff sees them.

    With their roles, the number of their sessions, and their suspension.
    """
    return deps.admin.view(user_id)


@endpoint(
    bp,
    f"POST {USER}/suspend",
    tag="Admin",
    errors=(UserNotFound, NotYourself),
    scope="admin.suspend",
    status=204,
)
def suspend_user(identity: Identity, source: Source, user_id: UserId, body: Suspension) -> None:
    """Suspend a user.

    All of their sessions end, and they cannot sign in until they are restored. Only admins can
    suspend staff.
    """
    deps.admin.suspend(identity, source, user_id, body.reason)


@endpoint(
    bp,
    f"POST {USER}/restore",
    tag="Admin",
    errors=(UserNotFound,),
    scope="admin.suspend",
    status=204,
)
def restore_user(identity: Identity, source: Source, user_id: UserId) -> None:
    """Let a suspended user sign in again.

    It does nothing to a user who is not suspended. Only admins can restore staff.
    """
    deps.admin.restore(identity, source, user_id)


@endpoint(
    bp,
    f"DELETE {USER}/sessions",
    tag="Admin",
    errors=(UserNotFound,),
    scope="admin.sessions",
    status=204,
)
def revoke_sessions_of(identity: Identity, source: Source, user_id: UserId) -> None:
    """End all sessions of a user.

    Their sockets are closed. They may sign in again.
    """
    deps.admin.revoke_sessions(identity, source, user_id)


@endpoint(
    bp,
    f"PUT {USER}/roles/{{role}}",
    tag="Admin",
    errors=(UserNotFound,),
    scope="admin.roles",
    status=204,
)
def grant_role(identity: Identity, source: Source, user_id: UserId, role: RoleName) -> None:
    """Give a user a role.

    Their sessions have it from their next refresh on.
    """
    deps.admin.grant(identity, source, user_id, role)


@endpoint(
    bp,
    f"DELETE {USER}/roles/{{role}}",
    tag="Admin",
    errors=(UserNotFound, NotYourself),
    scope="admin.roles",
    status=204,
)
def take_role(identity: Identity, source: Source, user_id: UserId, role: RoleName) -> None:
    """Take a role from a user.

    All of their sessions end.
    """
    deps.admin.take(identity, source, user_id, role)


@endpoint(bp, "GET /v1/admin/audit", tag="Admin", scope="admin.audit")
def read_audit_log(identity: Identity, query: AuditQuery) -> AuditPage:
    """Read the audit log.

    Who did what to whom, newest first.
    """
    return deps.admin.audit(query)
