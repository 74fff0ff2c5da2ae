"""Who may do what, made from the scopes of routes, actions, `$connect`, events and roles.

`python -m docs.generators.access` writes docs/access.md.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import app  # so that every route, action and event is known
from chalicelib.edge.endpoints import ENDPOINTS
from chalicelib.edge.frames import ACTIONS
from chalicelib.edge.ws import CONNECT
from chalicelib.live.events import EVENTS, Kind
from chalicelib.oauth.scopes import SERVICE_SCOPES, USER_SCOPES
from chalicelib.scopes import SCOPES, SIGN_IN

PATH = Path(__file__).parent.parent / "access.md"
YES, NO, UNKNOWN, REFUSED = "yes", "no", "401 unauthorized", "403 forbidden"
PROGRAMS = {"granted": frozenset(USER_SCOPES), "openid": frozenset({"openid"})}
HELD = {**SCOPES, **PROGRAMS, "sign-in page": frozenset({SIGN_IN})}
"""The scopes of each kind of caller with a valid session."""
CALLERS = ("anonymous", *HELD, "service", "signed out", "suspended")
APP = app.app

_INTRODUCTION = """\
# Access

Who may use each route, open a socket, use each action and get each event, and how others are
answered. `python -m docs.generators.access` makes this page from the scopes of routes, actions and
events, and the scopes of [roles](../chalicelib/scopes.py). A test compares it with the code. Other
tests make every call and cause every event as each kind of caller.

*granted* is an OAuth client with every scope that a user can grant. *openid* is an OAuth client
that may only learn who the user is; a token that was narrowed at a refresh is treated in the same
way. *sign-in page* is the session of the page that asks users for consent. *service* is an OAuth
client that acts in its own name, by client credentials.

These rules apply in addition to scopes:

- To users who are not in a chat, the chat does not exist: 404 `chat_not_found`. All chats are
  between two people, who cannot leave them. So there are no former members yet.
- Moderators can suspend and restore only users without a role; otherwise 403 `forbidden`.
- Users cannot suspend themselves, and admins cannot take their own admin role: 409 `not_yourself`.
  The last admin cannot delete the account: 409 `last_admin`. So there is always an admin.
- Staff must still have the role when the act commits, whatever the access token contains.
- An OAuth client may do what its user agreed to, and only while the user may do it too.
- Suspending a user, or taking a role, ends all sessions of the user at once. Signing in to a
  suspended account is answered with 403 `account_suspended`, if the password is right.
"""


def document() -> str:
    """The whole page."""
    parts = _roles(), _routes(), _connect(), _actions(), _events()
    return "\n".join([_INTRODUCTION, *(line for part in parts for line in [*part, ""])])


def _roles() -> Iterator[str]:
    yield "## Roles"
    yield ""
    yield from _header("role", "scopes")
    for role, scopes in HELD.items():
        yield f"| {role} | {', '.join(f'`{scope}`' for scope in sorted(scopes))} |"


def _routes() -> Iterator[str]:
    yield "## Routes"
    yield ""
    yield from _header("route", "scope", *CALLERS)
    for one in sorted(ENDPOINTS, key=lambda one: (one.path, one.method)):
        for method in ("GET", "HEAD") if one.open else (one.method,):
            yield _row(f"{method} {one.path}", one.scope)


def _connect() -> Iterator[str]:
    yield "## Opening a socket"
    yield ""
    yield "With a ticket or with a bearer token. When the session ends, its sockets are closed."
    yield ""
    yield from _header("route", "scope", *CALLERS)
    yield _row("$connect", CONNECT.scope)


def _actions() -> Iterator[str]:
    yield "## Actions"
    yield ""
    yield "A caller who may not open a socket gets the same answer here."
    yield ""
    yield from _header("action", "scope", *CALLERS)
    for name, action in sorted(ACTIONS.items()):
        yield _row(name, action.scope)


def _events() -> Iterator[str]:
    yield "## Events"
    yield ""
    yield "A socket gets an event if it was opened with the event's scope; events about the socket"
    yield "itself need no scope. Events of the account do not go to OAuth clients. The socket of an"
    yield "OAuth client does not make its user online, and stops no push."
    yield ""
    yield from _header("event", "scope", *CALLERS)
    for name, kind in sorted(EVENTS.items()):
        heard = [YES if _hears(caller, kind) else NO for caller in CALLERS]
        scope = f"`{kind.scope}`" if kind.scope else "-"
        yield f"| `{name}` | {scope} | {' | '.join(heard)} |"


def _hears(caller: str, kind: Kind[Any]) -> bool:
    connected = CONNECT.scope in HELD.get(caller, ())
    granted = kind.scope is None or kind.scope in HELD.get(caller, ())
    return connected and granted and not (kind.first_party and caller in PROGRAMS)


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
    if caller not in HELD:
        return UNKNOWN
    return YES if scope in HELD[caller] else REFUSED


if __name__ == "__main__":
    PATH.write_text(document())
