"""What the functions print: log lines with ids, then what was counted, and no secrets (G8)."""

import base64
import json
import logging
import traceback
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

import app as application
from chalicelib import logs, metrics
from chalicelib.auth.sessions.jobs import purge_sessions
from chalicelib.broker.pushes import shard_of
from chalicelib.deps import deps
from chalicelib.domain_events.service import DomainEvents
from chalicelib.edge.invocation import InvocationFailed
from chalicelib.errors import Unavailable
from chalicelib.live.connections import Caller, Connections
from chalicelib.live.models import Owed
from chalicelib.messages.jobs import push_overdue, redeliver_pending
from chalicelib.messages.models.chats import Chat
from chalicelib.notify.models import Outcome
from chalicelib.notify.worker import notify
from chalicelib.wire import now
from tests.fake_message_store import FakeMessageStore
from tests.fakes import FakeEventOutbox
from tests.messaging import Messaging
from tests.unit.auth.sessions.test_jobs import EVENT as SCHEDULED
from tests.unit.embedded import Point, points
from tests.unit.messages.fakes import FakeBroker, FakeGateway, FakeUsers
from tests.unit.messages.people import ANA_ID, BO_ID, draft
from tests.unit.notify import test_service as notifying
from tests.unit.settings import ENVIRONMENT, settings

TEXT = "meet me at the old bridge"
TRACE = "1-5759e988-bd862e3fe1be46a994272793"
CONTEXT = SimpleNamespace(aws_request_id="lambda-1", function_name="parley-dev")
STAGE = (("Stage", "dev"),)


class FakeConnections(Connections):
    """Lets one identity in; somebody may owe an acknowledgement."""

    def __init__(self) -> None:
        self.overdue: list[Owed] = []

    def admit(self, connection_id: str, use: Any = None) -> Caller:
        scopes = frozenset({"chats.read", "chats.write"})
        return Caller(user_id=ANA_ID, session_id="s", connection_id="c1", scopes=scopes)

    def claim_overdue(self, limit: int) -> list[Owed]:
        claimed, self.overdue = self.overdue, []
        return claimed

    def settle(self, owed: Any, *, rest_is_overdue: bool = False) -> None: ...

    def pushed(self, message_id: str) -> set[str]:
        return set()

    def note_pushed(self, message_ids: Any, user_ids: Any) -> None: ...


class FakeAuth:
    """Lets everybody in, as the same one."""

    def finish_revoked(self) -> int:
        return 0

    def admit(self, authorization: str, use: Any) -> Any:
        return FakeConnections().admit(""), []


class World:
    """The messages service on fakes, in place of what the functions would build."""

    def __init__(self) -> None:
        self.store = FakeMessageStore()
        self.gateway = FakeGateway([ANA_ID])
        self.broker = FakeBroker()
        self.connections = FakeConnections()
        self.outbox = FakeEventOutbox()
        users: Any = FakeUsers([ANA_ID, BO_ID])
        self.messages = Messaging(
            settings(pending_after_seconds=1),
            store=self.store,
            connections=self.connections,
            gateway=self.gateway,
            broker=lambda: self.broker,
            users=lambda: users,
        )
        self.ana = self.connections.admit("")
        self.chat: Chat = self.messages.opening.open_direct(self.ana, BO_ID)[0]


@pytest.fixture(autouse=True)
def printing(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Log as a function does: to the stdout of this test."""
    monkeypatch.setenv("_X_AMZN_TRACE_ID", f"Root={TRACE};Parent=557abcec3ee5a047;Sampled=1")
    monkeypatch.setenv("AWS_REGION", "us-east-1")  # as Lambda does
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    yield
    logs.enter()
    logs.set_level("INFO")
    metrics.begin()


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    world = World()
    for name, value in {
        "settings": settings(stage="dev"),
        "sending": world.messages.sending,
        "publisher": world.messages.publisher,
        "redelivery": world.messages.redelivery,
        "connections": world.connections,
        "auth": FakeAuth(),
        "domain_events": DomainEvents(settings(), outbox=world.outbox, broker=lambda: world.broker),
    }.items():
        monkeypatch.setitem(vars(deps), name, value)
    return world


class Printed:
    """What came out: log lines and metrics, each line of stdout being one of both."""

    def __init__(self, text: str) -> None:
        self.text = text
        lines = text.splitlines()
        counted = [line.startswith('{"_aws"') for line in lines]
        assert counted == sorted(counted), "metrics are printed at the end"
        first = counted.index(True) if True in counted else len(lines)
        self.logs: list[dict[str, Any]] = [json.loads(line) for line in lines[:first]]
        self.metrics = [point for line in lines[first:] for point in points(line)]

    def about_the_request(self) -> set[tuple[str, str, str]]:
        return {(one["request_id"], one["trace_id"], one["function"]) for one in self.logs}


@pytest.fixture
def printed(capsys: pytest.CaptureFixture[str]) -> Any:
    return lambda: Printed(capsys.readouterr().out)


def rest(path: str, body: Any, **parameters: str) -> dict[str, Any]:
    event = {
        "multiValueQueryStringParameters": None,
        "headers": {"authorization": "Bearer hunter2", "content-type": "application/json"},
        "pathParameters": parameters,
        "requestContext": {"httpMethod": "POST", "resourcePath": path, "requestId": "api-1"},
        "body": json.dumps(body),
        "stageVariables": None,
    }
    answer: dict[str, Any] = application.app(event, CONTEXT)
    return answer


SOCKET = {
    "domainName": "x",
    "stage": "api",
    "apiId": "a",
    "connectionId": "c1",
    "requestId": "api-2",
}


def frame(action: str, data: Any) -> Any:
    body = json.dumps({"id": "1", "action": action, "data": data})
    return application.ws_message({"requestContext": SOCKET, "body": body}, CONTEXT)


def a_draft() -> dict[str, Any]:
    return draft(TEXT).model_dump(mode="json")


class TestARequest:
    def test_counts_what_it_stored(self, world: World, printed: Any) -> None:
        answer = rest("/v1/chats/{chat_id}/messages", a_draft(), chat_id=world.chat.id)

        assert answer["statusCode"] == 201
        out = printed()
        assert out.metrics == [Point("MessagesStored", 1, "Count", STAGE)]
        assert out.logs == [], "a request that succeeded needs no log line"

    def test_logs_ids_and_no_text_during_an_outage(self, world: World, printed: Any) -> None:
        world.broker.sick = True

        answer = rest("/v1/chats/{chat_id}/messages", a_draft(), chat_id=world.chat.id)

        assert answer["statusCode"] == 201
        out = printed()
        assert out.about_the_request() == {("api-1", TRACE, "parley-dev")}
        assert [one.name for one in out.metrics] == [
            "MessagesStored",
            "LeftPending",
            "DependencyUnavailable",
            "DependencyUnavailable",
        ]
        assert out.metrics[-1].dimensions == (*STAGE, ("Dependency", "rabbitmq"))
        assert TEXT not in out.text
        assert "hunter2" not in out.text

    def test_does_not_count_messages_of_the_previous_request(
        self, world: World, printed: Any
    ) -> None:
        for _ in range(2):
            rest("/v1/chats/{chat_id}/messages", a_draft(), chat_id=world.chat.id)

        assert [one.value for one in printed().metrics] == [1], "the second is a resend"

    def test_needs_settings_and_says_which_are_missing(
        self, monkeypatch: pytest.MonkeyPatch, printed: Any
    ) -> None:
        for name in ENVIRONMENT:
            monkeypatch.delenv(name, raising=False)
        for name in list(vars(deps)):
            monkeypatch.delitem(vars(deps), name)

        answer = rest("/v1/chats", {})

        assert answer["statusCode"] == 500
        (line,) = printed().logs
        assert "POSTGRES_URL: Field required" in line["reason"]
        assert line["request_id"] == "api-1"

    def test_waits_for_settings_whose_secrets_cannot_be_read_now(
        self, monkeypatch: pytest.MonkeyPatch, printed: Any
    ) -> None:
        monkeypatch.setenv("SECRETS", "one")
        monkeypatch.setenv("SECRETS_URL", "http://127.0.0.1:9")
        for name in list(vars(deps)):
            monkeypatch.delitem(vars(deps), name)

        answer = rest("/v1/chats", {})

        assert answer["statusCode"] == 503
        assert answer["headers"]["Retry-After"]
        assert [one["dependency"] for one in printed().logs] == ["secrets"]


class TestAFrame:
    def test_counts_what_it_stored(self, world: World, printed: Any) -> None:
        answer = frame("message.send", {**a_draft(), "chat_id": world.chat.id})

        assert TEXT in answer["body"]
        out = printed()
        assert out.metrics == [Point("MessagesStored", 1, "Count", STAGE)]
        assert TEXT not in out.text

    def test_tells_its_ids(self, world: World, printed: Any) -> None:
        world.gateway.sick = True

        frame("message.send", {**a_draft(), "chat_id": world.chat.id})

        assert printed().about_the_request() == {("api-2", TRACE, "parley-dev")}


class TestASchedule:
    def test_tells_the_age_of_the_outbox_also_when_it_is_empty(
        self, world: World, printed: Any
    ) -> None:
        redeliver_pending(SCHEDULED, CONTEXT)

        assert printed().metrics == [
            Point("EventsAge", 0, "Seconds", STAGE),
            Point("OutboxAge", 0, "Seconds", STAGE),
        ]

    def test_counts_what_it_delivered(
        self, world: World, printed: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        world.broker.sick = True
        world.messages.sending.send(world.ana, world.chat.id, draft(TEXT))
        world.broker.sick = False
        metrics.begin()
        later = now() + timedelta(minutes=1)
        (left,) = world.store.outbox.pending(before=later, limit=9)
        monkeypatch.setattr(world.store.timeline, "now", lambda: later)

        redeliver_pending(SCHEDULED, CONTEXT)

        out = printed()
        _, age, delivered = out.metrics
        assert age.name == "OutboxAge"
        assert age.value == (later - left.at).total_seconds()
        assert delivered == Point("Redelivered", 1, "Count", STAGE)
        assert TEXT not in out.text

    def test_counts_what_it_pushed(self, world: World, printed: Any) -> None:
        world.messages.sending.send(world.ana, world.chat.id, draft(TEXT))
        world.connections.overdue = [Owed(BO_ID, world.chat.id, 1, since=1)]
        metrics.begin()

        push_overdue(SCHEDULED, CONTEXT)

        assert printed().metrics == [Point("OverduePushed", 1, "Count", STAGE)]

    @pytest.mark.parametrize("error", [Unavailable("postgres"), ValueError()])
    def test_publishes_events_of_chats_if_those_of_accounts_fail(
        self, world: World, monkeypatch: pytest.MonkeyPatch, error: Exception
    ) -> None:
        def fail() -> int:
            raise error

        monkeypatch.setattr(deps.domain_events, "publish_left", fail)
        world.store.calls.clear()

        with suppress(InvocationFailed):
            redeliver_pending(SCHEDULED, CONTEXT)

        assert {"pending", "unpublished"} <= set(world.store.calls)

    @pytest.mark.parametrize("error", [Unavailable("postgres"), ValueError()])
    def test_delivers_if_revoked_sessions_cannot_be_read(
        self, world: World, monkeypatch: pytest.MonkeyPatch, error: Exception
    ) -> None:
        def fail() -> int:
            raise error

        monkeypatch.setitem(vars(deps), "auth", SimpleNamespace(finish_revoked=fail))
        world.store.calls.clear()

        with suppress(InvocationFailed):
            redeliver_pending(SCHEDULED, CONTEXT)

        assert "pending" in world.store.calls

    def test_is_counted_if_it_fails(self, world: World, printed: Any) -> None:
        world.store.fail_on.add("pending")

        with pytest.raises(InvocationFailed):
            redeliver_pending(SCHEDULED, CONTEXT)

        names = {one.name for one in printed().metrics}
        assert names == {"EventsAge", "DependencyUnavailable"}

    def test_tells_the_ids_that_lambda_gives(
        self, world: World, printed: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        world.broker.sick = True
        world.messages.sending.send(world.ana, world.chat.id, draft(TEXT))
        printed()
        later = now() + timedelta(minutes=1)
        monkeypatch.setattr(world.store.timeline, "now", lambda: later)

        redeliver_pending(SCHEDULED, CONTEXT)

        assert printed().about_the_request() == {("lambda-1", TRACE, "parley-dev")}


class TestNotify:
    def batch(self, *bodies: bytes, attempt: int = 0) -> dict[str, Any]:
        messages = [
            {
                "basicProperties": {"headers": {"attempt": attempt}},
                "redelivered": False,
                "data": base64.b64encode(body).decode(),
            }
            for body in bodies
        ]
        return {"rmqMessagesByQueue": {f"push.{shard_of(notifying.BO)}::/": messages}}

    @pytest.fixture
    def notifier(self, world: World, monkeypatch: pytest.MonkeyPatch) -> notifying.World:
        there = notifying.World()
        monkeypatch.setitem(vars(deps), "notifier", there.notifier)
        return there

    def body(self) -> bytes:
        return notifying.unread(notifying.BO, notifying.CY).model_dump_json().encode()

    def test_counts_the_outcomes_of_its_pushes(
        self, notifier: notifying.World, printed: Any
    ) -> None:
        notifier.fcm.outcomes = {
            "token-bo": Outcome("gone"),
            "token-cy": Outcome("retry", "UnavailableError"),
        }

        notify(self.batch(self.body(), self.body(), b"no json"), CONTEXT)

        out = printed()
        assert {one.name: one.value for one in out.metrics} == {
            "TokensForgotten": 1,
            "PushesRetried": 2,
            "PushesBuried": 1,
        }
        assert out.about_the_request() == {("lambda-1", TRACE, "parley-dev")}
        assert notifying.SECRET not in out.text
        assert "token-bo" not in out.text

    def test_counts_what_arrived(self, notifier: notifying.World, printed: Any) -> None:
        notify(self.batch(self.body()), CONTEXT)

        assert printed().metrics == [Point("PushesSent", 2, "Count", STAGE)]

    def test_counts_a_last_try_as_buried(self, notifier: notifying.World, printed: Any) -> None:
        notifier.fcm.outcomes = {"token-bo": Outcome("retry"), "token-cy": Outcome("retry")}

        notify(self.batch(self.body(), attempt=4), CONTEXT)

        assert [one.name for one in printed().metrics] == ["PushesBuried"]


class Broken:
    """Fails as drivers do, quoting values, whatever is asked of it."""

    def __getattr__(self, name: str) -> Any:
        raise ValueError("Failing row contains (hunter2)")


ENTRIES: dict[str, Callable[[], Any]] = {
    "redeliver_pending": lambda: redeliver_pending(SCHEDULED, CONTEXT),
    "push_overdue": lambda: push_overdue(SCHEDULED, CONTEXT),
    "purge_sessions": lambda: purge_sessions(SCHEDULED, CONTEXT),
    "notify": lambda: notify({"rmqMessagesByQueue": {}}, CONTEXT),
    "disconnect": lambda: application.ws_disconnect({"requestContext": SOCKET}, CONTEXT),
    "receive": lambda: frame("ping", {}),
}


@pytest.mark.parametrize("entry", ENTRIES)
def test_g8_an_unexpected_error_is_logged_and_raised_without_its_message(
    monkeypatch: pytest.MonkeyPatch, printed: Any, entry: str
) -> None:
    monkeypatch.setitem(vars(deps), "settings", settings())
    for name in ("publisher", "redelivery", "auth", "notifier", "presence", "connections"):
        monkeypatch.setitem(vars(deps), name, Broken())
    monkeypatch.setattr("chalicelib.edge.ws.to_json", lambda _: Broken().words)

    with pytest.raises(InvocationFailed) as caught:
        ENTRIES[entry]()

    out = printed()
    assert "hunter2" not in out.text + "".join(traceback.format_exception(caught.value))
    assert (out.logs[-1]["message"], out.logs[-1]["exception"]) == ("function failed", "ValueError")
