"""Roles and their scopes. This is the only place that defines them."""

from collections.abc import Collection
from typing import Literal

Role = Literal["moderator", "admin"]
"""The roles that can be granted and taken. Everybody is also a `user`."""

_USER = frozenset({"account", "users.read", "chats.read", "chats.write"})
_MODERATOR = _USER | {"admin.users", "admin.suspend"}
_ADMIN = _MODERATOR | {"admin.sessions", "admin.roles", "admin.audit", "admin.clients"}

SCOPES = {"user": _USER, "moderator": _MODERATOR, "admin": _ADMIN}
"""The scopes of each role. A route or an action names the one that it needs."""

ROLES_LOCK = 0x726F6C6573
"""A change of roles holds this advisory lock. So what it reads of other roles is still true when it
commits. The number is arbitrary, but used for nothing else."""


OFFLINE = "offline_access"
"""A program may refresh its tokens while its user is away (OpenID Connect Core, section 11)."""

IDENTITY = frozenset({"openid", "profile", "email", OFFLINE})
"""Only OAuth clients have these (OpenID Connect): they may read this about their user. Our own
clients need `account` for that."""

SIGN_IN = "authorize"
"""The scope of a session on the sign-in page: it can only give consent to a program."""


def scopes_of(roles: Collection[str], agreed: str | None = None) -> frozenset[str]:
    """The scopes of an access token of a user with these roles. `agreed`: for an OAuth client, the
    scopes that the user agreed to; it gets those of them that the user has."""
    allowed = _USER.union(*(SCOPES[role] for role in roles))
    if agreed is None:
        return allowed
    return (allowed | IDENTITY | {SIGN_IN}).intersection(agreed.split())
