"""Roles, and what each may do: the one place that says so."""

from collections.abc import Collection
from typing import Literal

Role = Literal["moderator", "admin"]
"""What can be granted and taken. Everybody is a `user` besides."""

_USER = frozenset({"account", "users.read", "chats.read", "chats.write"})
_MODERATOR = _USER | {"admin.users", "admin.suspend"}
_ADMIN = _MODERATOR | {"admin.sessions", "admin.roles", "admin.audit"}

SCOPES = {"user": _USER, "moderator": _MODERATOR, "admin": _ADMIN}
"""The scopes of each role. A route or an action names the one that it needs."""

ROLES_LOCK = 0x726F6C6573
"""Whoever changes who has which role holds this advisory lock, any number that is ours alone: so
what was found of other roles is still so when the change commits."""


def scopes_of(roles: Collection[str]) -> frozenset[str]:
    """What somebody with these roles may do, and is granted by an access token."""
    return _USER.union(*(SCOPES[role] for role in roles))
