"""Which consents the provider remembers, and what a program can ask of its page."""

from typing import Any

import pytest

from tests.client import User
from tests.cloud import Cloud
from tests.e2e.conftest import People, Run
from tests.e2e.oauth.oauth import (
    CALLBACK,
    Browser,
    Page,
    Program,
    asking,
    call,
    code_for,
    granted,
    post,
    registered,
    trade,
)

LOOPBACK = "http://127.0.0.1/back"
SCHEME = "com.example.board:/back"


def asked(page: Page) -> list[str]:
    """The scopes that a consent page lists."""
    assert page.title.startswith("Allow"), page.text
    listed: list[str] = page.text.partition("<ul>")[2].partition("</ul>")[0].split("</li>")
    return [one.removeprefix("<li>") for one in listed if one]


@pytest.fixture
def bo(run: Run) -> User:
    async def scenario(people: People) -> User:
        return await people.new("bo")

    made: User = run(scenario)
    return made


class TestRemembering:
    def test_the_same_or_fewer_scopes_are_not_asked_for_twice(
        self, browser: Browser, program: Program, ana: User
    ) -> None:
        code_for(browser, program, ana)

        for scope in ("openid profile email chats.read", "openid chats.read"):
            page = browser.visit(asking(browser.url, program, scope=scope))
            assert page.status == 303
            tokens = trade(browser.url, program, page.back["code"]).json()
            assert set(tokens["scope"].split()) == set(scope.split())

    def test_only_new_scopes_are_asked_for(
        self, browser: Browser, program: Program, ana: User
    ) -> None:
        code_for(browser, program, ana, scope="openid email")
        more = asking(browser.url, program, scope="openid chats.read email")

        page = browser.visit(more)
        assert asked(page) == ["read your chats"]
        assert "see your e-mail address" in page.text

        code = browser.submit(page, "allow").back["code"]
        tokens = trade(browser.url, program, code).json()
        assert set(tokens["scope"].split()) == {"openid", "email", "chats.read"}
        assert browser.visit(more).back["code"]

    def test_a_consent_is_for_one_user_and_one_program(
        self, browser: Browser, program: Program, cloud: Cloud, ana: User, bo: User
    ) -> None:
        code_for(browser, program, ana)

        other = registered(cloud, name="Other")
        assert asked(browser.visit(asking(browser.url, other)))
        fresh = Browser(browser.url)
        assert asked(fresh.sign_in(fresh.visit(asking(browser.url, program)), bo))
        again = Browser(browser.url)
        assert again.sign_in(again.visit(asking(browser.url, program)), ana).back["code"]

    @pytest.mark.parametrize(
        "uri", [LOOPBACK, SCHEME, "http://127.0.0.1:81/back", "https://localhost/back"]
    )
    def test_a_program_that_others_can_pretend_to_be_asks_each_time(
        self, browser: Browser, cloud: Cloud, ana: User, uri: str
    ) -> None:
        given = {"confidential": False, "post_logout_redirect_uris": []}
        program = registered(cloud, redirect_uris=[uri], **given)
        code_for(browser, program, ana, redirect_uri=uri)
        url = asking(browser.url, program, redirect_uri=uri)

        assert len(asked(browser.visit(url))) == 4
        assert browser.visit(f"{url}&prompt=none").back["error"] == "interaction_required"

    @pytest.mark.parametrize(("confidential", "uri"), [(False, CALLBACK), (True, LOOPBACK)])
    def test_a_program_with_a_secret_or_an_https_address_asks_once(
        self, browser: Browser, cloud: Cloud, ana: User, confidential: bool, uri: str
    ) -> None:
        program = registered(cloud, confidential=confidential, redirect_uris=[uri])
        code_for(browser, program, ana, redirect_uri=uri)

        assert browser.visit(asking(browser.url, program, redirect_uri=uri)).back["code"]

    def test_a_refusal_deletes_the_consent(
        self, browser: Browser, program: Program, ana: User
    ) -> None:
        code_for(browser, program, ana)
        page = browser.visit(asking(browser.url, program, prompt="consent"))
        assert len(asked(page)) == 4

        assert browser.submit(page, "deny").back["error"] == "access_denied"

        assert len(asked(browser.visit(asking(browser.url, program)))) == 4


class TestEnding:
    def programs(self, ana: User, browser: Browser) -> list[dict[str, Any]]:
        answer = call(browser.url, "/v1/auth/programs", str(ana.token))
        assert answer.status_code == 200, answer.text
        items: list[dict[str, Any]] = answer.json()["items"]
        return items

    def test_programs_are_listed_and_ended_by_their_user(
        self, browser: Browser, program: Program, ana: User, bo: User
    ) -> None:
        assert self.programs(ana, browser) == []
        tokens = granted(browser, program, ana)
        (listed,) = self.programs(ana, browser)
        assert (listed["client_id"], listed["name"]) == (program.id, "Shoe & Sons <shop>")
        assert listed["permissions"][0] == {"scope": "openid", "text": "know who you are here"}
        path = f"/v1/auth/programs/{program.id}"
        code = browser.visit(asking(browser.url, program)).back["code"]

        assert call(browser.url, path, str(bo.token), "DELETE").status_code == 204
        assert len(self.programs(ana, browser)) == 1
        assert call(browser.url, path, tokens["access_token"], "DELETE").status_code == 403
        for _ in range(2):
            assert call(browser.url, path, str(ana.token), "DELETE").status_code == 204

        assert self.programs(ana, browser) == []
        assert call(browser.url, "/v1/chats", tokens["access_token"]).status_code == 401
        assert trade(browser.url, program, code).json()["error"] == "invalid_grant"
        form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
        assert post(browser.url, "/oauth2/token", program, **form).status_code == 400
        assert asked(browser.visit(asking(browser.url, program)))

    @pytest.mark.parametrize("how", ["its session", "all others"])
    def test_ending_sessions_deletes_consents(
        self, browser: Browser, program: Program, ana: User, how: str
    ) -> None:
        granted(browser, program, ana)
        sessions = call(browser.url, "/v1/auth/sessions", str(ana.token)).json()["items"]
        (its,) = (one["id"] for one in sessions if one["client_id"] == program.id)
        path = f"/v1/auth/sessions/{its}" if how == "its session" else "/v1/auth/sessions"

        assert call(browser.url, path, str(ana.token), "DELETE").status_code == 204

        page = browser.visit(asking(browser.url, program))
        page = browser.sign_in(page, ana) if page.title.startswith("Sign in") else page
        assert len(asked(page)) == 4

    def test_a_program_that_revokes_its_token_keeps_its_consent(
        self, browser: Browser, program: Program, ana: User
    ) -> None:
        tokens = granted(browser, program, ana)

        post(browser.url, "/oauth2/revoke", program, token=tokens["refresh_token"])

        assert browser.visit(asking(browser.url, program)).back["code"]


class TestSilence:
    """prompt=none: a code or an error, never a page."""

    def silent(self, browser: Browser, program: Program, **changes: str | None) -> dict[str, str]:
        page = browser.visit(asking(browser.url, program, **{"prompt": "none", **changes}))
        assert page.status == 303, page.text
        assert page.back["state"] == "st&te"
        assert page.back["iss"] == browser.url
        return page.back

    def test_gets_a_code_of_a_user_who_is_signed_in_and_has_agreed(
        self, browser: Browser, program: Program, ana: User
    ) -> None:
        first = granted(browser, program, ana)

        code = self.silent(browser, program)["code"]

        tokens = trade(browser.url, program, code).json()
        assert tokens["refresh_token"] != first["refresh_token"]
        assert call(browser.url, "/oauth2/userinfo", tokens["access_token"]).json()["sub"] == ana.id

    def test_says_what_is_missing(
        self, browser: Browser, program: Program, cloud: Cloud, ana: User
    ) -> None:
        assert self.silent(browser, program)["error"] == "login_required"
        code_for(browser, program, ana, scope="openid")
        assert self.silent(browser, program)["error"] == "consent_required"
        other = registered(cloud)
        assert self.silent(browser, other, scope="openid")["error"] == "consent_required"
        assert self.silent(browser, program, scope="openid")["code"]

    def test_max_age_holds(self, browser: Browser, program: Program, ana: User) -> None:
        code_for(browser, program, ana)

        assert self.silent(browser, program, max_age="600")["code"]
        assert self.silent(browser, program, max_age="0")["error"] == "login_required"

    def test_no_code_is_about_another_user(
        self, browser: Browser, program: Program, ana: User, bo: User
    ) -> None:
        own = granted(browser, program, ana)["id_token"]
        theirs = granted(Browser(browser.url), program, bo)["id_token"]

        assert self.silent(browser, program, id_token_hint=own)["code"]
        assert self.silent(browser, program, login_hint=f" {ana.username.upper()} ")["code"]
        for hint in (
            {"id_token_hint": theirs},
            {"login_hint": bo.username},
            {"login_hint": ana.signed_in["user"]["email"]},  # claimed, never verified
            {"login_hint": "x" * 300},
            {"login_hint": "a\0b"},
            {"id_token_hint": theirs, "login_hint": ana.username},
            {"id_token_hint": own, "login_hint": bo.username},
        ):
            assert self.silent(browser, program, **hint)["error"] == "login_required", hint


class TestHints:
    @pytest.mark.parametrize("how", ["nonsense", "changed", "another program's", "access token"])
    def test_an_id_token_of_another_program_or_issuer_is_refused(
        self, browser: Browser, program: Program, cloud: Cloud, ana: User, how: str
    ) -> None:
        tokens = granted(browser, program, ana)
        head, claims, signature = tokens["id_token"].split(".")
        hint = {
            "nonsense": "nonsense",
            "changed": f"{head}.{claims}.{signature[:-8]}AAAAAAAA",
            "another program's": "",
            "access token": tokens["access_token"],
        }[how] or granted(browser, registered(cloud), ana)["id_token"]

        for prompt in (None, "none"):
            url = asking(browser.url, program, id_token_hint=hint, prompt=prompt)
            assert browser.visit(url).back["error"] == "invalid_request"

    def test_another_user_who_signs_in_gets_no_code(
        self, browser: Browser, program: Program, ana: User, bo: User
    ) -> None:
        hint = granted(browser, program, ana)["id_token"]
        code_for(browser, program, bo, prompt="login")
        url = asking(browser.url, program, id_token_hint=hint)

        page = browser.visit(url)
        assert page.title.startswith("Sign in")
        page = browser.sign_in(page, bo)
        assert "another account" in page.text
        assert page.title.startswith("Sign in")
        back = browser.sign_in(page, ana).back

        token = trade(browser.url, program, back["code"]).json()["access_token"]
        assert call(browser.url, "/oauth2/userinfo", token).json()["sub"] == ana.id

    def test_another_user_with_the_consent_page_open_gets_no_code(
        self, browser: Browser, program: Program, ana: User, bo: User
    ) -> None:
        """The form has a valid seal, but the hint names another user."""
        hint = granted(Browser(browser.url), program, ana)["id_token"]
        plain = browser.visit(asking(browser.url, program, prompt="consent"))
        page = browser.sign_in(plain, bo)
        action, hidden = page.form()

        answer = browser.http.post(f"{action}&id_token_hint={hint}", data={**hidden, "do": "allow"})

        assert answer.status_code == 403

    def test_a_login_hint_is_filled_in(self, browser: Browser, program: Program, bo: User) -> None:
        page = browser.visit(asking(browser.url, program, login_hint='a"<b>@example.org'))
        assert 'value="a&quot;&lt;b&gt;@example.org"' in page.text

        assert asked(browser.sign_in(page, bo))

    @pytest.mark.parametrize("prompt", ["login", "select_account", "login consent"])
    def test_a_program_can_have_its_user_sign_in_again(
        self, browser: Browser, program: Program, ana: User, prompt: str
    ) -> None:
        code_for(browser, program, ana)

        page = browser.visit(asking(browser.url, program, prompt=prompt))
        assert page.title.startswith("Sign in")
        page = browser.sign_in(page, ana)

        assert bool(page.back.get("code")) == ("consent" not in prompt)
        if "consent" in prompt:
            assert len(asked(page)) == 4

    def test_a_sign_in_session_that_ended_stays_ended(
        self, browser: Browser, program: Program, ana: User
    ) -> None:
        code_for(browser, program, ana)
        hint = granted(browser, program, ana)["id_token"]
        browser.get("/oauth2/logout", id_token_hint=hint)

        back = browser.visit(asking(browser.url, program, prompt="none")).back
        assert back["error"] == "login_required"
