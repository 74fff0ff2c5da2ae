"""Nobody sees or changes what belongs to others."""

import asyncio
from typing import Any

from tests.client import PASSWORD, Api
from tests.e2e.conftest import People, Run


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
        token = {"token": f"phone-{bo.id}", "platform": "android", "device_key": "k" * 22}
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

    run(scenario)


def test_knowing_the_push_token_of_another_user_neither_stops_nor_shows_their_pushes(
    run: Run,
) -> None:
    async def scenario(people: People) -> None:
        ana, bo, chat = await people.pair()
        eve = await people.new("eve")
        token = {"token": f"phone-{bo.id}", "platform": "android"}
        await bo.ok("PUT /v1/users/me/push-tokens/phone", {**token, "device_key": "k" * 22})
        stolen = {**token, "device_key": "e" * 22}
        await eve.ok("PUT /v1/users/me/push-tokens/phone", stolen)
        chats = {chat, await ana.chat_with(eve)}
        for one in chats:
            await ana.send(one, "a word")

        async with asyncio.timeout(20):
            while len(shown := await pushes(people.anonymous, token["token"])) < 2:
                await asyncio.sleep(0.1)
        assert {push["data"]["chat_id"] for push in shown} == chats
        assert {(push["title"], push["body"]) for push in shown} == {("Parley", "New message")}
        await eve.ok("POST /v1/auth/logout")
        await ana.send(chat, "for bo")
        async with asyncio.timeout(20):
            while "for bo" not in {
                push["body"] for push in await pushes(people.anonymous, token["token"])
            }:
                await asyncio.sleep(0.1)

    run(scenario)


async def pushes(api: Api, token: str) -> list[Any]:
    items = (await api.ok("GET /_local/pushes"))["items"]
    return [push for push in items if push["token"] == token]
