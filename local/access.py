"""Who may do what, made from the scopes that routes and actions name and that roles have.

`python -m local.access` writes docs/access.md.
"""

from collections.abc import Iterator
from pathlib import Path

import app  # so that every route and action is known
from chalicelib.auth.scopes import SCOPES
from chalicelib.oauth.models import SERVICE_SCOPES, USER_SCOPES
from chalicelib.rest import ENDPOINTS
from chalicelib.ws import ACTIONS

PATH = Path(__file__).parent.parent / "docs" / "access.md"
YES, UNKNOWN, REFUSED = "yes", "401 unauthorized", "403 forbidden"
CALLERS = ("anonymous", *SCOPES, "granted", "service", "signed out", "suspended")
APP = app.app

_INTRODUCTION = """\
# Access

Who may use each route and each action of the socket, and what others are answered. Made by
`python -m local.access` from the scopes that these name and that
[roles](../chalicelib/auth/scopes.py) have; a test compares it with the code, another one makes
every call as everybody.

*granted* is a program that a user let do all that a program can be let do; one that was let do
less gets 403 for more. *service* is a program in its own name, by client credentials.

A scope opens the door. Behind it these rules hold:

- Chats are as unknown to those who are not in them as if there were none: 404 `chat_not_found`.
  All are between two people, who cannot leave them: so far there is no former member.
- Moderators suspend and restore users without a role only: else 403 `forbidden`.
- Nobody suspends themselves, and no admin takes their own admin role: 409 `not_yourself`. The last
  admin cannot delete their account: 409 `last_admin`. So an admin always remains.
- Whoever acts must still have the role when the act commits, whatever their access token says.
- A program may do what its user agreed to and may still do themselves.
- Suspending a user, and taking a role, ends all of their sessions at once. Signing in to a
  suspended account is answered with 403 `account_suspended`, if the password is right.
"""


def document() -> str:
    """The whole page."""
    return "\n".join([_INTRODUCTION, *_roles(), "", *_routes(), "", *_actions(), ""])


def _roles() -> Iterator[str]:
    yield "## Roles"
    yield ""
    yield from _header("role", "scopes")
    for role, scopes in [*SCOPES.items(), ("granted", frozenset(USER_SCOPES))]:
        yield f"| {role} | {', '.join(f'`{scope}`' for scope in sorted(scopes))} |"


def _routes() -> Iterator[str]:
    yield "## Routes"
    yield ""
    yield from _header("route", "scope", *CALLERS)
    for one in sorted(ENDPOINTS, key=lambda one: (one.path, one.method)):
        yield _row(f"{one.method} {one.path}", one.scope)


def _actions() -> Iterator[str]:
    yield "## Actions"
    yield ""
    yield "Without a session no socket opens; when it ends, its sockets close."
    yield ""
    yield from _header("action", "scope", *CALLERS)
    for name, action in sorted(ACTIONS.items()):
        yield _row(name, action.scope)


def _header(*names: str) -> Iterator[str]:
    yield f"| {' | '.join(names)} |"
    yield "|---" * len(names) + "|"


def _row(name: str, scope: str | None) -> str:
    allowed = [_answer(caller, scope) for caller in CALLERS]
    return f"| `{name}` | {f'`{scope}`' if scope else '-'} | {' | '.join(allowed)} |"


def _answer(caller: str, scope: str | None) -> str:
    if scope is None:
        return YES
    if caller == "service" and scope in SERVICE_SCOPES:
        return YES
    if caller == "granted":
        return YES if scope in USER_SCOPES else REFUSED
    if caller not in SCOPES:
        return UNKNOWN
    return YES if scope in SCOPES[caller] else REFUSED


if __name__ == "__main__":
    PATH.write_text(document())
