"""Admins change a registered program, and replace its secret, while it is used."""

import asyncio
from typing import Any

import httpx

from tests.client import Api
from tests.e2e.conftest import People, Run
from tests.e2e.oauth.oauth import CALLBACK, Browser, Program, asking, post, registered, trade

CLIENTS = "/v1/admin/oauth-clients"


def test_a_program_loses_scopes_and_gets_a_new_secret(run: Run) -> None:
    async def scenario(people: People) -> None:
        admin, ana = await asyncio.gather(people.staff("admin"), people.new("ana"))
        url, browser = people.cloud.http_url, Browser(people.cloud.http_url)
        program = await asyncio.to_thread(
            registered, people.cloud, scopes=["openid", "chats.read"], redirect_uris=[CALLBACK]
        )
        one = f"{CLIENTS}/{program.id}"
        page = await asyncio.to_thread(
            browser.agree, asking(url, program, scope="openid chats.read"), ana
        )
        granted = (await asyncio.to_thread(trade, url, program, page.back["code"])).json()

        changed = await admin.ok(f"PATCH {one}", {"name": "Chess", "scopes": ["openid"]})
        assert (changed["name"], changed["scopes"]) == ("Chess", ["openid"])
        assert changed["last_used_at"] is not None
        rotated = await admin.ok(f"POST {one}/secret")
        newer = Program(program.id, rotated["client_secret"])

        token = granted["refresh_token"]
        for shown in (program, newer):
            fresh = await refreshed(url, shown, token)
            assert fresh["scope"] == "openid"
            token = fresh["refresh_token"]
        own = Api(url, people.http, fresh["access_token"])
        assert (await own.call("GET /v1/chats")).status == 403

        await admin.ok(f"DELETE {one}/former-secret")
        assert (await refreshed(url, program, token))["error"] == "invalid_client"
        assert "access_token" in await refreshed(url, newer, token)
        log = (await admin.ok(f"GET /v1/admin/audit?target={program.id}"))["items"]
        actions = ["client.secret_end", "client.secret", "client.update", "client.register"]
        assert [entry["action"] for entry in log] == actions

    async def refreshed(url: str, program: Program, token: str) -> dict[str, Any]:
        form = {"grant_type": "refresh_token", "refresh_token": token}
        answer = await asyncio.to_thread(post, url, "/oauth2/token", program, **form)
        body: dict[str, Any] = answer.json()
        return body

    run(scenario)


def test_the_api_names_its_provider(run: Run) -> None:
    async def scenario(people: People) -> None:
        url = people.cloud.http_url
        found = httpx.get(f"{url}/.well-known/oauth-protected-resource").json()
        assert found["resource"] == url
        (provider,) = found["authorization_servers"]
        metadata = httpx.get(f"{provider}/.well-known/oauth-authorization-server").json()
        assert metadata["issuer"] == provider

    run(scenario)
