"""What cannot be valid is refused by field, and changes nothing."""

import asyncio
import json
from typing import Any

import aiohttp
import pytest

from tests.client import Refused
from tests.e2e.conftest import People, Run
from tests.e2e.edge.problems import NOWHERE, TEXT, is_problem

BODIES: list[tuple[Any, int, str, list[str]]] = [
    (b"{", 400, "bad_request", []),
    (b"", 400, "bad_request", []),
    (b"\xff\xfe", 400, "bad_request", []),
    (b'{"client_id": "\\ud800"}', 422, "validation_failed", ["client_id"]),
    (b'{"content": {"text": "hi \\ud83d"}}', 422, "validation_failed", ["content.text"]),
    (b"[" * 60_000, 400, "bad_request", []),
    ([], 422, "validation_failed", [""]),
    ({}, 422, "validation_failed", ["client_id", "content"]),
    ({"client_id": 1, "content": TEXT}, 422, "validation_failed", ["client_id"]),
    ({"client_id": "x" * 65, "content": TEXT}, 422, "validation_failed", ["client_id"]),
    ({"client_id": "x", "content": TEXT, "seq": 1}, 422, "validation_failed", ["seq"]),
    (
        {"client_id": "x", "content": {**TEXT, "text": "a" * 4097}},
        422,
        "validation_failed",
        ["content.text"],
    ),
    (
        {"client_id": "x", "content": {**TEXT, "text": " \n "}},
        422,
        "validation_failed",
        ["content.text"],
    ),
    (
        {"client_id": "x", "content": {**TEXT, "text": "a\u0000b"}},
        422,
        "validation_failed",
        ["content.text"],
    ),
    (
        {"client_id": "x", "content": {**TEXT, "text": {"$gt": ""}}},
        422,
        "validation_failed",
        ["content.text"],
    ),
    (b'{"client_id": "' + b"x" * 70_000 + b'"}', 413, "too_large", []),
]


def test_g7_bad_bodies_are_answered_by_field_and_leave_nothing(run: Run) -> None:
    async def scenario(people: People) -> None:
        ana, bo, chat = await people.pair()
        for body, status, code, fields in BODIES:
            answer = await ana.call(f"POST /v1/chats/{chat}/messages", body)
            assert is_problem(answer, status, code)
            found = [error["field"] for error in answer.body.get("errors", [])]
            assert found == fields
        assert (await bo.ok(f"GET /v1/chats/{chat}/messages"))["items"] == []
        assert (await bo.ok(f"GET /v1/chats/{chat}"))["last_rev"] == 0

    run(scenario)


def test_g7_bad_frames_are_answered_and_leave_nothing(run: Run) -> None:
    async def scenario(people: People) -> None:
        ana, bo, chat = await people.pair()
        async with ana.socket() as a:
            for data in (
                {},
                {"chat_id": chat, "client_id": "x", "content": {**TEXT, "text": ""}},
                {"chat_id": "x", "client_id": "x", "content": TEXT},
                {"chat_id": chat, "client_id": "x", "content": TEXT, "sender_id": bo.id},
            ):
                with pytest.raises(Refused) as refused:
                    await a.ask("message.send", data)
                assert refused.value.code == "validation_failed"
                assert refused.value.answer["errors"]
            with pytest.raises(Refused) as refused:
                await a.ask("message.shout")
            assert refused.value.code == "unknown_action"
            for raw in ("{", "[]", "null", "", "\u0000"):
                await a.connection.send(raw)
            async with asyncio.timeout(10):
                while len(a.stray) < 5:
                    await asyncio.sleep(0.02)
            assert {frame["error"]["code"] for frame in a.stray} == {"bad_request"}
            assert {frame["re"] for frame in a.stray} == {None}
            half = {"chat_id": chat, "client_id": "x", "content": {**TEXT, "text": "hi \ud83d"}}
            frame = {"id": "half", "action": "message.send", "data": half}
            await a.connection.send(json.dumps(frame))
            async with asyncio.timeout(10):
                while len(a.stray) < 6:
                    await asyncio.sleep(0.02)
            assert (a.stray[5]["re"], a.stray[5]["error"]["code"]) == ("half", "validation_failed")
            assert [error["field"] for error in a.stray[5]["error"]["errors"]] == ["content.text"]
            await a.ask("ping")
        assert (await bo.ok(f"GET /v1/chats/{chat}"))["last_rev"] == 0

    run(scenario)


def test_g7_a_frame_over_the_limit_ends_the_socket(run: Run) -> None:
    async def scenario(people: People) -> None:
        ana, bo, chat = await people.pair()
        async with ana.socket() as a:
            await a.connection.send(json.dumps({"id": "1", "action": "ping", "x": "a" * 33_000}))
            assert await a.closed() == 1009
        assert (await bo.ok(f"GET /v1/chats/{chat}"))["last_rev"] == 0

    run(scenario)


def test_g4_a_chat_of_others_looks_like_an_unknown_chat(run: Run) -> None:
    async def scenario(people: People) -> None:
        ana, bo, chat = await people.pair()
        await ana.send(chat, "secret")
        eve = await people.new("eve")
        frame = {"client_id": "x", "content": TEXT}
        async with eve.socket() as e:
            for chat_id in (chat, NOWHERE):
                for route, body in (
                    (f"GET /v1/chats/{chat_id}", None),
                    (f"GET /v1/chats/{chat_id}/members", None),
                    (f"GET /v1/chats/{chat_id}/messages", None),
                    (f"GET /v1/chats/{chat_id}/changes?since=0", None),
                    (f"POST /v1/chats/{chat_id}/messages", frame),
                    (f"POST /v1/chats/{chat_id}/read", {"seq": 1}),
                    (f"POST /v1/chats/{chat_id}/delivered", {"seq": 1}),
                ):
                    answer = await eve.call(route, body)
                    assert is_problem(answer, 404, "chat_not_found")
                for action, data in (
                    ("message.send", {"chat_id": chat_id, **frame}),
                    ("chat.read", {"chat_id": chat_id, "seq": 1}),
                    ("chat.delivered", {"chat_id": chat_id, "seq": 1}),
                    ("chat.typing", {"chat_id": chat_id, "typing": True}),
                    ("chat.changes", {"chat_id": chat_id, "since": 0}),
                ):
                    with pytest.raises(Refused) as refused:
                        await e.ask(action, data)
                    assert refused.value.code == "chat_not_found"
            assert (await e.ask("sync", {"chats": {chat: 0}}))["items"] == []
            watched = await e.ask("presence.watch", {"user_ids": [ana.id]})
            assert watched["items"] == []
        assert (await eve.ok("GET /v1/chats"))["items"] == []
        assert len((await bo.ok(f"GET /v1/chats/{chat}/messages"))["items"]) == 1

    run(scenario)


def test_g7_ids_of_another_shape_are_not_found(run: Run) -> None:
    async def scenario(people: People) -> None:
        ana = await people.new()
        for bad in ("1", "'%20OR%201=1", "..%2f..", "%00", NOWHERE.upper(), "x" * 2000):
            assert (await ana.call(f"GET /v1/chats/{bad}")).status == 404
            assert (await ana.call(f"GET /v1/users/{bad}")).status == 404

    run(scenario)


def test_g7_made_up_cursors_and_limits_out_of_bounds_are_refused(run: Run) -> None:
    async def scenario(people: People) -> None:
        ana, _, chat = await people.pair()
        for query, field in (
            ("/v1/chats?cursor=x", "cursor"),
            ("/v1/chats?cursor=" + "A" * 300, "cursor"),
            ("/v1/chats?limit=0", "limit"),
            ("/v1/chats?limit=201", "limit"),
            ("/v1/chats?limit=1e9", "limit"),
            ("/v1/chats?page=2", "page"),
            (f"/v1/chats/{chat}/members?cursor=x", "cursor"),
            (f"/v1/chats/{chat}/members?limit=201", "limit"),
            (f"/v1/chats/{chat}/messages?before=-1", "before"),
            (f"/v1/chats/{chat}/messages?before=99999999999999999999", "before"),
            (f"/v1/chats/{chat}/changes", "since"),
            (f"/v1/chats/{chat}/changes?since=abc", "since"),
        ):
            answer = await ana.call(f"GET {query}")
            assert is_problem(answer, 422, "validation_failed")
            assert [error["field"] for error in answer.body["errors"]] == [field]
        beyond = await ana.ok(f"GET /v1/chats/{chat}/changes?since=999999")
        nothing = {"items": [], "rev": 0, "state_rev": 0, "chat": None, "more": False}
        assert beyond == nothing
        for seq in (-1, 2**60, "1", None):
            answer = await ana.call(f"POST /v1/chats/{chat}/read", {"seq": seq})
            assert is_problem(answer, 422, "validation_failed")

    run(scenario)


def test_unknown_routes_answer_as_api_gateway_does(run: Run) -> None:
    async def scenario(people: People) -> None:
        assert (await people.anonymous.call("GET /v1/nothing")).status == 403
        async with aiohttp.ClientSession() as http:
            url = f"{people.anonymous.url}/v1/users/me"
            async with http.options(url, headers={"Origin": "https://x.example"}) as answer:
                assert answer.status == 204
                assert "Access-Control-Allow-Origin" not in answer.headers
            ours = people.anonymous.url.replace("127.0.0.1", "localhost")
            async with http.options(url, headers={"Origin": ours}) as answer:
                assert answer.headers["Access-Control-Allow-Origin"] == ours
                assert answer.headers["Access-Control-Allow-Methods"] == "GET, PATCH"
                assert "Access-Control-Allow-Credentials" not in answer.headers

    run(scenario)
