"""G7: bad input is answered with a code, a sentence and the field; nothing of it is stored."""

import asyncio
import base64
import json
import time
import uuid
from typing import Any

import aiohttp
import jwt
import pytest
import websockets
from cryptography.hazmat.primitives.asymmetric import ec

from tests.client import PASSWORD, Refused, Socket, User
from tests.cloud import Cloud
from tests.e2e.conftest import People, Run

TEXT = {"kind": "text", "text": "hi"}
NOWHERE = "00000000-0000-7000-8000-0000000000ff"


def is_problem(answer: Any, status: int, code: str) -> bool:
    """RFC 9457 with our code."""
    assert (answer.status, answer.body["code"]) == (status, code), answer
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.body["status"] == status
    assert answer.body["type"].endswith(f"/v1/errors#{code}")
    assert answer.body["detail"]
    assert answer.headers["x-request-id"] == answer.body["request_id"]
    return True


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
            (f"/v1/chats/{chat}/messages?before=-1", "before"),
            (f"/v1/chats/{chat}/messages?before=99999999999999999999", "before"),
            (f"/v1/chats/{chat}/changes", "since"),
            (f"/v1/chats/{chat}/changes?since=abc", "since"),
        ):
            answer = await ana.call(f"GET {query}")
            assert is_problem(answer, 422, "validation_failed")
            assert [error["field"] for error in answer.body["errors"]] == [field]
        beyond = await ana.ok(f"GET /v1/chats/{chat}/changes?since=999999")
        assert beyond == {"items": [], "rev": 0, "more": False}
        for seq in (-1, 2**60, "1", None):
            answer = await ana.call(f"POST /v1/chats/{chat}/read", {"seq": seq})
            assert is_problem(answer, 422, "validation_failed")

    run(scenario)


def forgeries(good: str, key: Any) -> dict[str, str]:
    """Tokens that look like `good` and must not count; `key` is the one that signed it."""
    header, claims = (
        jwt.get_unverified_header(good),
        jwt.decode(good, options={"verify_signature": False}),
    )
    kid = {"kid": header["kid"], "typ": header["typ"]}
    foreign = ec.generate_private_key(ec.SECP256R1())
    head, payload, signature = good.split(".")
    other = base64.urlsafe_b64encode(json.dumps({**claims, "sub": NOWHERE}).encode())
    none = base64.urlsafe_b64encode(json.dumps({**header, "alg": "none"}).encode())
    return {
        "no token": "",
        "not a token": "x.y.z",
        "another key": jwt.encode(claims, foreign, "ES256", headers=kid),
        "a symmetric alg": jwt.encode(claims, "x" * 32, "HS256", headers=kid),
        "alg none": f"{none.decode().rstrip('=')}.{payload}.",
        "other claims": f"{head}.{other.decode().rstrip('=')}.{signature}",
        "unknown kid": jwt.encode(
            claims, foreign, "ES256", headers={**kid, "kid": "../../dev/null"}
        ),
        "huge": "a" * 5000 + ".b.c",
        # From here on, one thing is wrong at a time.
        "expired": signed(key, kid, {**claims, "exp": int(time.time()) - 1}),
        "for others": signed(key, kid, {**claims, "aud": "elsewhere"}),
        "for us among others": signed(key, kid, {**claims, "aud": [claims["aud"], "elsewhere"]}),
        "by another issuer": signed(key, kid, {**claims, "iss": "https://elsewhere.example"}),
        "without an end": signed(key, kid, {n: v for n, v in claims.items() if n != "exp"}),
        "of another type": signed(key, {**kid, "typ": "JWT"}, claims),
        "of another session": signed(key, kid, {**claims, "sid": NOWHERE}),
        "of another user": signed(key, kid, {**claims, "sub": NOWHERE}),
    }


def signed(key: Any, header: dict[str, str], claims: dict[str, Any]) -> str:
    return jwt.encode(claims, key, "ES256", headers=header)


def signing_key(cloud: Cloud) -> Any:
    keys = json.loads(cloud.about["environment"]["JWT_KEYS"])["keys"]
    return jwt.PyJWK(keys[0], "ES256").key


def test_forged_tokens(run: Run, cloud: Cloud) -> None:
    key = signing_key(cloud)

    async def scenario(people: People) -> None:
        ana = await people.new()
        assert ana.token is not None
        for name, token in forgeries(ana.token, key).items():
            forged = User(ana.url, people.http, token)
            answer = await forged.call("GET /v1/users/me")
            assert answer.status == 401, name
            assert is_problem(answer, 401, "unauthorized")
            assert answer.headers["www-authenticate"].startswith("Bearer")
        given = jwt.get_unverified_header(ana.token)
        claims = jwt.decode(ana.token, options={"verify_signature": False})
        ours = signed(key, {"kid": given["kid"], "typ": given["typ"]}, {**claims, "jti": "x"})
        answer = await User(ana.url, people.http, ours).call("GET /v1/users/me")
        assert (answer.status, answer.body["id"]) == (200, ana.id), "or the above says nothing"
        for header in (f"Basic {ana.token}", ana.token, "Bearer", f"Bearer {ana.token} x"):
            answer = await people.anonymous.call(
                "GET /v1/users/me", headers={"Authorization": header}
            )
            assert answer.status == 401

    run(scenario)


def test_tickets_are_used_once_and_only_tickets_open_a_socket(run: Run, cloud: Cloud) -> None:
    async def scenario(people: People) -> None:
        ana = await people.new()
        ticket = await ana.ok("POST /v1/socket-tickets")
        assert ticket["expires_in"] <= 30
        address = f"{ticket['url']}?ticket={ticket['ticket']}"
        async with websockets.connect(address):
            pass
        for bad in (
            address,
            ticket["url"],
            f"{ticket['url']}?ticket=",
            f"{ticket['url']}?ticket={uuid.uuid4()}",
            f"{ticket['url']}?token={ana.token}",
            f"{ticket['url']}?access_token={ana.token}",
        ):
            with pytest.raises(websockets.InvalidStatus) as refused:
                await websockets.connect(bad)
            assert refused.value.response.status_code in (401, 403)
        headers = {"Authorization": f"Bearer {ana.token}"}
        async with websockets.connect(ticket["url"], additional_headers=headers) as native:
            await Socket(native).ask("ping")

    run(scenario)


def test_thousands_of_requests_from_one_session_are_slowed(run: Run) -> None:
    async def scenario(people: People) -> None:
        ana, bo = await people.new(), await people.new()
        statuses: dict[int, int] = {}
        waits: list[str] = []

        async def hammer(count: int) -> None:
            for _ in range(count):
                answer = await ana.call("GET /v1/users/me")
                statuses[answer.status] = statuses.get(answer.status, 0) + 1
                if answer.status == 429:
                    waits.append(answer.headers["retry-after"])

        # What is in flight at once is what a bucket must withstand; the rest is only patience.
        await asyncio.gather(*(hammer(125) for _ in range(20)))

        assert set(statuses) == {200, 429}
        assert sum(statuses.values()) == 2_500
        assert statuses[429] > 1_000
        assert all(int(wait) >= 1 for wait in waits)
        assert (await bo.call("GET /v1/users/me")).status == 200

    run(scenario)


def test_a_flood_of_frames_is_slowed_and_nobody_else_is(run: Run) -> None:
    async def scenario(people: People) -> None:
        ana, bo, chat = await people.pair()
        async with ana.socket() as a, bo.socket() as b:
            answers = await asyncio.gather(
                *(a.ask("ping") for _ in range(600)), return_exceptions=True
            )
            codes = {e.code for e in answers if isinstance(e, Refused)}
            assert codes == {"rate_limited"}
            assert await b.send(chat, "still here")

    run(scenario)


def test_a_socket_that_goes_on_beyond_its_limit_is_closed(run: Run) -> None:
    async def scenario(people: People) -> None:
        ana = await people.new()
        async with ana.socket() as a:
            for _ in range(30):
                frames = (a.ask("ping") for _ in range(100))
                await asyncio.gather(*frames, return_exceptions=True)
            assert await a.closed() is not None
        async with ana.socket() as again:
            await again.ask("ping")

    run(scenario)


def test_answers_tell_what_is_left(run: Run) -> None:
    async def scenario(people: People) -> None:
        ana, _, chat = await people.pair()
        left = []
        for n in range(2):
            body = {"client_id": f"c{n}", "content": TEXT}
            answer = await ana.call(f"POST /v1/chats/{chat}/messages", body)
            policies, limits = (
                answer.headers[name].split(", ") for name in ("ratelimit-policy", "ratelimit")
            )
            assert [one.split(";")[0] for one in policies] == [
                '"send-user"',
                '"send-session"',
                '"send-target"',
            ]
            left.append([int(one.split(";r=")[1].split(";")[0]) for one in limits])
        assert all(now <= before for before, now in zip(*left, strict=True))

    run(scenario)


def test_a_known_device_is_not_locked_out_by_guesses(run: Run) -> None:
    async def scenario(people: People) -> None:
        ana = await people.new("ana")
        right = {"login": ana.username, "password": PASSWORD, "device_key": uuid.uuid4().hex}
        await people.anonymous.ok("POST /v1/auth/login", right)
        wrong = {"login": ana.username, "password": "wrong guess"}
        for _ in range(12):
            refused = await people.anonymous.call("POST /v1/auth/login", wrong)
        assert is_problem(refused, 429, "rate_limited")
        assert int(refused.headers["retry-after"]) == refused.body["retry_after"]
        assert "ratelimit-policy" in refused.headers
        stranger = {**right, "device_key": uuid.uuid4().hex}
        assert (await people.anonymous.call("POST /v1/auth/login", stranger)).status == 429
        assert (await people.anonymous.call("POST /v1/auth/login", right)).status == 200

    run(scenario)


ACCOUNT = {
    "email": "ok@example.org",
    "username": "ok_name",
    "password": PASSWORD,
    "display_name": "Ok",
}


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"email": "nobody"}, "email"),
        ({"email": "a@b"}, "email"),
        ({"email": "x" * 250 + "@example.org"}, "email"),
        ({"username": "ab"}, "username"),
        ({"username": "a" * 33}, "username"),
        ({"username": "a b c"}, "username"),
        ({"username": "ana-é"}, "username"),
        ({"password": "short"}, "password"),
        ({"password": "é" * 600}, "password"),
        ({"password": "1234567890"}, "password"),
        ({"password": None}, "password"),
        ({"display_name": ""}, "display_name"),
        ({"display_name": "a\u202e\u0000"}, "display_name"),
        ({"role": "admin"}, "role"),
    ],
)
def test_g7_bad_registrations_are_answered_by_field(
    run: Run, change: dict[str, Any], field: str
) -> None:
    async def scenario(people: People) -> None:
        answer = await people.anonymous.call("POST /v1/auth/register", {**ACCOUNT, **change})
        assert is_problem(answer, 422, "validation_failed")
        assert [error["field"] for error in answer.body["errors"]] == [field]
        value = next(iter(change.values()))
        said = [error["message"] for error in answer.body["errors"]]
        assert not value or str(value) not in json.dumps(said)

    run(scenario)


def test_g7_a_taken_username_is_answered_and_a_taken_address_is_not(run: Run) -> None:
    async def scenario(people: People) -> None:
        ana = await people.new("ana")
        email = ana.signed_in["user"]["email"].upper()
        taken = {**ACCOUNT, "username": ana.username.upper(), "email": "new@example.org"}
        fresh = {**ACCOUNT, "username": f"x{uuid.uuid4().hex[:8]}", "email": email}

        refused = await people.anonymous.call("POST /v1/auth/register", taken)
        assert is_problem(refused, 409, "username_taken")
        assert (await people.anonymous.call("POST /v1/auth/register", fresh)).status == 201

    run(scenario)


def test_a_login_does_not_tell_whether_there_is_an_account(run: Run) -> None:
    async def scenario(people: People) -> None:
        ana = await people.new("ana")
        answers = [
            await people.anonymous.call(
                "POST /v1/auth/login", {"login": login, "password": "wrong wrong wrong"}
            )
            for login in (ana.username, f"nobody_{uuid.uuid4().hex[:8]}")
        ]
        for answer in answers:
            assert is_problem(answer, 401, "invalid_credentials")
        bodies = [{**answer.body, "request_id": ""} for answer in answers]
        assert bodies[0] == bodies[1]

    run(scenario)


def test_guessing_a_password_is_slowed(run: Run) -> None:
    async def scenario(people: People) -> None:
        ana = await people.new("ana")
        guesses = [
            await people.anonymous.call(
                "POST /v1/auth/login", {"login": ana.username, "password": f"wrong guess {n}"}
            )
            for n in range(15)
        ]
        assert [g.status for g in guesses[:10]] == [401] * 10
        assert {g.status for g in guesses[11:]} == {429}
        assert int(guesses[-1].headers["retry-after"]) > 0

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
