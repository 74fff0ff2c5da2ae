"""G4, G5: every route and action, by callers who may not.

Chats are walked by strangers in test_bad_input.py.
"""

import asyncio
from typing import Any

import pytest
import websockets

from tests.client import PASSWORD, Api, Refused, User
from tests.e2e.conftest import People, Run

SOMEWHERE = "00000000-0000-7000-8000-0000000000ff"


async def routes(people: People) -> tuple[list[str], list[str]]:
    """The routes that need a session, and those that do not."""
    document = await people.anonymous.ok("GET /v1/openapi.json")
    closed: list[str] = []
    open_: list[str] = []
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            filled = path
            for parameter in operation["parameters"]:
                filled = filled.replace(f"{{{parameter['name']}}}", SOMEWHERE)
            (closed if operation["security"] else open_).append(f"{method.upper()} {filled}")
    return closed, open_


def test_only_these_routes_are_open_to_anonymous(run: Run) -> None:
    async def scenario(people: People) -> None:
        closed, open_ = await routes(people)
        assert sorted(open_) == [
            "GET /.well-known/jwks.json",
            "GET /v1/health",
            "GET /v1/openapi.json",
            "GET /v1/ready",
            "POST /v1/auth/login",
            "POST /v1/auth/refresh",
            "POST /v1/auth/register",
        ]
        for route in closed:
            answer = await people.anonymous.call(route, {})
            assert (answer.status, answer.code) == (401, "unauthorized"), route

    run(scenario)


@pytest.mark.parametrize("how", ["logout", "revoked", "others revoked", "password", "deleted"])
def test_g5_a_revoked_session_is_refused_everywhere_at_once(run: Run, how: str) -> None:
    async def scenario(people: People) -> None:
        closed, _ = await routes(people)
        ana = await people.new("ana")
        desk = await ana.sign_in()
        async with ana.socket() as socket:
            await revoke(ana, desk)
            for route in closed:
                answer = await ana.call(route, {})
                assert (answer.status, answer.code) == (401, "unauthorized"), route
            refresh = {"refresh_token": ana.signed_in["refresh_token"]}
            assert (await people.anonymous.call("POST /v1/auth/refresh", refresh)).status == 401
            with pytest.raises((Refused, ConnectionError, websockets.ConnectionClosed)):
                await socket.ask("ping")
            await socket.closed()
        if how != "deleted":
            assert (await desk.call("GET /v1/users/me")).status == 200

    async def revoke(ana: User, desk: User) -> None:
        session = ana.signed_in["session_id"]
        password = {"current_password": PASSWORD, "new_password": PASSWORD + "!"}
        route, body = {
            "logout": ("POST /v1/auth/logout", None),
            "revoked": (f"DELETE /v1/auth/sessions/{session}", None),
            "others revoked": ("DELETE /v1/auth/sessions", None),
            "password": ("POST /v1/auth/password", password),
            "deleted": ("POST /v1/users/me/delete", {"password": PASSWORD}),
        }[how]
        await (ana if how == "logout" else desk).ok(route, body)

    run(scenario)


def test_a_session_of_somebody_else_cannot_be_revoked(run: Run) -> None:
    async def scenario(people: People) -> None:
        ana, eve = await asyncio.gather(people.new("ana"), people.new("eve"))
        session = ana.signed_in["session_id"]

        assert (await eve.call(f"DELETE /v1/auth/sessions/{session}")).status == 404
        await eve.ok("DELETE /v1/auth/sessions")
        assert (await ana.call("GET /v1/users/me")).status == 200

    run(scenario)


def test_a_public_profile_shows_no_address(run: Run) -> None:
    async def scenario(people: People) -> None:
        ana, bo = await asyncio.gather(people.new("ana"), people.new("bo"))
        email = ana.signed_in["user"]["email"]
        for route in (f"GET /v1/users/{ana.id}", f"GET /v1/users?username={ana.username}"):
            found: Any = await bo.ok(route)
            assert ana.id in str(found)
            assert email not in str(found)
            assert "@" not in str(found)
        assert (await bo.call("GET /v1/users")).status == 422

    run(scenario)


def test_a_deleted_account_leaves_its_messages_and_nothing_else(run: Run) -> None:
    async def scenario(people: People) -> None:
        ana, bo, chat = await people.pair()
        sent = await ana.send(chat, "still here")
        token = {"token": f"phone-{ana.id}", "platform": "android"}
        await ana.ok("PUT /v1/users/me/push-tokens/phone", token)
        wrong = await ana.call("POST /v1/users/me/delete", {"password": "wrong wrong wrong"})
        assert wrong.status in (401, 403)

        await ana.ok("POST /v1/users/me/delete", {"password": PASSWORD})

        assert (await bo.ok(f"GET /v1/chats/{chat}/messages"))["items"] == [sent]
        profile = await bo.ok(f"GET /v1/users/{ana.id}")
        assert profile["deleted"]
        assert "Ana" not in str(profile)
        assert ana.username not in str(profile)
        login = {"login": ana.username, "password": PASSWORD}
        assert (await people.anonymous.call("POST /v1/auth/login", login)).status == 401
        new = {"kind": "direct", "user_id": ana.id}
        stranger = await people.new()
        assert (await stranger.call("POST /v1/chats", new)).code == "user_not_found"
        assert await bo.send(chat, "into the void")

    run(scenario)


def test_a_phone_that_changed_hands_is_pushed_to_for_its_new_owner_alone(run: Run) -> None:
    async def scenario(people: People) -> None:
        ana, bo, chat = await people.pair()
        cy = await people.new("cy")
        token = {"token": f"phone-{bo.id}", "platform": "android"}
        await bo.ok("PUT /v1/users/me/push-tokens/phone", token)
        await cy.ok("PUT /v1/users/me/push-tokens/phone", token)
        other = await ana.chat_with(cy)
        await ana.send(chat, "for bo")
        await ana.send(other, "for cy")
        async with asyncio.timeout(20):
            while not (shown := await pushes(people.anonymous, token["token"])):
                await asyncio.sleep(0.1)
        await asyncio.sleep(1)
        assert {push["body"] for push in shown} == {"for cy"}
        assert {push["body"] for push in await pushes(people.anonymous, token["token"])} == {
            "for cy"
        }

    async def pushes(api: Api, token: str) -> list[Any]:
        items = (await api.ok("GET /_local/pushes"))["items"]
        return [push for push in items if push["token"] == token]

    run(scenario)
