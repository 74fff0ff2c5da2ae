"""oidc-client-ts, in a page of another origin."""

import functools
import json
import shutil
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, expect

from local.bootstrap import STATE
from tests.cloud import ROOT, Cloud
from tests.e2e.oauth.oauth import call, registered
from tests.e2e.oauth.sites import changed
from tests.e2e.web.world import PASSWORD, Person, World

LIBRARY = STATE / "npm/clients/node_modules/oidc-client-ts/dist/browser/oidc-client-ts.min.js"


class _Files(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def site(cloud: Cloud, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Another site than the cloud's: its host has another name."""
    folder: Path = tmp_path_factory.mktemp("site")
    shutil.copyfile(ROOT / "tests/clients/page.html", folder / "index.html")
    shutil.copyfile(LIBRARY, folder / LIBRARY.name)
    handler = functools.partial(_Files, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        url = f"http://localhost:{server.server_port}"
        program = registered(
            cloud,
            name="Board",
            redirect_uris=["http://localhost/"],
            post_logout_redirect_uris=["http://localhost/"],
            scopes=["openid", "profile", "email"],
            confidential=False,
        )
        settings = {
            "authority": cloud.http_url,
            "client_id": program.id,
            "scope": "openid profile email offline_access",
        }
        (folder / "settings.json").write_text(json.dumps(settings))
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield url
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def ada(world: World) -> Person:
    return world.person("Ada Okafor")


@pytest.fixture
def page(world: World, site: str) -> Page:
    """The program's page, before anybody signed in."""
    page = world.new_page()
    page.goto(site)
    expect(page.locator("#user")).to_have_text("nobody")
    return page


def press(page: Page, button: str) -> None:
    page.get_by_role("button", name=button, exact=True).click()


def agree(page: Page, person: Person) -> None:
    """On the provider's pages."""
    page.get_by_label("E-mail address or username").fill(person.username)
    page.get_by_label("Password").fill(PASSWORD)
    press(page, "Sign in")
    press(page, "Allow")


def user(page: Page) -> dict[str, Any]:
    """What the program knows of its user, once it knows one."""
    expect(page.locator("#user")).to_contain_text("token")
    known: dict[str, Any] = json.loads(page.locator("#user").inner_text())
    return known


def enter(page: Page, site: str, person: Person) -> dict[str, Any]:
    press(page, "Sign in")
    agree(page, person)
    page.wait_for_url(f"{site}/")
    return user(page)


def userinfo(world: World, token: str) -> httpx.Response:
    return call(world.url, "/oauth2/userinfo", token)


def test_the_page_learns_who_its_user_is(site: str, page: Page, ada: Person) -> None:
    known = enter(page, site, ada)

    claims = ("sub", "name", "preferred_username", "email", "email_verified")
    email = f"{ada.username}@example.org"
    assert [known[claim] for claim in claims] == [ada.id, ada.name, ada.username, email, False]


def test_tokens_are_refreshed_and_revoked(world: World, site: str, page: Page, ada: Person) -> None:
    first = enter(page, site, ada)["token"]

    press(page, "Refresh")
    expect(page.locator("#user")).not_to_contain_text(first)
    fresh = user(page)

    assert fresh["sub"] == ada.id
    assert userinfo(world, fresh["token"]).json()["sub"] == ada.id

    with page.expect_response("**/oauth2/revoke"):
        press(page, "Revoke")
    expect(page.locator("#problem")).to_have_text("")
    assert userinfo(world, fresh["token"]).status_code == 401


def test_signing_out_ends_the_sign_in_here_and_there(
    world: World, site: str, page: Page, ada: Person
) -> None:
    token = enter(page, site, ada)["token"]

    press(page, "Sign out")

    expect(page.locator("#user")).to_have_text("nobody")
    assert page.url.startswith(f"{site}/")
    assert userinfo(world, token).status_code == 401
    press(page, "Sign in")
    expect(page.get_by_label("Password")).to_be_visible()


def test_a_session_that_the_user_ended_is_noticed_at_the_next_refresh(
    site: str, page: Page, ada: Person
) -> None:
    enter(page, site, ada)
    ada.api("DELETE", "/v1/auth/sessions")

    press(page, "Refresh")

    expect(page.locator("#problem")).not_to_be_empty()


def tampered(page: Page, path: str, **query: str) -> None:
    """Send the browser on with other values than it was given, once."""
    page.route(
        f"**{path}?*",
        lambda route: route.fulfill(
            status=303, headers={"Location": changed(route.request.url, **query)}
        ),
        times=1,
    )


def test_a_code_that_was_asked_for_with_another_nonce_is_refused(
    site: str, page: Page, ada: Person
) -> None:
    tampered(page, "/oauth2/authorize", nonce="another")

    press(page, "Sign in")
    agree(page, ada)

    expect(page.locator("#problem")).to_contain_text("nonce")
    expect(page.locator("#user")).to_have_text("nobody")


def test_an_answer_that_the_page_did_not_ask_for_is_refused(
    world: World, site: str, page: Page, ada: Person
) -> None:
    """As when somebody else's answer is slipped to the user."""
    others = world.new_page()
    others.goto(site)
    answers: list[str] = []
    others.on("request", lambda request: answers.append(request.url))
    enter(others, site, ada)
    (back,) = [url for url in answers if url.startswith(f"{site}/?")]

    page.goto(back)

    expect(page.locator("#problem")).to_contain_text("state")
    expect(page.locator("#user")).to_have_text("nobody")
