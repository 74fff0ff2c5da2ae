"""Roles, and what each may do: the one place that says so."""

from collections.abc import Collection
from typing import Literal

Role = Literal["moderator", "admin"]
"""What can be granted and taken. Everybody is a `user` besides."""

_USER = frozenset({"account", "users.read", "chats.read", "chats.write"})
_MODERATOR = _USER | {"admin.users", "admin.suspend"}
_ADMIN = _MODERATOR | {"admin.sessions", "admin.roles", "admin.audit", "admin.clients"}

SCOPES = {"user": _USER, "moderator": _MODERATOR, "admin": _ADMIN}
"""The scopes of each role. A route or an action names the one that it needs."""

ROLES_LOCK = 0x726F6C6573
"""Whoever changes who has which role holds this advisory lock, any number that is ours alone: so
what was found of other roles is still so when the change commits."""


IDENTITY = frozenset({"openid", "profile", "email"})
"""What a program of others may be told of its user (OpenID Connect). Our own ask `account`."""

SIGN_IN = "authorize"
"""The scope of a session on the sign-in page: it can say yes to a program, and nothing else."""


def scopes_of(roles: Collection[str], agreed: str | None = None) -> frozenset[str]:
    """What somebody with these roles may do, and is granted by an access token. `agreed`: the
    scopes that they agreed to for a program of others, of which it has no more than they do."""
    allowed = _USER.union(*(SCOPES[role] for role in roles))
    if agreed is None:
        return allowed
    return (allowed | IDENTITY | {SIGN_IN}).intersection(agreed.split())
