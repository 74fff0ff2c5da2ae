"""Users as staff sees and handles them, and the audit log, over HTTP."""

from chalice import Blueprint

from chalicelib.admin.models import (
    Account,
    AccountPage,
    AccountQuery,
    AuditPage,
    AuditQuery,
    Suspension,
)
from chalicelib.auth.models import Client, Identity
from chalicelib.auth.scopes import Role
from chalicelib.deps import deps
from chalicelib.errors import NotYourself, UserNotFound
from chalicelib.rest import endpoint
from chalicelib.wire import Id

bp = Blueprint(__name__)

USER = "/v1/admin/users/{user_id}"


@endpoint(bp, "GET /v1/admin/users", scope="admin.users", limit="search")
def search_accounts(identity: Identity, query: AccountQuery) -> AccountPage:
    """Users by the beginning of their username, or by exact e-mail address."""
    return deps.admin.search(query)


@endpoint(bp, f"GET {USER}", errors=(UserNotFound,), scope="admin.users")
def view_account(identity: Identity, user_id: Id) -> Account:
    """A user with roles, number of sessions, and suspension."""
    return deps.admin.view(user_id)


@endpoint(
    bp,
    f"POST {USER}/suspend",
    errors=(UserNotFound, NotYourself),
    scope="admin.suspend",
    status=204,
)
def suspend_user(identity: Identity, client: Client, user_id: Id, body: Suspension) -> None:
    """End all sessions of a user, who can then not sign in. Only admins can suspend staff."""
    deps.admin.suspend(identity, client, user_id, body.reason)


@endpoint(bp, f"POST {USER}/restore", errors=(UserNotFound,), scope="admin.suspend", status=204)
def restore_user(identity: Identity, client: Client, user_id: Id) -> None:
    """Let a suspended user sign in again. Only admins can restore staff."""
    deps.admin.restore(identity, client, user_id)


@endpoint(bp, f"DELETE {USER}/sessions", errors=(UserNotFound,), scope="admin.sessions", status=204)
def revoke_sessions_of(identity: Identity, client: Client, user_id: Id) -> None:
    """End all sessions of a user, who may sign in again."""
    deps.admin.revoke_sessions(identity, client, user_id)


@endpoint(bp, f"PUT {USER}/roles/{{role}}", errors=(UserNotFound,), scope="admin.roles", status=204)
def grant_role(identity: Identity, client: Client, user_id: Id, role: Role) -> None:
    """Give a user a role. Their sessions have it from their next refresh on."""
    deps.admin.grant(identity, client, user_id, role)


@endpoint(
    bp,
    f"DELETE {USER}/roles/{{role}}",
    errors=(UserNotFound, NotYourself),
    scope="admin.roles",
    status=204,
)
def take_role(identity: Identity, client: Client, user_id: Id, role: Role) -> None:
    """Take a role from a user, and end all of their sessions."""
    deps.admin.take(identity, client, user_id, role)


@endpoint(bp, "GET /v1/admin/audit", scope="admin.audit")
def read_audit_log(identity: Identity, query: AuditQuery) -> AuditPage:
    """Who did what to whom, newest first."""
    return deps.admin.audit(query)
