"""What staff see of users, the acts of staff, and the audit log."""

from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BeforeValidator, Field, StringConstraints

from chalicelib.auth.fields import Email
from chalicelib.scopes import Role
from chalicelib.text.sentences import said
from chalicelib.users.models import Username
from chalicelib.wire import (
    CURSOR,
    NEXT,
    NFC,
    PRINTABLE,
    UUID,
    VISIBLE,
    Id,
    Input,
    Model,
    OurId,
    Page,
    PageSize,
    Utc,
)

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
"""The actor of an act by a maintenance command."""


def _fold(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


Prefix = Annotated[
    str,
    Field(
        max_length=32,
        pattern=r"^[a-z0-9_]*$",
        description="How the username begins, in any case.",
        examples=["an"],
    ),
    BeforeValidator(_fold),
    said("not_a_prefix", "A username begins with letters a-z, digits or underscores, at most 32."),
]
"""How a username begins, in any case."""

Reason = Annotated[
    str,
    Field(
        min_length=1,
        max_length=200,
        repr=False,
        description="The reason. It is stored until the user is restored.",
        examples=["Spam"],
    ),
    NFC,
    PRINTABLE,
    VISIBLE,
]
"""Kept with the suspended user until they are restored, and nowhere else."""


Actor = Annotated[
    str,
    StringConstraints(pattern=rf"^{UUID}$|^{OPERATOR}$", to_lower=True),
    said("not_an_actor", f"Give a user's id, which is a UUID, or {OPERATOR}."),
]
"""A user's id, or the operator."""


class Account(Model):
    """A user as staff sees them."""

    id: OurId = Field(description="The user's id.")
    username: str = Field(description="The name to sign in with.", examples=["ana"])
    email: str = Field(
        repr=False,
        description="The e-mail address, verified or not.",
        examples=["ana@example.org"],
    )
    display_name: str = Field(description="The name to show.", examples=["Ana"])
    created_at: Utc = Field(description="When they registered.")
    roles: list[Role] = Field(description="Their roles, besides `user`.")
    sessions: int = Field(description="In how many sessions they are signed in.", examples=[2])
    suspended_at: Utc | None = Field(
        description="Since when they are suspended; null if not.", examples=[None]
    )
    suspension_reason: str | None = Field(
        description="Why they are suspended; null if they are not.", examples=[None]
    )


class AccountQuery(Input):
    """Query for users. Without a username and an address, it is for all of them."""

    username: Prefix = ""
    email: Annotated[Email, Field(description="The exact e-mail address, in any case.")] = ""
    limit: PageSize = 50
    cursor: Annotated[Username | None, CURSOR] = None


class AccountPage(Page[Account, str]):
    """Users by username."""

    items: list[Account] = Field(description="The users of this page.")
    next: Annotated[str | None, NEXT, Field(examples=["ana"])]


class Suspension(Input):
    """Suspends a user."""

    reason: Reason


class AuditEntry(Model):
    """Who did what to whom, when and from which address."""

    id: int = Field(description="The number of the entry.", examples=[17])
    at: Utc = Field(description="When it was done.")
    actor: str = Field(
        description="Who did it: a user's id, or `operator` for a command of the people who run "
        "the service.",
        examples=["0199b7a2-5c1e-7d34-8f60-2b9d41c7e853"],
    )
    action: Action = Field(description="What was done.")
    target: OurId = Field(description="To whom: the id of a user, or of an OAuth client.")
    address: str | None = Field(
        description="The IP address it was done from; null for an operator.",
        examples=["203.0.113.7"],
    )


class AuditQuery(Input):
    """Query of the audit log."""

    actor: Actor | None = Field(
        None, description="Only what this user did: their id, or `operator`."
    )
    target: Id | None = Field(None, description="Only what was done to this user or OAuth client.")
    action: Action | None = Field(None, description="Only this action.")
    limit: PageSize = 50
    cursor: Annotated[Annotated[int, Field(ge=1, lt=2**63)] | None, CURSOR] = None


class AuditPage(Page[AuditEntry, int]):
    """What was done, newest first."""

    items: list[AuditEntry] = Field(description="The entries of this page.")


class Standing(NamedTuple):
    """The roles of a user in an act, and whether they are suspended."""

    roles: frozenset[str]
    suspended: bool


class Parties(NamedTuple):
    """The actor and the target of an act; None for an operator, and for a user who was deleted."""

    actor: Standing | None
    target: Standing | None
