"""A cold start pays only for what its function uses: entering loads no SDK, an event its own."""

import os
import subprocess
import sys
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

import app as application
from local import keys
from local.functions.worker import describe
from tests.unit.settings import ENVIRONMENT

ROOT = Path(__file__).resolve().parents[3]

SDKS = {
    "argon2", "authlib", "boto3", "botocore", "cryptography", "fido2", "firebase_admin", "google",
    "jwt",
    "pika", "psycopg", "pymongo", "pyotp", "redis", "requests", "urllib3", "yoyo", "zxcvbn",
}  # fmt: skip

# Both drivers load cryptography, for what we do not use of them.
REDIS = {"cryptography", "redis"}
MONGODB = {"cryptography", "pymongo"}
FCM = {"cryptography", "firebase_admin", "google", "requests", "urllib3"}

# What each event loads, and what stands between it and the servers: the drivers' own objects
# are built, and nothing is asked of them.
EVENTS: dict[str, tuple[set[str], str, str]] = {
    "a request that needs nothing": (set(), "", "request('/v1/health')"),
    "a request that is refused": (
        REDIS | {"jwt"},
        "",
        "request('/v1/chats')",
    ),
    "a request for chats": (
        REDIS | MONGODB | {"jwt"},
        "deps.auth.admit = lambda *_: (identity, []); deps.message_store.chats.page = nothing;"
        "deps.access_tokens",
        "request('/v1/chats')",
    ),
    "a sign-in by passkey": (
        REDIS | {"argon2", "fido2", "jwt", "psycopg"},
        "deps.access_tokens",
        "request('/v1/auth/login/passkey/begin', 'POST')",
    ),
    "a program that asks for tokens": (
        REDIS | {"authlib", "jwt", "psycopg"},
        "deps.throttle.anonymous = lambda _: [];deps.access_tokens",
        "request('/oauth2/token', 'POST', 'grant_type=none', FORM)",
    ),
    "a program that pushes": (
        REDIS | FCM | {"jwt", "psycopg"},
        "program = Program(id=C, scopes=frozenset({'push.send'}));"
        "deps.programs.admit = lambda *_: (program, []);"
        "deps.devices.push_targets = targets; deps.access_tokens",
        "request('/v1/push', 'POST', json.dumps({'user_ids': [A], 'title': 'x', 'body': 'x'}))",
    ),
    "a socket that opens": (
        REDIS,
        "deps.auth.redeem_ticket = lambda _: identity; deps.auth.still_valid = lambda _: True;"
        "deps.connections.open = nothing; deps.connections.watchers = lambda users: [[]]",
        "app.ws_connect(frame(None), None)",
    ),
    "a socket that closes": (
        REDIS,
        "deps.connections.forget = lambda _: None",
        "app.ws_disconnect(frame(None), None)",
    ),
    "a frame that sends": (
        REDIS | MONGODB | {"pika"},
        "deps.connections.admit = caller; deps.message_store.timeline.append = store;"
        "deps.message_store.outbox.settle = nothing; deps.gateway.deliver = delivery(set());"
        "deps.broker.finish = nothing",
        "app.ws_message(frame('message.send', SEND), None)",
    ),
    "a frame that sends to somebody absent": (
        REDIS | MONGODB | {"pika"},
        "deps.connections.admit = caller; deps.message_store.timeline.append = store;"
        "deps.message_store.outbox.settle = nothing; deps.gateway.deliver = delivery({B});"
        "deps.broker.finish = nothing",
        "app.ws_message(frame('message.send', SEND), None)",
    ),
    "redeliver_pending": (
        REDIS | MONGODB | {"psycopg"},
        "deps.session_store.revoked_within = nothing; deps.message_store.outbox.pending = nothing;"
        "deps.message_store.timeline.now = lambda: NOW;"
        "deps.domain_events.publish_left = deps.publisher.publish_left = lambda: 0",
        "chalicelib.messages.jobs.redeliver_pending(SCHEDULED, None)",
    ),
    "push_overdue": (
        REDIS | MONGODB,
        "deps.connections.claim_overdue = nothing",
        "chalicelib.messages.jobs.push_overdue(SCHEDULED, None)",
    ),
    "purge_sessions": (
        REDIS | {"psycopg"},
        "deps.session_store.purge_sessions = lambda *_: 0; deps.recovery.purge = lambda: 0;"
        "deps.admin.forget_addresses = lambda: 0",
        "chalicelib.auth.sessions.jobs.purge_sessions(SCHEDULED, None)",
    ),
    "send_mails": (
        REDIS | {"psycopg"},
        "deps.mail_store.claim = deps.notice_store.claim = nothing",
        "chalicelib.mail.jobs.send_mails(SCHEDULED, None)",
    ),
    "make_exports": (
        {"psycopg"},
        "deps.export_store.claim = lambda *_, **__: None",
        "chalicelib.exports.jobs.make_exports(SCHEDULED, None)",
    ),
    "notify": (
        REDIS | MONGODB | FCM | {"pika", "psycopg"},
        "deps.broker.bury = nothing",
        "chalicelib.notify.worker.notify(BATCH, None)",
    ),
    "maintain: check": (
        REDIS | MONGODB | {"pika", "psycopg"},
        "deps.postgres.ping = deps.message_store.ping = deps.connections.ping = nothing;"
        "deps.broker.ping = nothing",
        "chalicelib.maintenance.maintain({'task': 'check'}, None)",
    ),
    "maintain: grant": (
        REDIS | {"psycopg"},
        "deps.admin.appoint = lambda *_: A",
        "chalicelib.maintenance.maintain("
        "{'task': 'grant', 'username': 'ana', 'role': 'admin'}, None)",
    ),
    "maintain: redrive": (
        {"pika"},
        "deps.broker.redrive = redriven",
        "chalicelib.maintenance.maintain({'task': 'redrive'}, None)",
    ),
}

PRELUDE = """
import json
import sys
import app
import chalicelib.auth.sessions.jobs, chalicelib.mail.jobs, chalicelib.maintenance
import chalicelib.messages.jobs
import chalicelib.notify.worker
from chalicelib.identity import Identity
from chalicelib.identity import Program
from chalicelib.deps import deps
from chalicelib.messages.models.changes import Stored
from chalicelib.wire import now

NOW = now()
A, B, C = (f"00000000-0000-7000-8000-00000000000{n}" for n in range(3))
SEND = {"chat_id": C, "client_id": "x", "content": {"kind": "text", "text": "hi"}}
SCHEDULED = {key: None for key in ("version", "account", "region", "detail", "detail-type",
                                   "source", "time", "id", "resources")}
BATCH = {"rmqMessagesByQueue": {"push.0::/": [{"basicProperties": {}, "data": "e30h"}]}}
identity = Identity(user_id=A, session_id="s", connection_id="c",
                    scopes=frozenset({"chats.read", "chats.write"}))

def nothing(*_, **__): return []
def caller(*_):
    from chalicelib.live.connections import Caller
    return Caller(user_id=A, session_id="s", connection_id="c", scopes=identity.scopes)
def store(new, **_): return Stored(new.at(1, NOW), [A, B], created=True, pending=True)
def delivery(unreached):
    from chalicelib.live.gateway import DeliveryResult
    return lambda *_, **__: DeliveryResult(unreached, False)
def redriven(_):
    from chalicelib.broker.publisher import Redriven
    return Redriven(0, 0)

def targets(*_):
    from chalicelib.users.device_models import PushTargets
    return PushTargets([], {})

FORM = "application/x-www-form-urlencoded"

def request(path, method="GET", body=None, kind="application/json"):
    context = {"httpMethod": method, "resourcePath": path, "identity": {}}
    headers = {"authorization": "Bearer x", "content-type": kind}
    return app.app({"requestContext": context, "headers": headers,
        "pathParameters": None, "multiValueQueryStringParameters": None, "body": body,
        "stageVariables": None}, None)

def frame(action, data=None):
    context = {"domainName": "x", "stage": "api", "apiId": "a", "connectionId": "c"}
    body = json.dumps({"id": "1", "action": action, "data": data})
    return {"requestContext": context, "body": body, "queryStringParameters": {"ticket": "t"}}

def must(answer):
    if answer and "statusCode" in answer:
        assert answer["statusCode"] in (200, 400, 401), answer
        assert '"error":{' not in (answer.get("body") or ""), answer
"""


def loaded(code: str, **environment: str) -> set[str]:
    """The SDKs that a process has loaded after some code."""
    printed = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys; print('LOADED', *sys.modules)"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert printed.returncode == 0, printed.stderr
    return SDKS & set(printed.stdout.rpartition("LOADED")[2].split())


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Settings that are whole, and name no server that answers."""
    made = keys.load(tmp_path_factory.mktemp("keys"))
    return {
        **ENVIRONMENT,
        "PASSKEY_RP_ID": "example.com",
        "PASSKEY_ORIGINS": "https://example.com",
        "AWS_REGION": "us-east-1",
        "JWT_KEYS": made.jwks,
        "FCM_CREDENTIALS": made.service_account.to_json("http://127.0.0.1:1/token"),
    }


def entries() -> list[str]:
    found = describe(application.app)
    handlers = [*found["functions"], *(one["handler"] for one in found["schedules"])]
    return ["app", *(handler.rpartition(".")[0] for handler in handlers)]


def test_every_function_is_known_here() -> None:
    found = describe(application.app)

    names = {*found["functions"].values(), *(one["name"] for one in found["schedules"])}
    assert names == {
        "maintain",
        "notify",
        "redeliver_pending",
        "push_overdue",
        "purge_sessions",
        "send_mails",
        "make_exports",
    }
    assert {event.partition(":")[0] for event in EVENTS} >= names


@pytest.mark.parametrize("entry", sorted(set(entries())))
def test_entering_a_function_loads_no_sdk(entry: str) -> None:
    assert loaded(f"import {entry}") == set()


@pytest.fixture(scope="module")
def handled(environment: dict[str, str]) -> dict[str, Future[set[str]]]:
    """What was loaded after each event, in a process of its own each."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return {
            event: pool.submit(loaded, f"{PRELUDE}\n{prepared}\nmust({call})", **environment)
            for event, (_, prepared, call) in EVENTS.items()
        }


@pytest.mark.parametrize("event", EVENTS)
def test_an_event_loads_the_sdks_that_it_needs_and_no_others(
    event: str, handled: dict[str, Future[set[str]]]
) -> None:
    needed, _, _ = EVENTS[event]

    assert handled[event].result() == needed


def test_a_socket_that_closes_does_not_build_what_checks_sessions(
    environment: dict[str, str],
) -> None:
    _, prepared, call = EVENTS["a socket that closes"]
    check = "assert 'auth' not in vars(deps)"

    loaded(f"{PRELUDE}\n{prepared}\nmust({call})\n{check}", **environment)
