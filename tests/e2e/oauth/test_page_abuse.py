"""The provider's pages under attack."""

import base64
import hashlib
import hmac
import json
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest

from tests.client import User
from tests.cloud import Cloud
from tests.e2e.oauth.oauth import (
    CALLBACK,
    GOODBYE,
    Browser,
    Program,
    asking,
    call,
    code_for,
    granted,
    registered,
)

EVIL = "https://evil.example/"


class TestPages:
    def test_no_other_site_can_frame_or_script_them_or_see_their_address(
        self, browser: Browser, program: Program, ana: User
    ) -> None:
        first = browser.visit(asking(browser.url, program))
        pages = [first, browser.sign_in(first, ana), browser.get("/oauth2/logout")]
        pages.append(browser.visit(asking(browser.url, program, redirect_uri=EVIL)))

        for page in pages:
            headers = page.response.headers
            policy = headers["content-security-policy"]
            assert "frame-ancestors 'none'" in policy
            assert "default-src 'none'" in policy
            assert ("script-src 'sha256-" in policy) == (page is first)
            assert page.text.count("<script") == (page is first)
            assert " onclick" not in page.text
            assert "unsafe" not in policy
            assert headers["x-frame-options"] == "DENY"
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["referrer-policy"] == "no-referrer"
            assert headers["cache-control"] == "no-store"
            assert headers["content-type"] == "text/html; charset=utf-8"
            assert "access-control-allow-origin" not in headers
        asked = pages[0].response.headers["content-security-policy"]
        # To the program, and to Google, whose stand-in on this machine speaks HTTP.
        assert "form-action 'self' https: http:;" in asked
        assert "form-action 'self';" in pages[3].response.headers["content-security-policy"]

    def test_cookies_are_out_of_reach_of_scripts_and_of_forms_elsewhere(
        self, browser: Browser, program: Program, ana: User
    ) -> None:
        page = browser.sign_in(browser.visit(asking(browser.url, program)), ana)

        set_cookies = page.response.headers.get_list("set-cookie")
        assert len(set_cookies) == 2
        for one in set_cookies:
            assert "; Path=/; HttpOnly; SameSite=Lax" in one

    @pytest.mark.parametrize("do", ["allow", "deny", "switch", "sign_in"])
    def test_a_form_that_was_made_for_another_browser_does_nothing(
        self, browser: Browser, program: Program, ana: User, do: str
    ) -> None:
        consent = browser.sign_in(browser.visit(asking(browser.url, program)), ana)
        stranger = Browser(browser.url)
        theirs = stranger.visit(asking(browser.url, program))
        login = {"login": ana.username, "password": "x"}
        _, hidden = theirs.form()

        url = asking(browser.url, program)
        for seal in (hidden["seal"], "", "0" * 64, "é"):
            answer = browser.http.post(url, data={**login, "do": do, "seal": seal})
            assert (answer.status_code, answer.headers.get("location")) == (403, None)
        assert browser.submit(consent, "allow").back["code"]

    def test_a_browser_cannot_seal_a_form_itself(
        self, browser: Browser, program: Program, ana: User
    ) -> None:
        """It knows its mark and its sign-in cookie. With a seal it could skip the password."""
        code_for(browser, program, ana)
        url = asking(browser.url, program, prompt="login")
        cookies = {one.name: one.value or "" for one in browser.http.cookies.jar}
        mark = cookies["parley-mark"].partition(".")[0]
        query = sorted(parse_qsl(urlsplit(url).query))
        sealed = "\0".join(["authorize", urlencode(query), cookies["parley-sign-in"]])
        for text in (sealed, f"{mark}\0{sealed}"):
            seal = hmac.new(mark.encode(), text.encode(), hashlib.sha256).hexdigest()
            answer = browser.http.post(url, data={"seal": seal, "do": "allow"})
            assert (answer.status_code, answer.headers.get("location")) == (403, None)

    def test_a_form_that_was_made_for_another_request_does_nothing(
        self, browser: Browser, program: Program, ana: User
    ) -> None:
        consent = browser.sign_in(browser.visit(asking(browser.url, program)), ana)
        _, hidden = consent.form()

        url = asking(browser.url, program, scope="openid chats.read chats.write")
        answer = browser.http.post(url, data={**hidden, "do": "allow"})

        assert (answer.status_code, answer.headers.get("location")) == (403, None)

    def test_signing_out_needs_our_form_or_an_id_token(
        self, browser: Browser, program: Program, ana: User
    ) -> None:
        tokens = granted(browser, program, ana)
        parts = tokens["id_token"].split(".")
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=="))
        nobody = base64.urlsafe_b64encode(json.dumps({**claims, "aud": "x"}).encode()).decode()
        unsigned = base64.urlsafe_b64encode(b'{"alg":"none","typ":"JWT"}').decode().rstrip("=")

        forged = [
            "nonsense",
            tokens["access_token"],
            ".".join([parts[0], nobody.rstrip("="), parts[2]]),
            f"{unsigned}.{parts[1]}.",
        ]
        for hint in forged:
            page = browser.get("/oauth2/logout", id_token_hint=hint)
            assert (page.status, page.title) == (200, "Sign out?")
        answer = browser.http.post(f"{browser.url}/oauth2/logout", data={"seal": "0" * 64})
        assert answer.status_code == 403
        assert call(browser.url, "/v1/chats", tokens["access_token"]).status_code == 200
        page = browser.visit(asking(browser.url, program, prompt="consent"))
        assert page.title.startswith("Allow")

    @pytest.mark.parametrize("uri", [EVIL, GOODBYE + "/more", CALLBACK])
    def test_signing_out_leads_only_to_registered_addresses(
        self, browser: Browser, program: Program, ana: User, uri: str
    ) -> None:
        hint = granted(browser, program, ana)["id_token"]

        page = browser.get("/oauth2/logout", id_token_hint=hint, post_logout_redirect_uri=uri)

        assert (page.status, page.location) == (200, "")
        assert "evil" not in page.response.headers["content-security-policy"]

    def test_an_id_token_of_one_program_does_not_sign_out_of_another(
        self, browser: Browser, cloud: Cloud, program: Program, ana: User
    ) -> None:
        tokens = granted(browser, program, ana)
        other = registered(cloud)

        page = browser.get("/oauth2/logout", id_token_hint=tokens["id_token"], client_id=other.id)

        assert page.status == 400
        assert call(browser.url, "/v1/chats", tokens["access_token"]).status_code == 200
