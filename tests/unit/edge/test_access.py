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


def test_every_scope_that_is_named_is_a_roles_and_the_other_way_round() -> None:
    named = {one.scope for one in ENDPOINTS} | {one.scope for one in ACTIONS.values()}
    named |= {CONNECT.scope} | {kind.scope for kind in EVENTS.values()}

    assert named - {None} == SCOPES["admin"] | {"openid"} | SERVICE_SCOPES - {INTROSPECT}


def test_a_program_can_be_let_do_nothing_of_the_staffs_nor_manage_an_account() -> None:
    assert USER_SCOPES.keys() - IDENTITY == SCOPES["user"] - {"account"}


def test_events_of_the_account_go_to_our_own_clients_alone() -> None:
    for name, kind in EVENTS.items():
        if name.startswith("account.") or kind.scope == "account":
            assert kind.first_party, name


def test_each_role_may_what_the_one_before_it_may() -> None:
    assert SCOPES["user"] < SCOPES["moderator"] < SCOPES["admin"]
