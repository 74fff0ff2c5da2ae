"""What staff sees of users, does to them, and can read of that afterwards."""

from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BeforeValidator, Field, StringConstraints

from chalicelib.auth.models import Email
from chalicelib.auth.scopes import Role
from chalicelib.sentences import said
from chalicelib.users.models import Username
from chalicelib.wire import NFC, PRINTABLE, UUID, VISIBLE, Id, Input, Limit, Model, Utc

Action = Literal[
    "user.suspend",
    "user.restore",
    "sessions.revoke",
    "moderator.grant",
    "moderator.take",
    "admin.grant",
    "admin.take",
    "client.register",
    "client.update",
    "client.secret",
    "client.secret_end",
    "client.delete",
]
"""What the audit log knows."""

OPERATOR = "operator"
"""The actor of what is done by a command, inside the network."""


def _fold(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


Prefix = Annotated[
    str,
    Field(max_length=32, pattern=r"^[a-z0-9_]*$"),
    BeforeValidator(_fold),
    said("not_a_prefix", "A username begins with letters a-z, digits or underscores, at most 32."),
]
"""How a username begins, in any case."""

Reason = Annotated[str, Field(min_length=1, max_length=200, repr=False), NFC, PRINTABLE, VISIBLE]
"""Kept with the suspended user until they are restored, and nowhere else."""


Actor = Annotated[
    str,
    StringConstraints(pattern=rf"^{UUID}$|^{OPERATOR}$", to_lower=True),
    said("not_an_actor", f"Give a user's id, which is a UUID, or {OPERATOR}."),
]
"""A user's id, or the operator."""


class Account(Model):
    """A user as staff sees them. `roles` are those beyond `user`, `sessions` the number of those
    that stand."""

    id: str
    username: str
    email: Annotated[str, Field(repr=False)]
    display_name: str
    created_at: Utc
    roles: list[Role]
    sessions: int
    suspended_at: Utc | None
    suspension_reason: str | None


class AccountQuery(Input):
    """Query for users: how the username begins, or the exact e-mail address; all of them without
    both. `cursor` is the `next` of the answer before."""

    username: Prefix = ""
    email: Email = ""
    limit: Limit = 50
    cursor: Username | None = None


class AccountPage(Model):
    """Users by username."""

    items: list[Account]
    next: str | None


class Suspension(Input):
    """Suspends a user."""

    reason: Reason


class AuditEntry(Model):
    """Who did what to whom, when and from which address. `actor` and `target` are users' ids, or
    that of an OAuth client; an act of an operator has no address."""

    id: int
    at: Utc
    actor: str
    action: Action
    target: str
    address: str | None


class AuditQuery(Input):
    """Query of the audit log; `cursor` is the `next` of the answer before."""

    actor: Actor | None = None
    target: Id | None = None
    action: Action | None = None
    limit: Limit = 50
    cursor: Annotated[int, Field(ge=1, lt=2**63)] | None = None


class AuditPage(Model):
    """What was done, newest first."""

    items: list[AuditEntry]
    next: int | None


class Standing(NamedTuple):
    """What counts of a user who acts or is acted upon."""

    roles: frozenset[str]
    suspended: bool


class Parties(NamedTuple):
    """Who acts and who is acted upon; None for one that is not a user, or not any more."""

    actor: Standing | None
    target: Standing | None
