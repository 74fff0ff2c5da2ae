"""How tokens, sessions of programs and sign-ins end, in the local cloud."""

import pytest

from tests.client import PASSWORD, User
from tests.cloud import Cloud
from tests.e2e.conftest import People, Run
from tests.e2e.oauth.oauth import (
    GOODBYE,
    Browser,
    Program,
    asking,
    call,
    code_for,
    granted,
    introspected,
    post,
    refreshed,
    registered,
    trade,
)


def test_a_late_reuse_of_a_refresh_token_ends_the_session(
    browser: Browser, program: Program, ana: User
) -> None:
    first = granted(browser, program, ana)
    second = refreshed(browser, program, first["refresh_token"]).json()
    third = refreshed(browser, program, second["refresh_token"]).json()

    again = refreshed(browser, program, first["refresh_token"])

    assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")
    assert call(browser.url, "/v1/chats", third["access_token"]).status_code == 401
    assert refreshed(browser, program, third["refresh_token"]).status_code == 400


@pytest.mark.parametrize("kind", ["access_token", "refresh_token"])
def test_revoking_either_token_ends_the_session(
    browser: Browser, program: Program, ana: User, kind: str
) -> None:
    tokens = granted(browser, program, ana)

    for _ in range(2):
        answer = post(browser.url, "/oauth2/revoke", program, token=tokens[kind])
        assert answer.status_code == 200

    assert call(browser.url, "/v1/chats", tokens["access_token"]).status_code == 401
    assert refreshed(browser, program, tokens["refresh_token"]).status_code == 400
    assert introspected(browser.url, program, tokens["access_token"]) == {"active": False}


def test_a_programs_own_token_can_be_revoked(cloud: Cloud) -> None:
    service = registered(
        cloud, scopes=["tokens.introspect"], redirect_uris=[], post_logout_redirect_uris=[]
    )
    answer = post(cloud.http_url, "/oauth2/token", service, grant_type="client_credentials").json()

    post(cloud.http_url, "/oauth2/revoke", service, token=answer["access_token"])

    assert introspected(cloud.http_url, service, answer["access_token"]) == {"active": False}


def test_a_user_sees_and_ends_the_sessions_of_programs(
    run: Run, browser: Browser, program: Program, ana: User
) -> None:
    tokens = granted(browser, program, ana)

    async def scenario(people: People) -> None:
        me = User(people.cloud.http_url, people.http, ana.token)
        sessions = (await me.ok("GET /v1/auth/sessions"))["items"]
        (grant,) = [one for one in sessions if one["client_id"] == program.id]
        assert grant["device_name"] == "Shoe & Sons <shop>"
        await me.ok(f"DELETE /v1/auth/sessions/{grant['id']}")

    run(scenario)
    assert call(browser.url, "/v1/chats", tokens["access_token"]).status_code == 401
    assert refreshed(browser, program, tokens["refresh_token"]).status_code == 400


@pytest.mark.parametrize("how", ["suspended", "password changed", "program deleted", "role taken"])
def test_g5_a_session_of_a_program_ends_with_its_cause(
    run: Run, browser: Browser, cloud: Cloud, ana: User, how: str
) -> None:
    program = registered(cloud)
    tokens = granted(browser, program, ana)
    code = code_for(browser, program, ana)

    async def scenario(people: People) -> None:
        admin = await people.staff("admin")
        me = User(people.cloud.http_url, people.http, ana.token)
        change = {"current_password": PASSWORD, "new_password": PASSWORD + "!"}
        user = f"/v1/admin/users/{ana.id}"
        if how == "suspended":
            await admin.ok(f"POST {user}/suspend", {"reason": "Spam"})
        elif how == "role taken":
            await admin.ok(f"DELETE {user}/roles/moderator")
        elif how == "program deleted":
            await admin.ok(f"DELETE /v1/admin/oauth-clients/{program.id}")
        else:
            await me.ok("POST /v1/auth/password", change)

    run(scenario)
    assert call(browser.url, "/v1/chats", tokens["access_token"]).status_code == 401
    assert refreshed(browser, program, tokens["refresh_token"]).status_code in (400, 401)
    assert trade(browser.url, program, code).status_code in (400, 401)


def test_signing_out_by_an_id_token_ends_the_session_and_the_sign_in(
    browser: Browser, program: Program, ana: User
) -> None:
    tokens = granted(browser, program, ana)

    page = browser.get(
        "/oauth2/logout",
        id_token_hint=tokens["id_token"],
        post_logout_redirect_uri=GOODBYE,
        state="s",
    )

    assert (page.status, page.location) == (303, f"{GOODBYE}?state=s")
    assert call(browser.url, "/v1/chats", tokens["access_token"]).status_code == 401
    assert browser.visit(asking(browser.url, program)).title.startswith("Sign in")


def test_signing_out_without_an_id_token_asks_the_user(
    browser: Browser, program: Program, ana: User
) -> None:
    tokens = granted(browser, program, ana)
    asked = {"client_id": program.id, "post_logout_redirect_uri": GOODBYE, "state": "s"}

    page = browser.get("/oauth2/logout", **asked)

    assert (page.status, page.title) == (200, "Sign out?")
    assert browser.visit(asking(browser.url, program)).back["code"]
    gone = browser.submit(page, "sign_out")
    assert (gone.status, gone.location) == (303, f"{GOODBYE}?state=s")
    assert browser.visit(asking(browser.url, program)).title.startswith("Sign in")
    assert call(browser.url, "/v1/chats", tokens["access_token"]).status_code == 200
