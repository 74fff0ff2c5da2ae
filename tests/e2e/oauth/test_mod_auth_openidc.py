"""mod_auth_openidc, in front of an application that does not know OpenID Connect."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode, urlsplit

import httpx
import pytest

from local.servers.ports import free_port
from tests.client import User
from tests.cloud import Cloud
from tests.e2e.oauth.apache import apache
from tests.e2e.oauth.oauth import Browser, call
from tests.e2e.oauth.sites import changed, enter, follow, site_of


@pytest.fixture(scope="module", params=[True, False], ids=["with PKCE", "without"])
def site(
    request: pytest.FixtureRequest, cloud: Cloud, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    program = site_of(cloud, url, "/signed-in", require_pkce=request.param)
    folder = tmp_path_factory.mktemp("apache")
    with apache(cloud.http_url, program, port, folder, pkce=request.param):
        asked = httpx.get(f"{url}/").headers["location"]
        assert ("code_challenge=" in asked) == request.param
        yield url


def userinfo(cloud: Cloud, token: str) -> httpx.Response:
    return call(cloud.http_url, "/oauth2/userinfo", token)


def refused(browser: Browser, site: str, back: str) -> bool:
    """Whether the site refuses an answer, and still does not know the browser's user. Older
    versions of the module show their error with status 200."""
    page = follow(browser, browser.visit(back))
    at_home = urlsplit(str(page.response.url)).path == "/signed-in" and "rror" in page.text
    return (page.status >= 400 or at_home) and browser.visit(f"{site}/").status == 302


def test_the_application_learns_who_its_visitor_is(site: str, browser: Browser, ana: User) -> None:
    browser.http.headers["OIDC_CLAIM_sub"] = "somebody else"

    page = enter(browser, f"{site}/board", ana)

    told: dict[str, Any] = page.response.json()
    assert page.response.url == f"{site}/board"
    assert told["oidc_claim_sub"] == ana.id
    assert told["oidc_claim_name"] == "Ana"
    assert told["oidc_claim_preferred_username"] == ana.username
    assert told["oidc_claim_email"] == ana.signed_in["user"]["email"]
    assert told["oidc_claim_email_verified"] == "0"


def test_access_tokens_are_refreshed(site: str, cloud: Cloud, browser: Browser, ana: User) -> None:
    first = enter(browser, f"{site}/", ana).response.json()["oidc_access_token"]

    fresh = [browser.visit(f"{site}/fresh").response.json() for _ in range(2)]

    tokens = [first, *(each["oidc_access_token"] for each in fresh)]
    assert len(set(tokens)) == 3
    assert [each["oidc_claim_sub"] for each in fresh] == [ana.id] * 2
    assert userinfo(cloud, tokens[-1]).json()["sub"] == ana.id


def test_signing_out_ends_both_sign_ins(
    site: str, cloud: Cloud, browser: Browser, ana: User
) -> None:
    token = enter(browser, f"{site}/", ana).response.json()["oidc_access_token"]

    page = follow(browser, browser.visit(f"{site}/signed-in?logout={site}/open"))

    assert page.response.url == f"{site}/open"
    assert "oidc_claim_sub" not in page.response.json()
    assert userinfo(cloud, token).status_code == 401
    asked = browser.visit(browser.visit(f"{site}/").location)
    assert asked.title.startswith("Sign in")


def test_a_session_that_the_user_ended_is_noticed_at_the_next_refresh(
    site: str, browser: Browser, ana: User
) -> None:
    token = enter(browser, f"{site}/", ana).response.json()["oidc_access_token"]
    ended = call(browser.url, "/v1/auth/sessions", ana.signed_in["access_token"], "DELETE")
    assert ended.is_success

    asking = urlencode({"refresh": f"{site}/open", "access_token": token})
    asked = browser.visit(f"{site}/signed-in?{asking}")

    assert asked.location == f"{site}/open?error_code=refresh_failed"


def test_an_answer_to_another_browser_is_refused(site: str, browser: Browser, ana: User) -> None:
    other = Browser(browser.url)
    back = other.agree(other.visit(f"{site}/").location, ana)
    other.http.close()

    assert refused(browser, site, back.location)


def test_an_answer_of_another_issuer_is_refused(site: str, browser: Browser, ana: User) -> None:
    back = browser.agree(browser.visit(f"{site}/").location, ana)

    assert refused(browser, site, changed(back.location, iss="https://other.example"))


def test_a_code_with_another_nonce_is_refused(site: str, browser: Browser, ana: User) -> None:
    url = browser.visit(f"{site}/").location

    assert refused(browser, site, browser.agree(changed(url, nonce="another"), ana).location)
