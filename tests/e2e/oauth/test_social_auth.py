"""social-auth, in a Django site."""

import subprocess
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from local.bootstrap import STATE
from local.servers.ports import free_port
from tests.client import User
from tests.cloud import ROOT, Cloud
from tests.e2e.oauth.oauth import Browser, Page, call
from tests.e2e.oauth.sites import changed, follow, site_of

PYTHON = STATE / "clients-venv/bin/python"
READY_WITHIN = 60.0


@pytest.fixture(scope="module", params=[True, False], ids=["with PKCE", "without"])
def site(
    request: pytest.FixtureRequest, cloud: Cloud, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    program = site_of(cloud, url, "/complete/oidc/", require_pkce=request.param)
    given = [str(port), cloud.http_url, program.id, str(program.secret)]
    given += ["--pkce"] if request.param else []
    log = tmp_path_factory.mktemp("site") / "log"
    with (
        log.open("w") as output,
        subprocess.Popen(
            [str(PYTHON), str(ROOT / "tests/clients/site.py"), *given],
            stdout=output,
            stderr=subprocess.STDOUT,
        ) as process,
    ):
        try:
            deadline = time.monotonic() + READY_WITHIN
            while not answers(f"{url}/open"):
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < deadline, log.read_text()
                time.sleep(0.05)
            asked = httpx.post(f"{url}/login/oidc/").headers["location"]
            assert ("code_challenge=" in asked) == request.param
            yield url
        finally:
            process.terminate()


def answers(url: str) -> bool:
    try:
        return httpx.get(url).is_success
    except httpx.TransportError:
        return False


def sent_to(browser: Browser, site: str) -> str:
    """The address of the site's sign-in button."""
    return str(Page(browser.http.post(f"{site}/login/oidc/")).location)


def enter(browser: Browser, site: str, user: User) -> dict[str, Any]:
    """What the site knows about a user who has signed in."""
    page = follow(browser, browser.agree(sent_to(browser, site), user))
    known: dict[str, Any] = page.response.json()
    return known


def signed_in(browser: Browser, site: str) -> bool:
    return browser.visit(f"{site}/").status == 200


def refused(browser: Browser, site: str, back: str) -> bool:
    """Whether the site refuses an answer, and still does not know the browser's user."""
    return browser.visit(back).status >= 400 and not signed_in(browser, site)


def test_the_site_learns_who_its_visitor_is(site: str, browser: Browser, ana: User) -> None:
    known = enter(browser, site, ana)

    assert known.pop("access_token")
    assert known == {
        "sub": ana.id,
        "username": ana.username,
        "name": "Ana",
        "email": ana.signed_in["user"]["email"],
    }


def test_access_tokens_are_refreshed(site: str, cloud: Cloud, browser: Browser, ana: User) -> None:
    first = enter(browser, site, ana)

    fresh = [follow(browser, browser.visit(f"{site}/refresh")).response.json() for _ in range(2)]

    tokens = [each["access_token"] for each in (first, *fresh)]
    assert len(set(tokens)) == 3
    assert call(cloud.http_url, "/oauth2/userinfo", tokens[-1]).json()["sub"] == ana.id


def test_signing_out_ends_both_sign_ins(
    site: str, cloud: Cloud, browser: Browser, ana: User
) -> None:
    token = enter(browser, site, ana)["access_token"]

    page = follow(browser, browser.visit(f"{site}/sign-out"))

    assert page.response.url == f"{site}/open"
    assert not signed_in(browser, site)
    assert call(cloud.http_url, "/oauth2/userinfo", token).status_code == 401
    assert browser.visit(sent_to(browser, site)).title.startswith("Sign in")


def test_a_session_that_the_user_ended_is_noticed_at_the_next_refresh(
    site: str, browser: Browser, ana: User
) -> None:
    enter(browser, site, ana)
    ended = call(browser.url, "/v1/auth/sessions", ana.signed_in["access_token"], "DELETE")
    assert ended.is_success

    assert browser.visit(f"{site}/refresh").status == 403
    assert not signed_in(browser, site)


def test_an_answer_to_another_browser_is_refused(site: str, browser: Browser, ana: User) -> None:
    other = Browser(browser.url)
    back = other.agree(sent_to(other, site), ana)
    other.http.close()

    assert refused(browser, site, back.location)


def test_a_code_with_another_nonce_is_refused(site: str, browser: Browser, ana: User) -> None:
    url = changed(sent_to(browser, site), nonce="another")

    assert refused(browser, site, browser.agree(url, ana).location)
