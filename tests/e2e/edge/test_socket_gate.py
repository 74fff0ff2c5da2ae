"""What programs get by sockets, and what one user may do on eight of them."""

import asyncio
import time
from collections.abc import Coroutine
from typing import Any

import pytest
import websockets

from chalicelib.limits.table import TABLE
from tests.client import SECONDS, Api, Refused, Socket, User
from tests.e2e.conftest import People, Run
from tests.e2e.oauth.oauth import Browser, Program, granted, post, registered
from tests.e2e.phones import pushes_for, with_phone


async def grant(people: People, user: User, scope: str) -> tuple[Program, dict[str, Any]]:
    """A program, and the tokens that a user let it have."""

    def whole() -> tuple[Program, dict[str, Any]]:
        program = registered(people.cloud)
        browser = Browser(people.cloud.http_url)
        return program, granted(browser, program, user, scope=scope)

    return await asyncio.to_thread(whole)


async def connect(people: People, token: str) -> Socket:
    return Socket(
        await websockets.connect(
            people.cloud.socket_url,
            additional_headers={"Authorization": f"Bearer {token}"},
            open_timeout=SECONDS,
        )
    )


def test_a_token_that_was_narrowed_opens_no_socket(run: Run) -> None:
    async def scenario(people: People) -> None:
        bo = await people.new("bo")
        program, tokens = await grant(people, bo, "openid chats.read")
        socket = await connect(people, tokens["access_token"])
        await socket.ask("ping")
        await socket.close()

        narrowed = await asyncio.to_thread(
            lambda: post(
                people.cloud.http_url,
                "/oauth2/token",
                program,
                grant_type="refresh_token",
                refresh_token=tokens["refresh_token"],
                scope="openid",
            ).json()
        )

        assert narrowed["scope"] == "openid"
        with pytest.raises(websockets.InvalidStatus) as refused:
            await connect(people, narrowed["access_token"])
        assert refused.value.response.status_code == 403
        api = Api(people.cloud.http_url, people.http, narrowed["access_token"])
        assert (await api.call("POST /v1/socket-tickets")).code == "forbidden"

    run(scenario)


@pytest.mark.parametrize("way", ["token", "ticket"])
def test_a_program_reads_along_and_makes_its_user_neither_online_nor_reached(
    run: Run, way: str
) -> None:
    async def scenario(people: People) -> None:
        ana, bo, chat = await people.pair()
        early = await with_phone(people, bo)
        for one in (bo, ana):  # once both have written, Ana may watch Bo
            await one.send(chat, "hi")
        await pushes_for(people, early)
        phone = await with_phone(people, bo)
        _, tokens = await grant(people, bo, "openid chats.read chats.write")
        if way == "token":
            socket = await connect(people, tokens["access_token"])
        else:
            api = Api(people.cloud.http_url, people.http, tokens["access_token"])
            socket = await bo.open(await api.ok("POST /v1/socket-tickets"))
        async with ana.socket() as a:
            watched = (await a.ask("presence.watch", {"user_ids": [bo.id]}))["items"]
            assert [one["online"] for one in watched] == [False]
            sent = await a.send(chat, "hello")
            await socket.event("message.new", lambda data: data["id"] == sent["id"])
            await socket.ask("chat.delivered", {"chat_id": chat, "seq": sent["seq"]})
            (push,) = await pushes_for(people, phone)
            assert push["body"] == "hello"
            desk = await bo.sign_in()
            async with desk.socket() as own:
                await a.event("presence", lambda data: data["online"])
                await own.ask("ping")
                await bo.sign_in()
                await own.event("account.signed_in")
            await a.event("presence", lambda data: not data["online"])
            await socket.ask("ping")
            assert "account.signed_in" not in [event["event"] for event in socket.events]
            assert (await bo.ok(f"GET /v1/chats/{chat}"))["me"]["delivered_seq"] == 0
        await socket.close()

    run(scenario)


async def flood(
    user: User, action: str, data: list[dict[str, Any]], sockets: int = 8
) -> tuple[int, float]:
    """How many of these frames, sent at once on each of some sockets of two sessions, were let
    through, and in how many seconds."""
    desk = await user.sign_in()
    sessions = [user, desk] * (sockets // 2)
    opened = await asyncio.gather(*(one.connect() for one in sessions))

    async def ask(socket: Socket, frame: dict[str, Any]) -> bool:
        try:
            await socket.ask(action, frame)
        except Refused as refused:
            if refused.code != "rate_limited":
                raise
            return False
        return True

    begun = time.monotonic()
    asked: list[Coroutine[Any, Any, bool]] = [ask(s, one) for one in data for s in opened]
    through = sum(await asyncio.gather(*asked))
    took = time.monotonic() - begun
    await asyncio.gather(*(socket.close() for socket in opened))
    return through, took


def test_eight_sockets_type_no_more_than_one_user_may(run: Run) -> None:
    async def scenario(people: People) -> None:
        ana, bo, chat = await people.pair()
        other = await ana.chat_with(await people.new("cy"))
        typing = [{"chat_id": one, "typing": True} for one in (chat, other)] * 10

        through, took = await flood(ana, "chat.typing", typing)

        bucket = TABLE["typing"].user
        assert bucket is not None
        assert 20 <= through <= bucket.size + took * bucket.size / bucket.seconds
        async with bo.socket() as b:
            await b.ask("chat.typing", {"chat_id": chat, "typing": True})

    run(scenario)


def test_eight_sockets_watch_no_more_people_than_one_user_may(run: Run) -> None:
    async def scenario(people: People) -> None:
        ana = await people.new("ana")
        ids = [f"00000000-0000-7000-8000-{number:012x}" for number in range(200)]

        through, took = await flood(ana, "presence.watch", [{"user_ids": ids}] * 5)

        bucket = TABLE["watch"].user
        assert bucket is not None
        most = bucket.size + took * bucket.size / bucket.seconds
        assert 10 <= through <= most / 200
        bo = await people.new("bo")
        async with bo.socket() as b:
            await b.ask("presence.watch", {"user_ids": ids})

    run(scenario)
