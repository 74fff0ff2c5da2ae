"""The page of who may do what is what the code declares."""

from chalicelib.edge.endpoints import ENDPOINTS
from chalicelib.edge.frames import ACTIONS
from chalicelib.edge.ws import CONNECT
from chalicelib.live.events import EVENTS
from chalicelib.oauth.scopes import INTROSPECT, SERVICE_SCOPES, USER_SCOPES
from chalicelib.scopes import IDENTITY, SCOPES
from docs.generators import access


def test_the_committed_page_is_current() -> None:
    assert access.PATH.read_text() == access.document(), "run: make docs"


def test_the_scopes_in_use_are_those_of_the_roles() -> None:
    named = {one.scope for one in ENDPOINTS} | {one.scope for one in ACTIONS.values()}
    named |= {CONNECT.scope} | {kind.scope for kind in EVENTS.values()}

    assert named - {None} == SCOPES["admin"] | {"openid"} | SERVICE_SCOPES - {INTROSPECT}


def test_no_program_can_have_scopes_of_staff_or_account() -> None:
    assert USER_SCOPES.keys() - IDENTITY == SCOPES["user"] - {"account"}


def test_events_of_the_account_go_to_our_own_clients_alone() -> None:
    for name, kind in EVENTS.items():
        if name.startswith("account.") or kind.scope == "account":
            assert kind.first_party, name


def test_each_role_has_the_scopes_of_the_role_below() -> None:
    assert SCOPES["user"] < SCOPES["moderator"] < SCOPES["admin"]
