"""The package runs as Lambda runs it: AWS's runtime client, real servers, nothing else around."""

import asyncio
import hashlib
import io
import json
import secrets
import uuid
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit
from zipfile import ZipFile

import aiohttp
import httpx
import psycopg
import pytest

from bench.function import Caller, failure, message
from local.functions import events
from local.servers.postgres import Postgres
from tests.client import PASSWORD, User, register
from tests.cloud import Cloud
from tests.deploy.conftest import Start
from tests.deploy.runtime.callers import Ana, batch, typical_events
from tests.deploy.runtime.deployment import Deployment, own
from tests.deploy.runtime.runtime_api import FunctionFailed
from tests.unit.auth.passkeys.authenticator import Authenticator

PATIENCE = 60.0
SDKS = {
    "argon2", "authlib", "boto3", "botocore", "chalicelib.schema", "cryptography.hazmat",
    "fido2", "firebase_admin", "google.auth", "httpx", "jwt", "pika", "psycopg", "pymongo", "pyotp",
    "redis", "requests", "yoyo", "zxcvbn",
}  # fmt: skip
CHATS = {"cryptography.hazmat", "pymongo"}  # pymongo loads the former wherever it finds it
USES = {
    "GET /v1/health": set(),
    "GET /v1/users/me": {"cryptography.hazmat", "jwt", "psycopg", "redis"},
    "$connect": {"redis"},
    "ping": {"redis"},
    "message.send": CHATS | {"pika", "redis"},
    "$disconnect": {"redis"},
    "notify": CHATS
    | {"firebase_admin", "google.auth", "httpx", "pika", "psycopg", "redis", "requests"},
    "redeliver_pending": CHATS | {"psycopg", "redis"},
    "push_overdue": CHATS | {"redis"},
    "purge_sessions": {"psycopg", "redis"},
    "send_mails": {"psycopg", "redis"},
    "make_exports": {"psycopg"},
    "maintain": CHATS | {"chalicelib.schema", "pika", "psycopg", "yoyo"},
}
"""By a typical event of each function: what handling it needs, and no more. Migrations are read by
`chalicelib.schema`, and by nothing but maintenance."""


@pytest.fixture(scope="module")
def deployed(start: Start) -> Deployment:
    """As it would be on AWS, with shorter waits."""
    return start(PENDING_AFTER_SECONDS="1", DELIVERED_WITHIN_SECONDS="1")


@pytest.fixture(scope="module")
def ana(deployed: Deployment) -> Ana:
    return Ana(deployed)


Run = Callable[[Callable[[User], Awaitable[Any]]], Any]


@pytest.fixture
def with_bo(cloud: Cloud) -> Run:
    """Runs a scenario with Bo, who has a real socket to the local gateway, and a phone."""

    def run(scenario: Callable[[User], Awaitable[Any]]) -> Any:
        async def whole() -> Any:
            async with aiohttp.ClientSession() as http, asyncio.timeout(180):
                return await scenario(await register(cloud.http_url, http, "bo"))

        return asyncio.run(whole())

    return run


async def phone_of(user: User) -> str:
    token = f"phone-{uuid.uuid4().hex}"
    body = {"token": token, "platform": "android"}
    await user.ok("PUT /v1/users/me/push-tokens/phone", body)
    return token


async def push_to(user: User, token: str, message_id: str) -> Any:
    """The push of a message, as soon as it is there."""
    async with asyncio.timeout(PATIENCE):
        while True:
            for push in (await user.ok("GET /_local/pushes"))["items"]:
                if push["token"] == token and push["data"]["message_id"] == message_id:
                    return push
            await asyncio.sleep(0.1)


async def call(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a packaged function while sockets go on being read."""
    return await asyncio.to_thread(function, *arguments)


class TestRest:
    def test_people_register_and_sign_in(self, deployed: Deployment) -> None:
        username = f"cy_{secrets.token_hex(5)}"
        registered = deployed.register(username)

        body = {"login": username, "password": PASSWORD}
        signed_in = deployed.rest("POST /v1/auth/login", body)

        assert signed_in.status == 200
        me = deployed.rest("GET /v1/users/me", token=signed_in.body["access_token"])
        assert me.body["id"] == registered["user"]["id"]

    def test_people_sign_in_by_passkey(self, deployed: Deployment, cloud: Cloud) -> None:
        registered = deployed.register(f"di_{secrets.token_hex(5)}")
        settings = cloud.about["environment"]
        key = Authenticator(origin=settings["PASSKEY_ORIGINS"], rp_id=settings["PASSKEY_RP_ID"])
        token, route = registered["access_token"], "/v1/auth/passkeys"
        proof = {"password": PASSWORD}
        begun = deployed.rest(f"POST {route}/begin", proof, token=token)
        new = {"name": "Key", "credential": key.make(begun.body["options"])}
        assert deployed.rest(f"POST {route}", new, token=token).status == 201
        begun = deployed.rest("POST /v1/auth/login/passkey/begin")

        answer = {"credential": key.answer(begun.body["options"])}
        signed_in = deployed.rest("POST /v1/auth/login/passkey", answer)
        key.origin = "https://localhost"
        begun = deployed.rest("POST /v1/auth/login/passkey/begin")
        refused = deployed.rest(
            "POST /v1/auth/login/passkey", {"credential": key.answer(begun.body["options"])}
        )

        assert (signed_in.status, refused.status) == (200, 401)
        assert signed_in.body["user"]["id"] == registered["user"]["id"]

    def test_people_sign_in_with_google(self, deployed: Deployment, cloud: Cloud) -> None:
        username, nonce = f"ed_{secrets.token_hex(5)}", secrets.token_hex(24)
        start = deployed.rest("GET /v1/auth/google").body
        asked = {
            "client_id": start["client_id"],
            "redirect_uri": cloud.http_url,
            "response_type": "id_token",
            "scope": "openid email",
            "nonce": hashlib.sha256(nonce.encode()).hexdigest(),
            "email": f"{username}@gmail.com",
        }
        chosen = start["authorization_endpoint"].replace("/authorize", "/choose")
        back = urlsplit(httpx.get(chosen, params=asked).headers["Location"])
        given = {"id_token": parse_qs(back.fragment)["id_token"][0], "nonce": nonce}

        asked_back = deployed.rest("POST /v1/auth/google", given)
        signed_in = deployed.rest("POST /v1/auth/google", {**given, "username": username})

        assert (asked_back.status, asked_back.body["code"]) == (409, "username_required")
        assert (signed_in.status, signed_in.body["user"]["username"]) == (200, username)

    def test_people_export_their_data(self, deployed: Deployment) -> None:
        username = f"flo_{secrets.token_hex(5)}"
        token, proof = deployed.register(username)["access_token"], {"password": PASSWORD}
        route = "POST /v1/users/me/export"
        assert deployed.rest(route, proof, token=token).status == 202

        deployed.function("make_exports").invoke(events.schedule("make_exports"))

        link = deployed.rest(f"{route}/link", proof, token=token)
        archive = httpx.get(link.body["url"], follow_redirects=True)
        assert archive.status_code == 200
        with ZipFile(io.BytesIO(archive.content)) as files:
            (profile,) = json.loads(files.read("account.json"))["profile"]
        assert profile["username"] == username

    def test_a_stranger_is_refused(self, deployed: Deployment) -> None:
        refused = deployed.rest("GET /v1/users/me", token="nobody's")

        assert refused.status == 401
        assert "www-authenticate" in refused.headers

    def test_programs_of_others_get_tokens(self, deployed: Deployment) -> None:
        client = {"name": "Board", "scopes": ["tokens.introspect"], "confidential": True}
        order = {"task": "oauth-client", "client": client}
        program = deployed.function("maintain").invoke(order)
        form = {
            "grant_type": "client_credentials",
            "client_id": program["client_id"],
            "client_secret": program["client_secret"],
        }

        answer = deployed.form("POST /oauth2/token", form)
        token = answer.body["access_token"]
        told = deployed.form("POST /oauth2/introspect", {**form, "token": token})

        assert (answer.status, told.body["active"]) == (200, True)
        assert told.body["sub"] == program["client_id"]

    def test_what_is_not_there_is_not_found(self, deployed: Deployment, ana: Ana) -> None:
        path = "/v1/chats/019ab1b6-5f3e-7cc0-8000-000000000000"

        missing = deployed.rest(f"GET {path}", token=ana.token, resource="/v1/chats/{chat_id}")

        assert (missing.status, missing.body["code"]) == (404, "chat_not_found")

    def test_all_servers_are_reached(self, deployed: Deployment) -> None:
        ready = deployed.rest("GET /v1/ready")

        assert (ready.status, ready.body["status"]) == (200, "ok")


class TestSockets:
    def test_one_without_a_ticket_is_refused(self, deployed: Deployment) -> None:
        assert deployed.connect(Caller("stranger="), "made-up") == 401

    def test_one_with_a_bearer_is_let_in_by_a_function_that_cannot_sign(
        self, deployed: Deployment, ana: Ana
    ) -> None:
        event = Caller(f"{uuid.uuid4().hex}=").connect("")
        del event["queryStringParameters"]
        event["headers"] = {"Authorization": f"Bearer {ana.token}"}
        connect = deployed.function("websocket_connect")

        assert "JWT_KEYS" not in own("websocket_connect", {"JWT_KEYS": "{}"})
        assert connect.invoke(event)["statusCode"] == 200
        event["headers"] = {"Authorization": f"Bearer {ana.token}x"}
        assert connect.invoke(event)["statusCode"] == 401

    def test_one_that_is_open_is_answered(self, deployed: Deployment, ana: Ana) -> None:
        answer = deployed.ask(ana.connect(), "ping", {})

        assert (answer["re"], "error" in answer) == ("1", False)

    def test_a_message_reaches_the_other_ones_socket(
        self, deployed: Deployment, ana: Ana, with_bo: Run
    ) -> None:
        async def scenario(bo: User) -> None:
            async with bo.socket() as socket:
                sent = message(await call(ana.chat_with, bo.id))
                answer = await call(deployed.ask, ana.connect(), "message.send", sent)
                assert await socket.event("message.new") == answer["data"]

        with_bo(scenario)

    def test_one_that_is_closed_is_forgotten(self, deployed: Deployment, ana: Ana) -> None:
        caller = ana.connect()
        event = events.Socket(ana.connection_id, "127.0.0.1").disconnect(1000, "")
        deployed.function("websocket_disconnect").invoke(json.loads(event))

        answer = deployed.ask(caller, "ping", {})

        assert answer["error"]["code"] == "unauthorized"


class TestQueue:
    def test_a_batch_ends_in_a_push(self, deployed: Deployment, ana: Ana, with_bo: Run) -> None:
        async def scenario(bo: User) -> None:
            phone = await phone_of(bo)
            chat_id = await call(ana.chat_with, bo.id)
            message_id, event = batch(seq=9, chat_id=chat_id, sender_id=ana.id, user_id=bo.id)
            await call(deployed.function("notify").invoke, event)
            push = await push_to(bo, phone, message_id)
            assert (push["title"], push["body"]) == ("Ana", "are you there?")

        with_bo(scenario)

    def test_what_is_no_batch_is_an_error_that_lambda_sees(self, deployed: Deployment) -> None:
        with pytest.raises(FunctionFailed, match="InvocationFailed"):
            deployed.function("notify").invoke({})


class TestSchedules:
    def test_what_was_left_pending_is_delivered(
        self, deployed: Deployment, ana: Ana, with_bo: Run, start: Start
    ) -> None:
        without_queue = start(AMQP_URL="amqp://127.0.0.1:1")

        async def scenario(bo: User) -> None:
            phone = await phone_of(bo)
            sent = message(await call(ana.chat_with, bo.id))
            answer = await call(without_queue.ask, ana.connect(), "message.send", sent)
            await asyncio.sleep(1.1)
            await call(
                deployed.function("redeliver_pending").invoke, events.schedule("redeliver_pending")
            )
            await push_to(bo, phone, answer["data"]["id"])

        with_bo(scenario)

    def test_what_a_socket_swallowed_is_pushed(
        self, deployed: Deployment, ana: Ana, with_bo: Run
    ) -> None:
        async def scenario(bo: User) -> None:
            phone = await phone_of(bo)
            sent = message(await call(ana.chat_with, bo.id))
            async with bo.socket() as socket:
                answer = await call(deployed.ask, ana.connect(), "message.send", sent)
                await socket.event("message.new")
                await asyncio.sleep(1.1)
                await call(
                    deployed.function("push_overdue").invoke, events.schedule("push_overdue")
                )
                await push_to(bo, phone, answer["data"]["id"])

        with_bo(scenario)

    def test_sessions_are_purged(self, deployed: Deployment) -> None:
        deployed.function("purge_sessions").invoke(events.schedule("purge_sessions"))

        assert "sessions purged" in [line["message"] for line in deployed.log("purge_sessions")]


class TestMaintenance:
    def test_new_servers_get_what_the_code_expects_and_keep_it(
        self, empty: dict[str, str], start: Start
    ) -> None:
        maintain = start(**empty).function("maintain")

        assert maintain.invoke({"task": "migrate"}) == {"done": True}
        assert maintain.invoke({"task": "migrate"}) == {"done": True}

        with psycopg.connect(empty["POSTGRES_URL"]) as connection:
            assert connection.execute("SELECT count(*) FROM users").fetchone() == (0,)

    def test_functions_get_an_account_that_owns_nothing(
        self, empty: dict[str, str], start: Start, cloud: Cloud
    ) -> None:
        owner = empty["POSTGRES_URL"]
        administration = Postgres.administration(urlsplit(owner).port or 5432, cloud.state)
        with psycopg.connect(administration, autocommit=True) as connection:
            connection.execute(f"ALTER ROLE {urlsplit(owner).username} CREATEROLE".encode())
        host = urlsplit(owner).netloc.rpartition("@")[2]
        url = urlsplit(owner)._replace(netloc=f"parley_app_9:secret@{host}").geturl()
        given = {**empty, "POSTGRES_URL": url, "POSTGRES_ADMIN_URL": owner}
        maintain = start(**given).function("maintain")

        assert maintain.invoke({"task": "migrate"}) == {"done": True}
        api = start(**{**given, "MESSAGES_URL": url})
        assert api.register(f"gil_{secrets.token_hex(5)}")["access_token"]
        assert maintain.invoke({"task": "retire"}) == {"retired": []}

        with (
            psycopg.connect(url) as connection,
            pytest.raises(psycopg.errors.InsufficientPrivilege),
        ):
            connection.execute("DROP TABLE push_tokens")

    def test_servers_are_checked(self, deployed: Deployment) -> None:
        checked = deployed.function("maintain").invoke({"task": "check"})

        states = {state["status"] for state in checked["dependencies"].values()}
        assert states == {"ok"}

    def test_pushes_that_were_laid_aside_are_tried_again(self, deployed: Deployment) -> None:
        redriven = deployed.function("maintain").invoke({"task": "redrive", "limit": 10})

        assert redriven.keys() == {"moved", "left"}

    def test_what_is_no_task_is_an_error_that_the_deploy_sees(self, deployed: Deployment) -> None:
        with pytest.raises(FunctionFailed, match="This is not a task"):
            deployed.function("maintain").invoke({"task": "destroy"})


def test_no_function_imports_an_sdk_that_it_does_not_use(start: Start, ana: Ana) -> None:
    found = {}
    for what, (name, event) in typical_events(ana).items():
        deployment = start(trace_imports=True)
        function = deployment.function(name)
        assert failure(function.invoke(event)) is None
        found[what] = SDKS & function.imported()
        deployment.stop()

    assert found == USES
