"""Many people at one address, one of them an attacker. The limits are as small as possible."""

import json
import secrets
from collections.abc import Iterator

import httpx
import pytest

from tests.client import PASSWORD
from tests.cloud import Cloud
from tests.e2e.oauth.oauth import Browser, Page, Program, asking, call, post, registered, trade

PAGES = 30
SMALL = {
    "guess": {"address": [2, 900]},
    "page": {"address": [PAGES, 900]},
    "refresh": {"address": [2, 900]},
    "login": {"address": [2, 900]},
    "passkey-answer": {"address": [2, 900]},
    "google": {"address": [2, 900]},
    "sign-in": {"user": [8, 900]},
    "chats": {"user": [3, 900]},
}


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    state = tmp_path_factory.mktemp("neighbours")
    with Cloud(state, "--messages", "postgres", RATE_LIMITS=json.dumps(SMALL)) as cloud:
        yield cloud


class Neighbour:
    """Somebody who lives at the same address."""

    def __init__(self, cloud: Cloud) -> None:
        self.url = cloud.http_url
        self.username = f"ana_{secrets.token_hex(5)}"
        self.key = secrets.token_urlsafe(24)
        account = {
            "email": f"{self.username}@example.org",
            "username": self.username,
            "password": PASSWORD,
            "display_name": "Ana",
            "device_key": self.key,
        }
        self.tokens = self.post("/v1/auth/register", account).json()

    def post(self, path: str, body: object) -> httpx.Response:
        return httpx.post(self.url + path, json=body, timeout=40)

    def refresh(self) -> httpx.Response:
        answer = self.post("/v1/auth/refresh", {"refresh_token": self.tokens["refresh_token"]})
        self.tokens = answer.json()
        return answer

    def login(self) -> httpx.Response:
        given = {"login": self.username, "password": PASSWORD, "device_key": self.key}
        return self.post("/v1/auth/login", given)


@pytest.fixture(scope="module")
def ana(cloud: Cloud) -> Neighbour:
    return Neighbour(cloud)


@pytest.fixture(scope="module")
def program(cloud: Cloud) -> Program:
    return registered(cloud)


def made_up() -> str:
    return f"01a20000-0000-7000-8000-{secrets.token_hex(6)}"


def attack(ana: Neighbour, program: Program) -> None:
    """Until every bucket of the address that a stranger can reach is empty."""
    url = ana.url
    wrong = Program(program.id, "wrong")
    forged = f"{made_up()}.{'0' * 64}"
    last: dict[str, httpx.Response] = {}
    for _ in range(4):
        last["client"] = httpx.get(f"{url}/oauth2/authorize?client_id={made_up()}")
        last["secret"] = post(url, "/oauth2/introspect", wrong, token="x")
        last["grant"] = post(
            url, "/oauth2/token", wrong, grant_type="refresh_token", refresh_token=forged
        )
        last["refresh"] = ana.post("/v1/auth/refresh", {"refresh_token": forged})
        guess = {"login": f"nobody_{made_up()[-6:]}", "password": "wrong"}
        last["login"] = ana.post("/v1/auth/login", guess)
    assert {name: answer.status_code for name, answer in last.items()} == dict.fromkeys(last, 429)
    for name in ("secret", "grant"):
        assert last[name].json()["error"] == "temporarily_unavailable"
        assert int(last[name].headers["retry-after"]) > 0
    assert "text/html" in last["client"].headers["content-type"]


def page_of(browser: Browser, program: Program, ana: Neighbour) -> Page:
    """Where Ana is asked whether a program may, signed in."""
    page = browser.visit(asking(ana.url, program, prompt="consent"))
    if page.title.startswith("Sign in"):
        page = browser.submit(page, "sign_in", login=ana.username, password=PASSWORD)
    assert page.title.startswith("Allow"), page.text
    return page


def use_up_pages(ana: Neighbour, program: Program) -> None:
    """Until a new browser gets no sign-in page."""
    pages = [Browser(ana.url).visit(asking(ana.url, program)) for _ in range(PAGES + 1)]
    assert pages[-1].status == 429


def test_a_program_without_scopes_limits_its_user_not(cloud: Cloud) -> None:
    cy, program = Neighbour(cloud), registered(cloud)
    browser = Browser(cy.url)
    page = browser.visit(asking(cy.url, program, scope="openid"))
    page = browser.submit(page, "sign_in", login=cy.username, password=PASSWORD)
    code = browser.submit(page, "allow").back["code"]
    token = trade(cy.url, program, code).json()["access_token"]

    answers = [call(cy.url, "/v1/chats", token, "POST").status_code for _ in range(4)]

    assert answers == [403, 403, 403, 429]
    own = call(cy.url, "/v1/chats", cy.tokens["access_token"], "POST")
    assert own.status_code == 400  # it has no body


def test_strangers_at_an_address_do_not_use_up_the_limits_of_others(
    cloud: Cloud, ana: Neighbour, program: Program
) -> None:
    public = registered(cloud, confidential=False)
    browser = Browser(ana.url)
    page_of(browser, program, ana)

    attack(ana, program)

    assert ana.refresh().status_code == 200
    assert call(ana.url, "/v1/users/me", ana.tokens["access_token"]).status_code == 200
    assert ana.login().status_code == 200  # on a device that the account knows
    assert Browser(ana.url).visit(asking(ana.url, program)).status == 200
    use_up_pages(ana, program)
    browser.http.cookies.delete("parley-sign-in")  # signed in before, and not any more
    for one in (program, public):
        code = browser.submit(page_of(browser, one, ana), "allow").back["code"]
        token = trade(ana.url, one, code).json()["refresh_token"]
        form = {"grant_type": "refresh_token", "refresh_token": token}
        tokens = post(ana.url, "/oauth2/token", one, **form).json()
        told = post(ana.url, "/oauth2/introspect", program, token=tokens["access_token"])
        assert (told.status_code, told.json()["active"]) == (200, one is program)
        answer = post(ana.url, "/oauth2/revoke", one, token=tokens["refresh_token"])
        assert answer.status_code == 200


def test_a_program_with_bad_requests_slows_nobody(cloud: Cloud, ana: Neighbour) -> None:
    noisy = registered(cloud)
    for _ in range(101):
        form = {"grant_type": "refresh_token", "refresh_token": f"{made_up()}.{'0' * 64}"}
        assert post(ana.url, "/oauth2/token", noisy, **form).status_code == 400

    assert ana.refresh().status_code == 200


def test_a_session_id_ends_no_session(ana: Neighbour) -> None:
    for secret in ("0" * 64, secrets.token_hex(32)):
        guess = {"refresh_token": f"{ana.tokens['session_id']}.{secret}"}
        assert ana.post("/v1/auth/refresh", guess).status_code in (401, 429)

    assert call(ana.url, "/v1/users/me", ana.tokens["access_token"]).status_code == 200
    assert ana.refresh().status_code == 200


def test_right_logins_have_a_limit_as_well(cloud: Cloud) -> None:
    bo = Neighbour(cloud)
    answers = [bo.login() for _ in range(10)]

    assert [answer.status_code for answer in answers] == [200] * 8 + [429] * 2
    assert bo.refresh().status_code == 200
