"""Programs under attack: stolen secrets, other programs' tokens, unregistered scopes."""

from typing import Any

import httpx
import pytest

from tests.client import User
from tests.cloud import Cloud
from tests.e2e.conftest import People, Run
from tests.e2e.oauth.oauth import (
    VERIFIER,
    Browser,
    Program,
    call,
    code_for,
    granted,
    post,
    refused,
    registered,
    trade,
)


class TestPrograms:
    @pytest.mark.parametrize("path", ["token", "revoke", "introspect"])
    def test_a_confidential_one_needs_its_secret(
        self, browser: Browser, program: Program, path: str
    ) -> None:
        form = {"grant_type": "client_credentials", "token": "x"}
        url = f"{browser.url}/oauth2/{path}"
        garbled = {"Authorization": "Basic /w=="}
        nobody = "00000000-0000-7000-8000-0000000000ff"

        for answer in (
            httpx.post(url, data=form, auth=(program.id, "wrong")),
            httpx.post(url, data=form, auth=(nobody, "wrong")),
            httpx.post(url, data=form, auth=("nobody", "")),
            httpx.post(url, data=form, headers=garbled),
            httpx.post(url, data=form, headers=[(b"Authorization", b"Basic \xff")]),
            httpx.post(url, data={**form, "client_id": program.id}),
            httpx.post(url, data={**form, "client_id": program.id, "client_secret": "wrong"}),
        ):
            assert answer.json()["error"] == "invalid_client", answer.text
            assert answer.status_code == 401
            assert answer.headers["www-authenticate"].startswith("Basic")

    def test_a_program_authenticates_in_one_way(
        self, browser: Browser, cloud: Cloud, program: Program
    ) -> None:
        url = f"{browser.url}/oauth2/introspect"
        both = {"token": "x", "client_secret": program.secret or ""}
        two = {"token": "x", "client_id": registered(cloud).id}

        refused(httpx.post(url, data=both, auth=program.auth), "invalid_request")
        refused(httpx.post(url, data=two, auth=program.auth), "invalid_request")
        twice = b"token=x&token=y"
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        answer = httpx.post(url, content=twice, headers=form, auth=program.auth)
        refused(answer, "invalid_request")

    def test_a_public_program_cannot_introspect_or_act_in_its_own_name(
        self, browser: Browser, cloud: Cloud, ana: User
    ) -> None:
        public = registered(cloud, confidential=False)
        token = granted(browser, public, ana)["access_token"]

        answer = post(browser.url, "/oauth2/introspect", public, token=token)
        refused(answer, "invalid_client", 401)
        answer = post(browser.url, "/oauth2/token", public, grant_type="client_credentials")
        refused(answer, "invalid_client", 401)
        secret = {"client_secret": "made up", "grant_type": "client_credentials"}
        refused(post(browser.url, "/oauth2/token", public, **secret), "invalid_client", 401)

    def test_no_program_refreshes_or_revokes_tokens_of_another(
        self, browser: Browser, cloud: Cloud, program: Program, ana: User
    ) -> None:
        other = registered(cloud)
        tokens = granted(browser, program, ana)
        form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}

        refused(post(browser.url, "/oauth2/token", other, **form), "invalid_grant")
        answer = post(browser.url, "/oauth2/revoke", other, token=tokens["refresh_token"])
        refused(answer, "invalid_grant")
        answer = post(browser.url, "/oauth2/revoke", other, token=ana.token or "")
        refused(answer, "invalid_grant")

        assert call(browser.url, "/v1/chats", tokens["access_token"]).status_code == 200
        assert post(browser.url, "/oauth2/token", program, **form).status_code == 200

    def test_refresh_tokens_of_our_own_clients_and_of_programs_do_not_mix(
        self, run: Run, browser: Browser, program: Program, ana: User
    ) -> None:
        ours, theirs = ana.signed_in["refresh_token"], granted(browser, program, ana)

        form = {"grant_type": "refresh_token", "refresh_token": ours}
        refused(post(browser.url, "/oauth2/token", program, **form), "invalid_grant")

        async def scenario(people: People) -> Any:
            token = {"refresh_token": theirs["refresh_token"]}
            assert (await people.anonymous.call("POST /v1/auth/refresh", token)).status == 401
            await people.anonymous.ok("POST /v1/auth/refresh", {"refresh_token": ours})

        run(scenario)
        assert call(browser.url, "/v1/chats", theirs["access_token"]).status_code == 200

    def test_client_credentials_get_no_more_scopes_than_registered(self, cloud: Cloud) -> None:
        service = registered(
            cloud, scopes=["tokens.introspect"], redirect_uris=[], post_logout_redirect_uris=[]
        )
        form = {"grant_type": "client_credentials"}
        url = cloud.http_url

        for scope in ("chats.read", "admin.users", "tokens.introspect account"):
            refused(post(url, "/oauth2/token", service, **form, scope=scope), "invalid_scope")
        answer = post(url, "/oauth2/token", service, grant_type="password")
        refused(answer, "unsupported_grant_type")

    def test_the_sign_in_session_opens_nothing_else(
        self, browser: Browser, program: Program, ana: User
    ) -> None:
        code_for(browser, program, ana)
        token = browser.http.cookies["parley-sign-in"]

        for path in ("/v1/users/me", "/v1/chats", "/v1/auth/sessions", "/oauth2/userinfo"):
            assert call(browser.url, path, token).status_code == 403

    def test_no_secret_reaches_the_log(
        self, cloud: Cloud, browser: Browser, program: Program, ana: User
    ) -> None:
        code = code_for(browser, program, ana)
        tokens = trade(browser.url, program, code).json()

        log = cloud.log() + cloud.worker_log()
        secrets = [code, VERIFIER, program.secret, browser.http.cookies["parley-mark"]]
        secrets += [tokens[name] for name in ("access_token", "refresh_token", "id_token")]
        for secret in secrets:
            assert secret
            assert secret not in log
