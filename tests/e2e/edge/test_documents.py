"""The OpenAPI and AsyncAPI documents say what is really accepted and answered."""

import asyncio
from typing import Any

import pytest
from openapi_spec_validator import validate

from tests.client import PASSWORD, Refused, Socket, User, first_closed
from tests.e2e.conftest import People, Run
from tests.e2e.edge import document_routes as routes
from tests.e2e.edge.documented import Documented, valid
from tests.stored import stored_in


def test_every_route_answers_as_the_document_says(run: Run) -> None:
    async def scenario(people: People) -> None:
        document = await people.anonymous.ok("GET /v1/openapi.json")
        validate(document)
        api = Documented(document)
        ana, bo, cy = [await people.new(name) for name in ("ana", "bo", "cy")]
        desk = await ana.sign_in()
        await routes.account_routes(people, api, cy)
        await routes.admin_routes(api, await people.staff("admin"), cy)
        await routes.oauth_routes(people, api, await people.staff("admin"), cy)
        await routes.user_routes(api, ana, bo)
        await routes.mail_routes(people, api, await people.new("di"))
        await routes.second_factor_routes(api, await people.new("ed"))
        await routes.export_routes(api, await people.new("fay"))
        await routes.passkey_routes(people, api, await people.new("flo"))
        await routes.google_routes(people, api, await people.new("gus"))
        await routes.chat_routes(api, ana, bo)
        await routes.session_routes(api, ana, desk)
        await api.call(bo, "POST /v1/users/me/delete", {"password": PASSWORD})

        documented = {
            (method.upper(), path, status)
            for path, operations in document["paths"].items()
            for method, operation in operations.items()
            for status, response in operation["responses"].items()
            if status != "503" and not response["description"].startswith("A problem")
        }
        assert documented <= api.seen

    run(scenario)


class Frames:
    """Holds frames to the AsyncAPI document."""

    def __init__(self, document: dict[str, Any], socket: Socket) -> None:
        self.document = document
        self.socket = socket

    def hold(self, message: str, frame: dict[str, Any]) -> None:
        payload = self.document["components"]["messages"][message]["payload"]
        valid(frame, payload, self.document)

    async def ask(self, action: str, data: dict[str, Any]) -> None:
        self.hold(f"{action}.request", {"id": "1", "action": action, "data": data})
        answer = await self.socket.ask(action, data)
        self.hold(f"{action}.answer", {"re": "1", "data": answer})


def test_every_frame_is_as_the_document_says(run: Run) -> None:
    async def scenario(people: People) -> None:
        ana, bo, chat = await people.friends()
        async with ana.socket() as a:
            frames = Frames(await ana.ok("GET /v1/asyncapi.json"), a)
            draft = {"chat_id": chat, "client_id": "x", "content": {"kind": "text", "text": "hi"}}
            asked: dict[str, dict[str, Any]] = {
                "presence.watch": {"user_ids": [bo.id]},
                "message.send": draft,
                "chat.read": {"chat_id": chat, "seq": 0},
                "chat.delivered": {"chat_id": chat, "seq": 0},
                "chat.typing": {"chat_id": chat, "typing": False},
                "chat.changes": {"chat_id": chat, "since": 0},
                "sync": {"chats": {chat: 0}},
                "ping": {},
            }
            for action, data in asked.items():
                await frames.ask(action, data)
            with pytest.raises(Refused) as refused:
                await a.ask("message.send", {**draft, "content": {}})
            frames.hold("error", {"re": "1", "error": refused.value.answer})
            async with bo.socket() as b:
                await b.send(chat, "hello")
                await b.ask("chat.read", {"chat_id": chat, "seq": 1})
                await b.ask("chat.typing", {"chat_id": chat, "typing": True})
                await ana.sign_in()
                with stored_in(people.cloud) as stored:
                    await asyncio.to_thread(stored.edit, chat, 1, ana.id, "better")
                    await asyncio.to_thread(stored.rename, chat, ana.id, "Us")
                for event in ("message.changed", "chat.changed"):
                    await a.event(event)
                for event in ("message.new", "chat.receipt", "chat.typing", "presence"):
                    await a.event(event)
                await a.event("account.signed_in")
                await people.move(ana)
                await a.event("account.email_changed")
            told = [*a.events, *await farewells(ana, bo)]
            for frame in told:
                frames.hold(f"{frame['event']}.event", frame)

            declared = frames.document["components"]["messages"]
            assert {n for n in declared if n.endswith(".request")} == {
                f"{n}.request" for n in asked
            }
            came = {f"{frame['event']}.event" for frame in told}
            limited = {"rate_limited.event"}  # no limit holds here
            assert {n for n in declared if n.endswith(".event")} == came | limited

    run(scenario)


async def farewells(ana: User, bo: User) -> list[dict[str, Any]]:
    """The events that sockets get before they are closed."""
    ended = await (await ana.sign_in()).connect()
    await ana.ok("DELETE /v1/auth/sessions")
    many = [await bo.connect() for _ in range(9)]
    await ended.closed()
    surplus = await first_closed(many)
    for socket in many:
        await socket.close()
    return [*ended.events, *surplus.events]
