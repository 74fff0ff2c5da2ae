"""Acts of staff on users. One transaction checks the caller, does the act and writes the audit
log."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

from chalicelib.admin.models import (
    OPERATOR,
    Account,
    AccountPage,
    AccountQuery,
    Action,
    AuditPage,
    AuditQuery,
    Standing,
)
from chalicelib.clock import NOW
from chalicelib.errors import Forbidden, NotYourself, UserNotFound
from chalicelib.identity import Identity, Source
from chalicelib.scopes import Role, scopes_of

if TYPE_CHECKING:
    from chalicelib.admin.store import AdminStore
    from chalicelib.auth.sessions.service import Auth
    from chalicelib.users.profiles import Users

_GRANT: dict[Role, Action] = {"moderator": "moderator.grant", "admin": "admin.grant"}
_TAKE: dict[Role, Action] = {"moderator": "moderator.take", "admin": "admin.take"}


ADDRESSES_KEPT = timedelta(days=90)
"""How long the audit log keeps the addresses of callers."""

BATCH = 10_000


class Admin:
    """Every act raises UserNotFound, and Forbidden if the caller does not have the right, or has
    just lost it.

    Each act may be repeated: a repeat completes what an outage interrupted, and gets its own entry
    in the audit log. At least one admin always remains: no admin can suspend or demote themselves,
    and the caller is still an admin when the transaction commits.
    """

    def __init__(
        self,
        *,
        store: "AdminStore",
        auth: "Auth",
        users: "Users",
    ) -> None:
        self._store = store
        self._auth = auth
        self._users = users

    def forget_addresses(self) -> int:
        """Remove old addresses from the audit log, at most BATCH at once; answers how many."""
        return self._store.forget_addresses(NOW, ADDRESSES_KEPT, BATCH)

    def search(self, query: AccountQuery) -> AccountPage:
        """Users by username, page by page."""
        found = self._store.accounts(query, now=NOW, limit=query.limit + 1)
        return AccountPage.of(found, query.limit, lambda one: one.username)

    def view(self, user_id: str) -> Account:
        """A user as staff sees them."""
        account = self._store.account(user_id, NOW)
        if account is None:
            raise UserNotFound()
        return account

    def audit(self, query: AuditQuery) -> AuditPage:
        """What was done, newest first, page by page."""
        found = self._store.audit(query, limit=query.limit + 1)
        return AuditPage.of(found, query.limit, lambda one: one.id)

    def suspend(self, identity: Identity, source: Source, user_id: str, reason: str) -> None:
        """End all sessions of a user, who can then not sign in. Raises NotYourself."""
        if user_id == identity.user_id:
            raise NotYourself()
        with self._act(identity, source, "admin.suspend", "user.suspend", user_id):
            self._store.suspend(user_id, reason, NOW)
            ended = self._auth.end_all(user_id)
        self._auth.close(user_id, ended, "account_suspended")

    def restore(self, identity: Identity, source: Source, user_id: str) -> None:
        """Let a suspended user sign in again."""
        with self._act(identity, source, "admin.suspend", "user.restore", user_id):
            self._store.restore(user_id)

    def revoke_sessions(self, identity: Identity, source: Source, user_id: str) -> None:
        """End all sessions of a user; they may sign in again."""
        with self._act(identity, source, "admin.sessions", "sessions.revoke", user_id):
            ended = self._auth.end_all(user_id)
        self._auth.close(user_id, ended)

    def grant(self, identity: Identity, source: Source, user_id: str, role: Role) -> None:
        """Give a user a role. Their open sessions have it from the next refresh on."""
        with self._act(identity, source, "admin.roles", _GRANT[role], user_id):
            self._store.grant(user_id, role, NOW)

    def take(self, identity: Identity, source: Source, user_id: str, role: Role) -> None:
        """Take a role from a user, and end all of their sessions, because their access tokens still
        contain its scopes. Raises NotYourself for the caller's own admin role."""
        if user_id == identity.user_id and role == "admin":
            raise NotYourself()
        with self._act(identity, source, "admin.roles", _TAKE[role], user_id):
            self._store.take(user_id, role)
            ended = self._auth.end_all(user_id)
        self._auth.close(user_id, ended)

    def appoint(self, username: str, role: Role) -> str:
        """Give a user a role by a maintenance command. The first admin is made in this way. Answers
        the user's id. Raises UserNotFound."""
        user_id = self._users.named(username).id
        with self._store.act(None, user_id) as (_, target):
            if target is None:
                raise UserNotFound()
            self._store.grant(user_id, role, NOW)
            self._store.record(OPERATOR, _GRANT[role], user_id, address=None, now=NOW)
        return user_id

    @contextmanager
    def act_on_client(
        self, identity: Identity | None, address: str | None, action: Action, client_id: str
    ) -> Iterator[None]:
        """Checks the caller, and writes the act to the audit log in the same transaction.
        `identity` and `address` are None for an operator. Raises Forbidden."""
        actor_id = identity.user_id if identity else None
        with self._store.act(actor_id, None) as (actor, _):
            if actor_id is not None and not _may(actor, "admin.clients"):
                raise Forbidden()
            yield
            by = actor_id or OPERATOR
            self._store.record(by, action, client_id, address=address, now=NOW)

    @contextmanager
    def _act(
        self, identity: Identity, source: Source, scope: str, action: Action, user_id: str
    ) -> Iterator[None]:
        # The token may be 15 minutes old, and the caller may have lost the role since.
        with self._store.act(identity.user_id, user_id) as (actor, target):
            if actor is None or not _may(actor, scope):
                raise Forbidden()
            if target is None:
                raise UserNotFound()
            if not _above(actor, target):
                raise Forbidden("Only an admin may do this to a moderator or an admin.")
            yield
            self._store.record(identity.user_id, action, user_id, address=source.address, now=NOW)


def _may(actor: Standing | None, scope: str) -> bool:
    return actor is not None and not actor.suspended and scope in scopes_of(actor.roles)


def _above(actor: Standing, target: Standing) -> bool:
    return "admin" in actor.roles or not target.roles
