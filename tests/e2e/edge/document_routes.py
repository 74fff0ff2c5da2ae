"""Calls each route of the API, so that each documented answer is seen."""

import asyncio
from urllib.parse import parse_qs, quote, urlsplit

import aiohttp
import pyotp

from tests.client import PASSWORD, Api, User
from tests.e2e.auth.test_google import proof
from tests.e2e.auth.test_passkeys import device
from tests.e2e.conftest import People
from tests.e2e.edge.documented import Documented, hidden
from tests.e2e.oauth.oauth import CALLBACK, GOODBYE, VERIFIER, Program, asking


async def account_routes(people: People, api: Documented, cy: User) -> None:
    for route in (
        "GET /v1/health",
        "GET /v1/ready",
        "GET /v1/openapi.json",
        "GET /v1/asyncapi.json",
        "GET /v1/errors",
    ):
        await api.call(people.anonymous, route)
    for path, operations in api.document["paths"].items():
        if "head" in operations:
            await api.call(people.anonymous, f"HEAD {path}")
    await api.call(people.anonymous, "GET /.well-known/jwks.json")
    account = {
        "email": f"{cy.username}2@example.org",
        "username": f"{cy.username[:25]}_2",
        "password": PASSWORD,
        "display_name": "Documented",
    }
    made = await api.call(people.anonymous, "POST /v1/auth/register", account)
    again = await api.call(people.anonymous, "POST /v1/auth/register", account)
    assert again.status == 409
    login = {"login": account["username"], "password": PASSWORD}
    await api.call(people.anonymous, "POST /v1/auth/login", login)
    token = {"refresh_token": made.body["refresh_token"]}
    await api.call(people.anonymous, "POST /v1/auth/refresh", token)
    assert (await api.call(people.anonymous, "GET /v1/users/me")).status == 401


async def mail_routes(people: People, api: Documented, ana: User) -> None:
    await api.call(ana, "POST /v1/auth/email/verify-request")
    await api.call(ana, "POST /v1/auth/email/verify", {"token": "x"})
    token = {"token": (await people.mailed(ana))[0]}
    await api.call(ana, "POST /v1/auth/email/verify", token)
    wanted = {"email": f"{ana.username}@example.net", "password": PASSWORD}
    await api.call(ana, "POST /v1/users/me/email", wanted)
    assert (await api.call(ana, "GET /v1/users/me")).body["pending_email"] == wanted["email"]
    email = {"email": ana.signed_in["user"]["email"]}
    await api.call(people.anonymous, "POST /v1/auth/password/reset-request", email)
    reset = {"token": (await people.mailed(ana, 2))[0], "new_password": PASSWORD}
    await api.call(people.anonymous, "POST /v1/auth/password/reset", reset)


async def export_routes(api: Documented, ana: User) -> None:
    route, password = "/v1/users/me/export", {"password": PASSWORD}
    await api.call(ana, f"POST {route}", password)
    async with asyncio.timeout(30):
        while (await api.call(ana, f"GET {route}")).body["status"] == "waiting":
            await asyncio.sleep(0.2)
    link = (await api.call(ana, f"POST {route}/link", password)).body["url"]
    await api.call(ana, f"GET /v1/export?{link.partition('?')[2]}")


async def second_factor_routes(api: Documented, ana: User) -> None:
    route, password = "/v1/auth/second-factor", {"password": PASSWORD}
    secret = (await api.call(ana, f"POST {route}", password)).body["secret"]
    code = {"code": pyotp.TOTP(secret).now()}
    codes = (await api.call(ana, f"POST {route}/confirm", code)).body["recovery_codes"]
    await api.call(ana, f"POST {route}/recovery-codes", password)
    both = {**password, "second_factor": codes[0].replace("-", "")}
    codes = (await api.call(ana, f"POST {route}/recovery-codes", both)).body["recovery_codes"]
    await api.call(ana, f"GET {route}")
    both["second_factor"] = codes[0].replace("-", "")
    await api.call(ana, f"POST {route}/disable", both)


async def passkey_routes(people: People, api: Documented, ana: User) -> None:
    route, login, key = "/v1/auth/passkeys", "/v1/auth/login/passkey", device(people)
    begun = await api.call(ana, f"POST {route}/begin", {"password": PASSWORD})
    new = {"name": "Laptop", "credential": key.make(begun.body["options"])}
    at = {"passkey_id": (await api.call(ana, f"POST {route}", new)).body["id"]}
    await api.call(ana, f"GET {route}")
    await api.call(ana, f"PATCH {route}/{{passkey_id}}", {"name": "Phone"}, **at)
    begun = await api.call(people.anonymous, f"POST {login}/begin")
    answer = {"credential": key.answer(begun.body["options"])}
    await api.call(people.anonymous, f"POST {login}", answer)
    await api.call(ana, f"DELETE {route}/{{passkey_id}}", **at)


async def google_routes(people: People, api: Documented, ana: User) -> None:
    route, link = "/v1/auth/google", "/v1/users/me/google"
    await api.call(people.anonymous, f"GET {route}")
    given = await proof(people, f"{ana.username}@firm.example")
    await api.call(ana, f"PUT {link}", {**given, "password": PASSWORD})
    await api.call(ana, f"GET {link}")
    given = await proof(people, f"{ana.username}@firm.example")
    await api.call(people.anonymous, f"POST {route}", given)
    await api.call(ana, f"DELETE {link}")


async def admin_routes(api: Documented, admin: User, cy: User) -> None:
    user = "/v1/admin/users/{user_id}"
    await api.call(admin, f"GET /v1/admin/users?username={cy.username}&limit=1")
    await api.call(admin, f"GET {user}", user_id=cy.id)
    await api.call(admin, f"POST {user}/suspend", {"reason": "Spam"}, user_id=cy.id)
    await api.call(admin, f"POST {user}/restore", user_id=cy.id)
    await api.call(admin, f"DELETE {user}/sessions", user_id=cy.id)
    role = f"{user}/roles/{{role}}"
    await api.call(admin, f"PUT {role}", user_id=cy.id, role="moderator")
    await api.call(admin, f"DELETE {role}", user_id=cy.id, role="moderator")
    await api.call(admin, "GET /v1/admin/audit?limit=1")


async def oauth_routes(people: People, api: Documented, admin: User, cy: User) -> None:
    nobody = people.anonymous
    for name in (
        "openid-configuration",
        "oauth-authorization-server",
        "oauth-protected-resource",
    ):
        await api.call(nobody, f"GET /.well-known/{name}")
    clients = "/v1/admin/oauth-clients"
    new = {
        "name": "Documented",
        "redirect_uris": [CALLBACK],
        "post_logout_redirect_uris": [GOODBYE],
        "scopes": ["openid", "tokens.introspect", "push.send", "users.validate"],
        "confidential": True,
    }
    made = (await api.call(admin, f"POST {clients}", new)).body
    program = Program(made["client_id"], made["client_secret"])
    await api.call(admin, f"GET {clients}?limit=1")
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as http:
        await consent_routes(api, Api(nobody.url, http), program, await cy.sign_in())
    own = {"client_id": program.id, "client_secret": program.secret}
    own["grant_type"] = "client_credentials"
    token = (await api.call(nobody, "POST /oauth2/token", form=own)).body["access_token"]
    service = Api(nobody.url, nobody.http, token)
    push = {"user_ids": [cy.id], "title": "Your order", "body": "It is on its way"}
    await api.call(service, "POST /v1/push", push)
    await api.call(service, "POST /v1/users/validate", {"user_ids": [cy.id]})
    shown = {"client_id": program.id, "client_secret": program.secret}
    for path in ("introspect", "revoke"):
        route = f"POST /oauth2/{path}"
        await api.call(nobody, route, form={**shown, "token": token})
        await api.call(nobody, route, form=shown)
        await api.call(nobody, route, form={"token": token})
    await api.call(nobody, "POST /oauth2/token", form={**own, "grant_type": "password"})
    wrong = {**own, "client_secret": "wrong"}
    await api.call(nobody, "POST /oauth2/token", form=wrong)
    one = f"{clients}/{{client_id}}"
    await api.call(admin, f"PATCH {one}", {"name": "Documented 2"}, client_id=program.id)
    await api.call(admin, f"POST {one}/secret", client_id=program.id)
    await api.call(admin, f"DELETE {one}/former-secret", client_id=program.id)
    await api.call(admin, f"DELETE {one}", client_id=program.id)


async def consent_routes(api: Documented, nobody: Api, program: Program, cy: User) -> None:
    def query(**changes: str | None) -> str:
        return asking("", program, scope="openid", **changes).removeprefix("/oauth2/authorize")

    page = await api.call(nobody, f"GET /oauth2/authorize{query()}")
    await api.call(nobody, f"GET /oauth2/authorize{query(prompt='none')}")
    await api.call(nobody, "GET /oauth2/authorize")
    await api.call(nobody, "GET /oauth2/google")
    await api.call(nobody, "POST /oauth2/authorize", form={"do": "allow"})
    ask = {**hidden(page), "do": "sign_in", "login": cy.username, "password": PASSWORD}
    page = await api.call(nobody, f"POST /oauth2/authorize{query()}", form=ask)
    allow = {**hidden(page), "do": "allow"}
    back = await api.call(nobody, f"POST /oauth2/authorize{query()}", form=allow)
    code = parse_qs(urlsplit(back.headers["location"]).query)["code"][0]
    traded = {
        "client_id": program.id,
        "client_secret": program.secret,
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": CALLBACK,
        "code_verifier": VERIFIER,
    }
    tokens = (await api.call(nobody, "POST /oauth2/token", form=traded)).body
    granted = Api(nobody.url, nobody.http, tokens["access_token"])
    await api.call(granted, "GET /oauth2/userinfo")
    await api.call(granted, "POST /oauth2/userinfo")
    await api.call(cy, "GET /v1/auth/programs")
    page = await api.call(nobody, "GET /oauth2/logout")
    gone = f"?id_token_hint={tokens['id_token']}&post_logout_redirect_uri={quote(GOODBYE)}"
    await api.call(nobody, f"GET /oauth2/logout{gone}")
    await api.call(nobody, f"POST /oauth2/logout{gone}", form={})
    await api.call(nobody, "POST /oauth2/logout", form={})
    await api.call(nobody, "POST /oauth2/logout", form={"seal": "x"})
    twice = "?client_id=a&client_id=b"
    await api.call(nobody, f"GET /oauth2/logout{twice}")
    for path in ("logout", "authorize"):
        await api.call(nobody, f"POST /oauth2/{path}{twice}", form={})
    await api.call(cy, "DELETE /v1/auth/programs/{client_id}", client_id=program.id)


async def user_routes(api: Documented, ana: User, bo: User) -> None:
    await api.call(ana, "GET /v1/users/me")
    await api.call(ana, "PATCH /v1/users/me", {"about": "Here", "display_name": "Ana"})
    await api.call(ana, "GET /v1/users/{user_id}", user_id=bo.id)
    await api.call(ana, f"GET /v1/users?username={bo.username}")
    device = {"token": f"documented-{ana.id}", "platform": "ios"}
    route = "/v1/users/me/push-tokens/{device_id}"
    await api.call(ana, f"PUT {route}", device, device_id="phone")
    await api.call(ana, f"DELETE {route}", device_id="phone")
    await api.call(ana, "POST /v1/socket-tickets")


async def chat_routes(api: Documented, ana: User, bo: User) -> None:
    new = {"kind": "direct", "user_id": bo.id}
    chat = (await api.call(ana, "POST /v1/chats", new)).body["id"]
    await api.call(ana, "POST /v1/chats", new)
    await api.call(ana, "GET /v1/chats/{chat_id}", chat_id=chat)
    await api.call(ana, "GET /v1/chats/{chat_id}/members?limit=1", chat_id=chat)
    draft = {"client_id": "x", "content": {"kind": "text", "text": "hi"}}
    for _ in range(2):
        await api.call(ana, "POST /v1/chats/{chat_id}/messages", draft, chat_id=chat)
    await api.call(bo, "GET /v1/chats?limit=10")
    await api.call(bo, "GET /v1/chats/{chat_id}/messages?limit=1&before=9", chat_id=chat)
    await api.call(bo, "GET /v1/chats/{chat_id}/changes?since=0", chat_id=chat)
    await api.call(bo, "POST /v1/chats/{chat_id}/delivered", {"seq": 1}, chat_id=chat)
    await api.call(bo, "POST /v1/chats/{chat_id}/read", {"seq": 1}, chat_id=chat)
    await api.call(bo, "POST /v1/sync", {"chats": {chat: 0}})


async def session_routes(api: Documented, ana: User, desk: User) -> None:
    sessions = (await api.call(ana, "GET /v1/auth/sessions")).body["items"]
    assert len(sessions) == 2
    other = desk.signed_in["session_id"]
    await api.call(ana, "DELETE /v1/auth/sessions/{session_id}", session_id=other)
    await api.call(ana, "DELETE /v1/auth/sessions")
    change = {"current_password": PASSWORD, "new_password": PASSWORD + "!"}
    await api.call(ana, "POST /v1/auth/password", change)
    await api.call(ana, "POST /v1/auth/logout")
