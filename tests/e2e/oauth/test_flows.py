"""The provider in the local cloud: all flows."""

import asyncio
from typing import Any

import httpx
import jwt
import pyotp
import pytest

from tests.client import PASSWORD, User, next_code
from tests.cloud import Cloud
from tests.e2e.conftest import People, Run
from tests.e2e.oauth.oauth import (
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


def test_a_user_signs_in_agrees_and_is_sent_back(
    browser: Browser, program: Program, ana: User
) -> None:
    first = browser.visit(asking(browser.url, program))
    assert (first.status, first.title) == (200, "Sign in to continue to Shoe & Sons <shop>")
    assert "<shop>" not in first.text

    second = browser.sign_in(first, ana)
    assert (second.status, second.title) == (200, "Allow Shoe & Sons <shop>?")
    assert "read your chats" in second.text
    assert "program.example" in second.text

    back = browser.submit(second, "allow")
    assert back.status == 303
    assert back.location.startswith("https://program.example/callback?kind=web&")
    assert back.back["state"] == "st&te"
    assert back.back["iss"] == browser.url
    tokens = trade(browser.url, program, back.back["code"]).json()
    assert tokens["scope"] == "chats.read email openid profile"
    assert tokens["token_type"] == "Bearer"
    assert call(browser.url, "/v1/chats", tokens["access_token"]).status_code == 200
    assert call(browser.url, "/v1/users/me", tokens["access_token"]).status_code == 403


def test_a_user_with_a_second_factor_is_asked_for_a_code(
    browser: Browser, program: Program, ana: User
) -> None:
    route, bearer = f"{browser.url}/v1/auth/second-factor", {"Authorization": f"Bearer {ana.token}"}
    made = httpx.post(route, json={"password": PASSWORD}, headers=bearer)
    app = pyotp.TOTP(made.json()["secret"])
    confirmed = httpx.post(f"{route}/confirm", json={"code": app.now()}, headers=bearer)
    assert confirmed.status_code == 200

    first = browser.visit(asking(browser.url, program))
    assert 'name="code"' not in first.text
    second = browser.sign_in(first, ana)
    assert second.title == "One more step to sign in"
    assert 'name="code"' in second.text
    assert PASSWORD not in second.text
    third = browser.submit(second, "second_factor", code="000000")
    assert third.title == "One more step to sign in"
    assert "This code is wrong" in third.text
    code = next_code(app)
    assert browser.submit(third, "second_factor", code=code).title.startswith("Allow")


def test_an_id_token_says_who_when_and_for_whom(
    browser: Browser, program: Program, ana: User
) -> None:
    first = granted(browser, program, ana)
    second = refreshed(browser, program, first["refresh_token"]).json()
    keys = jwt.PyJWKSet.from_dict(httpx.get(f"{browser.url}/.well-known/jwks.json").json())
    told = [
        jwt.decode(
            tokens["id_token"],
            keys[jwt.get_unverified_header(tokens["id_token"])["kid"]].key,
            algorithms=["RS256"],
            audience=program.id,
            issuer=browser.url,
        )
        for tokens in (first, second)
    ]

    for claims in told:
        assert claims["sub"] == ana.id
        assert 0 <= claims["iat"] - claims["auth_time"] < 60
        assert {"at_hash", "exp", "sid"} <= claims.keys()
    assert told[0]["nonce"] == "n0nce"
    assert "nonce" not in told[1]
    assert [one["auth_time"] for one in told] == [told[0]["auth_time"]] * 2


def test_a_program_without_pkce_gets_names_in_its_id_token(
    browser: Browser, cloud: Cloud, ana: User
) -> None:
    """Some server libraries know neither PKCE nor userinfo."""
    program = registered(cloud, require_pkce=False, claims_in_id_token=True)
    url = asking(browser.url, program, code_challenge=None, code_challenge_method=None)
    code = browser.agree(url, ana).back["code"]

    answer = trade(browser.url, program, code, code_verifier="")

    claims = jwt.decode(answer.json()["id_token"], options={"verify_signature": False})
    assert (claims["preferred_username"], claims["nonce"]) == (ana.username, "n0nce")


def test_userinfo_contains_what_the_user_allowed(
    browser: Browser, program: Program, ana: User
) -> None:
    all_of_it = granted(browser, program, ana)["access_token"]
    less = granted(browser, program, ana, scope="openid")["access_token"]
    none = granted(browser, program, ana, scope="chats.read")["access_token"]
    profile = ana.signed_in["user"]

    for method in ("GET", "POST"):
        assert call(browser.url, "/oauth2/userinfo", all_of_it, method).json() == {
            "sub": ana.id,
            "name": "Ana",
            "preferred_username": ana.username,
            "email": profile["email"],
            "email_verified": False,
        }
    by_form = httpx.post(f"{browser.url}/oauth2/userinfo", data={"access_token": less})
    assert by_form.json() == {"sub": ana.id}
    assert call(browser.url, "/oauth2/userinfo", less).json() == {"sub": ana.id}
    assert call(browser.url, "/oauth2/userinfo", none).status_code == 403
    assert call(browser.url, "/oauth2/userinfo", "nonsense").status_code == 401


def test_a_user_who_is_signed_in_is_only_asked_whether_they_agree(
    browser: Browser, program: Program, cloud: Cloud, ana: User
) -> None:
    code_for(browser, program, ana)

    other = registered(cloud, name="Board")
    assert browser.visit(asking(browser.url, other)).title.startswith("Allow")
    again = browser.visit(asking(browser.url, other, prompt="login"))
    assert again.title.startswith("Sign in")
    assert browser.submit(browser.sign_in(again, ana), "allow").back["code"]


def test_they_can_use_another_account(
    run: Run, browser: Browser, program: Program, ana: User
) -> None:
    async def scenario(people: People) -> User:
        return await people.new("bo")

    bo: User = run(scenario)
    code_for(browser, program, ana)
    page = browser.visit(asking(browser.url, program, prompt="consent"))
    page = browser.submit(page, "switch")
    assert page.title.startswith("Sign in")

    page = browser.sign_in(page, bo)

    assert bo.username in page.text
    code = browser.submit(page, "allow").back["code"]
    token = trade(browser.url, program, code).json()["access_token"]
    assert call(browser.url, "/oauth2/userinfo", token).json()["sub"] == bo.id


def test_a_wrong_password_is_shown_on_the_page(
    browser: Browser, program: Program, ana: User
) -> None:
    page = browser.visit(asking(browser.url, program))

    page = browser.submit(page, "sign_in", login=ana.username, password="wrong wrong wrong")

    assert page.title.startswith("Sign in")
    assert "The login or the password is wrong." in page.text
    assert browser.sign_in(page, ana).title.startswith("Allow")


def test_a_user_who_does_not_agree_is_sent_back_too(
    browser: Browser, program: Program, ana: User
) -> None:
    for signed_in in (False, True):
        page = browser.visit(asking(browser.url, program))
        page = browser.sign_in(page, ana) if signed_in else page
        back = browser.submit(page, "deny").back
        assert (back["error"], back["state"]) == ("access_denied", "st&te")
        assert back["iss"] == browser.url


@pytest.mark.parametrize("confidential", [True, False])
def test_refresh_tokens_rotate(
    browser: Browser, cloud: Cloud, ana: User, confidential: bool
) -> None:
    program = registered(cloud, confidential=confidential)
    first = granted(browser, program, ana)

    second = refreshed(browser, program, first["refresh_token"]).json()
    narrow = refreshed(browser, program, second["refresh_token"], scope="chats.read").json()
    third = refreshed(browser, program, narrow["refresh_token"]).json()

    assert narrow["scope"] == "chats.read"
    assert third["scope"] == first["scope"]
    assert call(browser.url, "/v1/chats", third["access_token"]).status_code == 200


def test_client_credentials_are_for_a_program_in_its_own_name(cloud: Cloud) -> None:
    service = registered(
        cloud, scopes=["tokens.introspect"], redirect_uris=[], post_logout_redirect_uris=[]
    )

    answer = post(cloud.http_url, "/oauth2/token", service, grant_type="client_credentials")

    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json().keys() == {"access_token", "token_type", "expires_in", "scope"}
    told = introspected(cloud.http_url, service, answer.json()["access_token"])
    assert (told["active"], told["sub"]) == (True, service.id)
    assert call(cloud.http_url, "/v1/chats", answer.json()["access_token"]).status_code == 401


def test_a_program_introspects_its_own_tokens_and_a_resource_server_all(
    browser: Browser, cloud: Cloud, program: Program, ana: User
) -> None:
    other = registered(cloud)
    server = registered(
        cloud, scopes=["tokens.introspect"], redirect_uris=[], post_logout_redirect_uris=[]
    )
    tokens = granted(browser, program, ana)

    for kind in ("access_token", "refresh_token"):
        for who in (program, server):
            told = introspected(browser.url, who, tokens[kind])
            assert told["active"]
            assert (told["sub"], told["client_id"]) == (ana.id, program.id)
            assert told["scope"] == tokens["scope"]
            assert told["iss"] == browser.url
        assert introspected(browser.url, other, tokens[kind]) == {"active": False}
    assert introspected(browser.url, server, ana.token or "")["client_id"] is None
    assert introspected(browser.url, program, ana.token or "") == {"active": False}
    assert introspected(browser.url, server, "nonsense") == {"active": False}


def test_admins_register_list_and_delete_programs_and_the_audit_log_knows(run: Run) -> None:
    async def scenario(people: People) -> None:
        admin, moderator = await asyncio.gather(people.staff("admin"), people.staff("moderator"))
        new: dict[str, Any] = {
            "name": "Board",
            "redirect_uris": ["http://127.0.0.1/back"],
            "scopes": ["openid"],
            "confidential": False,
        }
        route = "/v1/admin/oauth-clients"
        assert (await moderator.call(f"POST {route}", new)).code == "forbidden"
        made = await admin.ok(f"POST {route}", new)
        assert made["client_secret"] is None
        secret = (await admin.ok(f"POST {route}", {**new, "confidential": True}))["client_secret"]
        assert len(secret) >= 43
        listed = await admin.call(f"GET {route}?limit=2")
        assert secret not in str(listed.body)
        assert made["client_id"] in {one["client_id"] for one in listed.body["items"]}
        await admin.ok(f"DELETE {route}/{made['client_id']}")
        await admin.ok(f"DELETE {route}/{made['client_id']}")
        unknown = await admin.call(f"DELETE {route}/00000000-0000-7000-8000-0000000000ff")
        assert unknown.code == "not_found"
        log = (await admin.ok(f"GET /v1/admin/audit?target={made['client_id']}"))["items"]
        assert [(one["actor"], one["action"]) for one in log] == [
            (admin.id, "client.delete"),
            (admin.id, "client.delete"),
            (admin.id, "client.register"),
        ]

    run(scenario)
