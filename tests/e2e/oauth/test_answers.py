"""Requests by GET and by POST, and how their answers go back, in the local cloud."""

import html
import re
from urllib.parse import parse_qsl, urlsplit

import pytest

from tests.client import User
from tests.cloud import Cloud
from tests.e2e.oauth.oauth import Browser, Page, Program, asking, registered, trade

BACK = "https://program.example/cb?x=%E4%F6&flag"
BYE = "https://program.example/bye?x=%E4%F6&flag"
STATE = "".join(chr(one) for one in range(0x20, 0x7F))


@pytest.fixture
def program(cloud: Cloud) -> Program:
    return registered(cloud, redirect_uris=[BACK], post_logout_redirect_uris=[BYE])


def posted(page: Page) -> tuple[str, dict[str, str]]:
    """The address and the fields of a page's form."""
    assert page.status == 200
    action = re.search('<form method="post" action="(.*?)">', page.text)
    assert action
    fields = re.findall('<input type="hidden" name="(.*?)" value="(.*?)">', page.text)
    return html.unescape(action[1]), {name: html.unescape(value) for name, value in fields}


def by_form(browser: Browser, url: str) -> Page:
    """Send a form like one on the program's page: without our cookies."""
    path, _, query = url.partition("?")
    return Page(Browser(browser.url).http.post(path, data=dict(parse_qsl(query))))


def test_the_query_of_the_redirect_uri_and_the_state_come_back_unchanged(
    browser: Browser, program: Program, ana: User
) -> None:
    url = asking(browser.url, program, redirect_uri=BACK, state=STATE)

    refused = browser.visit(f"{url}&prompt=none")
    allowed = browser.agree(url, ana)

    for back in (refused, allowed):
        assert back.location.startswith(f"{BACK}&")
        assert dict(parse_qsl(urlsplit(back.location).query))["state"] == STATE
    tokens = trade(browser.url, program, allowed.back["code"], redirect_uri=BACK).json()
    gone = browser.get(
        "/oauth2/logout",
        id_token_hint=tokens["id_token"],
        post_logout_redirect_uri=BYE,
        state="s&t",
    )
    assert gone.location == f"{BYE}&state=s%26t"


def test_an_answer_by_form_has_the_code(browser: Browser, program: Program, ana: User) -> None:
    url = asking(browser.url, program, redirect_uri=BACK, response_mode="form_post", state=STATE)

    uri, answer = posted(browser.agree(url, ana))

    assert (uri, answer["state"], answer["iss"]) == (BACK, STATE, browser.url)
    assert trade(browser.url, program, answer["code"], redirect_uri=BACK).status_code == 200


def test_a_request_by_form_finds_the_user_signed_in(
    browser: Browser, program: Program, ana: User
) -> None:
    url = asking(browser.url, program, redirect_uri=BACK, state=STATE)
    browser.agree(url, ana)

    sent_on = by_form(browser, url)

    assert sent_on.status == 303
    back = browser.visit(sent_on.location).back
    assert back["code"]
    assert back["state"] == STATE


def test_signing_out_by_form_ends_the_sign_in_of_the_page_too(
    browser: Browser, program: Program, ana: User
) -> None:
    url = asking(browser.url, program, redirect_uri=BACK)
    code = browser.agree(url, ana).back["code"]
    tokens = trade(browser.url, program, code, redirect_uri=BACK).json()
    logout = f"{browser.url}/oauth2/logout?id_token_hint={tokens['id_token']}"

    browser.visit(by_form(browser, logout).location)

    assert browser.visit(url).title.startswith("Sign in")
