"""The server closes a socket and says why: the page acts on it."""

from typing import Any

import pytest
from playwright.sync_api import expect

from tests.e2e.web.world import PASSWORD, World

CHANGED = {"current_password": PASSWORD, "new_password": f"{PASSWORD}!"}


@pytest.mark.parametrize(
    ("route", "body", "said"),
    [
        ("DELETE /v1/auth/sessions", None, "You were signed out from another device."),
        ("POST /v1/auth/password", CHANGED, "Your password was changed."),
        ("POST /v1/users/me/delete", {"password": PASSWORD}, "Your account is deleted."),
    ],
)
def test_a_page_that_is_signed_out_says_why(world: World, route: str, body: Any, said: str) -> None:
    ada = world.person("Ada").open()
    method, path = route.split(" ")

    ada.api(method, path, body)

    expect(ada.page.get_by_text(said)).to_be_visible()
    expect(ada.page.get_by_role("button", name="Sign in", exact=True).last).to_be_visible()


@pytest.mark.parametrize(
    ("reason", "said"),
    [
        ("account_suspended", "This account is suspended."),
        ("too_many_sessions", "You are signed in on too many devices"),
        ("revoked", "Your session has ended."),
        ("a new one", "Your session has ended."),
    ],
)
def test_a_page_knows_each_reason(world: World, reason: str, said: str) -> None:
    ada = world.person("Ada").open()

    ada.wire.hang_up("session.ended", {"reason": reason})

    expect(ada.page.get_by_text(said)).to_be_visible()


def test_a_page_that_was_too_fast_waits_as_told(world: World) -> None:
    ada = world.person("Ada").open(own_clock=True)
    opened = ada.wire.opened

    ada.wire.hang_up("rate_limited", {"retry_after": 90})
    expect(ada.status).to_contain_text("The server is busy. Reconnecting in a while…")
    expect(ada.page.get_by_role("button", name="Try now")).to_be_hidden()
    ada.page.clock.run_for(80_000)
    assert ada.wire.opened == opened
    ada.page.clock.run_for(30_000)

    expect(ada.status).to_be_hidden()
    assert ada.wire.opened == opened + 1


def test_a_page_that_gave_up_its_connection_connects_again_on_request(world: World) -> None:
    ada = world.person("Ada").open(own_clock=True)
    opened = ada.wire.opened

    ada.wire.hang_up("socket.closing", {"reason": "too_many_sockets"})
    expect(ada.status).to_contain_text("Open in too many windows. This one is not connected.")
    ada.page.clock.run_for(300_000)
    assert ada.wire.opened == opened
    ada.page.get_by_role("button", name="Try now").click()

    expect(ada.status).to_be_hidden()
    assert ada.wire.opened == opened + 1


def test_a_page_whose_socket_the_server_has_lost_connects_again(world: World) -> None:
    ada = world.person("Ada").open()
    opened = ada.wire.opened

    ada.wire.hang_up("socket.closing", {"reason": "unknown_socket"})

    expect(ada.status).to_be_visible()
    expect(ada.status).to_be_hidden()
    assert ada.wire.opened == opened + 1
