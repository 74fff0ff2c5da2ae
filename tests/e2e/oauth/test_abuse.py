"""Codes and requests under attack: what is refused, and what stays valid."""

import pytest

from tests.client import User
from tests.cloud import Cloud
from tests.e2e.oauth.oauth import (
    CALLBACK,
    CHALLENGE,
    VERIFIER,
    Browser,
    Program,
    asking,
    call,
    code_for,
    granted,
    post,
    refused,
    registered,
    trade,
)

EVIL = "https://evil.example/"


class TestCodes:
    def test_a_second_use_of_a_code_ends_the_session(
        self, browser: Browser, program: Program, ana: User
    ) -> None:
        code = code_for(browser, program, ana)
        tokens = trade(browser.url, program, code).json()

        refused(trade(browser.url, program, code), "invalid_grant")

        assert call(browser.url, "/v1/chats", tokens["access_token"]).status_code == 401
        form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
        refused(post(browser.url, "/oauth2/token", program, **form), "invalid_grant")

    @pytest.mark.parametrize(
        ("changes", "error"),
        [
            ({"code_verifier": "x" * 43}, "invalid_grant"),
            ({"code_verifier": CHALLENGE}, "invalid_grant"),
            ({"code_verifier": "short"}, "invalid_request"),
            ({"code_verifier": VERIFIER + "é"}, "invalid_request"),
            ({"code_verifier": ""}, "invalid_request"),
            ({"redirect_uri": EVIL}, "invalid_grant"),
            ({"redirect_uri": ""}, "invalid_grant"),
            ({"code": ""}, "invalid_request"),
            ({"code": "made up"}, "invalid_grant"),
        ],
    )
    def test_a_code_needs_its_verifier_and_its_address_and_can_be_tried_once(
        self,
        browser: Browser,
        program: Program,
        ana: User,
        changes: dict[str, str],
        error: str,
    ) -> None:
        code = code_for(browser, program, ana)

        refused(trade(browser.url, program, code, **changes), error)

        if "code" not in changes:
            refused(trade(browser.url, program, code), "invalid_grant")

    def test_a_code_is_for_the_program_that_asked(
        self, browser: Browser, cloud: Cloud, program: Program, ana: User
    ) -> None:
        other = registered(cloud)

        code = code_for(browser, program, ana)

        refused(trade(browser.url, other, code), "invalid_grant")

        tokens = trade(browser.url, program, code).json()
        refused(trade(browser.url, other, code), "invalid_grant")
        assert call(browser.url, "/v1/chats", tokens["access_token"]).status_code == 200

    def test_a_leaked_code_without_its_verifier_ends_nothing(
        self, browser: Browser, program: Program, ana: User
    ) -> None:
        code = code_for(browser, program, ana)
        tokens = trade(browser.url, program, code).json()

        refused(trade(browser.url, program, code, code_verifier="x" * 43), "invalid_grant")

        assert call(browser.url, "/v1/chats", tokens["access_token"]).status_code == 200

    def test_a_code_ends_when_the_user_signs_out_of_the_page(
        self, browser: Browser, program: Program, ana: User
    ) -> None:
        code = code_for(browser, program, ana)
        browser.submit(browser.get("/oauth2/logout"), "sign_out")

        refused(trade(browser.url, program, code), "invalid_grant")


class TestRequests:
    @pytest.mark.parametrize(
        "changes",
        [
            {"redirect_uri": EVIL},
            {"redirect_uri": CALLBACK + "&more=1"},
            {"redirect_uri": CALLBACK.split("?")[0]},
            {"redirect_uri": CALLBACK.replace("https", "http")},
            {"redirect_uri": CALLBACK.replace("program.example", "program.example.evil.example")},
            {"redirect_uri": CALLBACK.replace("program.example", "program.example@evil.example")},
            {"redirect_uri": CALLBACK.upper()},
            {"redirect_uri": 'x"\r\nSet-Cookie: a=b'},
            {"redirect_uri": None},
            {"client_id": None},
            {"client_id": "nobody"},
            {"client_id": "00000000-0000-7000-8000-0000000000ff"},
            {"state": "x" * 5000},
        ],
    )
    def test_nobody_is_sent_to_an_address_that_is_not_registered(
        self, browser: Browser, program: Program, changes: dict[str, str | None]
    ) -> None:
        page = browser.visit(asking(browser.url, program, **changes))

        assert (page.status, page.location) == (400, "")
        assert page.title == "This did not work"
        assert "evil" not in page.text

    def test_nobody_is_sent_on_if_a_parameter_comes_twice(
        self, browser: Browser, program: Program
    ) -> None:
        page = browser.visit(asking(browser.url, program) + "&state=again")

        assert (page.status, page.location) == (400, "")

    @pytest.mark.parametrize(
        ("changes", "error"),
        [
            ({"code_challenge": None}, "invalid_request"),
            ({"code_challenge": None, "code_challenge_method": None}, "invalid_request"),
            ({"code_challenge_method": None}, "invalid_request"),
            ({"code_challenge_method": "plain"}, "invalid_request"),
            ({"code_challenge": "short"}, "invalid_request"),
            ({"code_challenge": CHALLENGE + "\n"}, "invalid_request"),
            ({"response_type": "token"}, "unsupported_response_type"),
            ({"response_type": 'x"\\é'}, "unsupported_response_type"),
            ({"response_type": None}, "invalid_request"),
            ({"response_mode": "fragment"}, "invalid_request"),
            ({"scope": "account"}, "invalid_scope"),
            ({"scope": "phone admin.users"}, "invalid_scope"),
            ({"scope": "offline_access"}, "invalid_scope"),
            ({"scope": "authorize"}, "invalid_scope"),
            ({"scope": "tokens.introspect"}, "invalid_scope"),
            ({"scope": None}, "invalid_scope"),
            ({"prompt": "none login"}, "invalid_request"),
            ({"prompt": "shout"}, "invalid_request"),
            ({"max_age": "-1"}, "invalid_request"),
            ({"request": "e30.e30."}, "request_not_supported"),
            ({"request_uri": EVIL}, "request_uri_not_supported"),
        ],
    )
    def test_a_refusal_goes_to_the_program_with_the_issuer(
        self,
        browser: Browser,
        program: Program,
        changes: dict[str, str | None],
        error: str,
    ) -> None:
        page = browser.visit(asking(browser.url, program, **changes))

        assert page.status == 303
        assert page.location.startswith(CALLBACK + "&")
        assert (page.back["error"], page.back["state"]) == (error, "st&te")
        assert page.back["iss"] == browser.url

    def test_a_program_gets_no_more_than_it_is_registered_for(
        self, browser: Browser, cloud: Cloud, ana: User
    ) -> None:
        small = registered(cloud, scopes=["openid"])
        asked = "openid chats.read phone offline_access"

        page = browser.sign_in(browser.visit(asking(browser.url, small, scope=asked)), ana)
        assert "read your chats" not in page.text
        code = browser.submit(page, "allow").back["code"]
        tokens = trade(browser.url, small, code).json()

        assert tokens["scope"] == "offline_access openid"
        form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
        again = post(browser.url, "/oauth2/token", small, **form, scope=asked)
        assert again.json()["scope"] == "offline_access openid"
        for token in (tokens["access_token"], again.json()["access_token"]):
            assert call(browser.url, "/v1/chats", token).status_code == 403

    def test_a_refresh_gets_no_more_than_the_user_agreed_to(
        self, browser: Browser, program: Program, ana: User
    ) -> None:
        tokens = granted(browser, program, ana, scope="openid")

        form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
        answer = post(browser.url, "/oauth2/token", program, **form, scope="openid chats.read")
        refused(answer, "invalid_scope")

    def test_prompt_none_never_shows_a_page(
        self, browser: Browser, program: Program, ana: User
    ) -> None:
        silent = asking(browser.url, program, prompt="none")
        assert browser.visit(silent).back["error"] == "login_required"

        code_for(browser, program, ana)

        assert browser.visit(silent).back["code"]
        assert browser.visit(f"{silent}+consent").back["error"] == "invalid_request"

    def test_a_loopback_address_without_a_port_matches_all_ports_but_no_other_host(
        self, browser: Browser, cloud: Cloud
    ) -> None:
        local = ["http://127.0.0.1/back", "http://[::1]:4444/back", "com.example.app:/back"]
        local.append("http://localhost/desk")
        program = registered(cloud, redirect_uris=local, confidential=False)

        def status(uri: str) -> int:
            return browser.visit(asking(browser.url, program, redirect_uri=uri)).status

        for good in (*local, "http://127.0.0.1:51234/back", "http://localhost:51234/desk"):
            assert status(good) == 200
        for bad in (
            *("http://127.0.0.1:51234/other", "http://localhost:51234/back"),
            *("http://127.0.0.1:1@evil.example/back", "http://[::1]:4445/back"),
            *("http://127.0.0.1:x/back", "http://[::1", "com.example.app:/other"),
        ):
            assert status(bad) == 400
