"""What operators have done, on fakes."""

import logging
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from chalicelib import logs
from chalicelib.broker.publisher import Redriven
from chalicelib.config import SettingsInvalid
from chalicelib.deps import deps
from chalicelib.domain_events.models import TYPES, ConsumerAccount
from chalicelib.errors import Unavailable, UserNotFound
from chalicelib.maintenance import MaintenanceFailed, maintain
from chalicelib.messages.store import StoreUnfit
from chalicelib.notify.canary import CanaryResult
from chalicelib.oauth.clients.registration import NewClient, RegisteredClient
from chalicelib.wire import now
from tests.unit.settings import settings

CONTEXT = SimpleNamespace(aws_request_id="r1", function_name="parley-dev-maintain")


class Servers:
    """Stands for all of them; `error` is what they raise."""

    def __init__(self) -> None:
        self.applied = 0
        self.limits: list[int] = []
        self.appointed: list[tuple[str, str]] = []
        self.installed: list[NewClient] = []
        self.consumers: set[str] = set()
        self.error: Exception | None = None

    def apply_schema(self) -> None:
        self.ping()
        self.applied += 1

    def retire(self) -> list[str]:
        self.ping()
        return ["parley_app_1"]

    def redrive(self, limit: int) -> Redriven:
        self.ping()
        self.limits.append(limit)
        return Redriven(moved=3, left=4)

    def send(self) -> CanaryResult:
        self.ping()
        return CanaryResult(queues={"push.0": "missing"})

    def appoint(self, username: str, role: str) -> str:
        self.ping()
        self.appointed.append((username, role))
        return "u1"

    def install(self, new: NewClient) -> RegisteredClient:
        self.ping()
        self.installed.append(new)
        made = {**new.model_dump(), "client_id": "c1", "created_at": now()}
        never = dict.fromkeys(("last_used_at", "former_secret_until", "former_secret_used_at"))
        return RegisteredClient(**made, **never, client_secret="s3cret")

    def register(self, name: str, types: list[str]) -> ConsumerAccount:
        self.ping()
        self.consumers.add(name)
        self.types = types
        return ConsumerAccount(url="amqps://events_board:s3cret@b", queue="events.board")

    def remove(self, name: str) -> None:
        self.consumers.remove(name)

    def ping(self) -> None:
        if self.error:
            raise self.error


@pytest.fixture
def servers(monkeypatch: pytest.MonkeyPatch) -> Iterator[Servers]:
    servers = Servers()
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    monkeypatch.setitem(vars(deps), "settings", settings())
    monkeypatch.setitem(vars(deps), "apply_schema", servers.apply_schema)
    monkeypatch.setitem(vars(deps), "retire_accounts", servers.retire)
    for name in (
        "admin",
        "oauth_clients",
        "event_consumers",
        "broker",
        "postgres",
        "message_store",
        "connections",
        "canaries",
    ):
        monkeypatch.setitem(vars(deps), name, servers)
    yield servers
    logs.enter()


def test_migrate_applies_the_schema(servers: Servers) -> None:
    assert maintain({"task": "migrate"}, CONTEXT) == {"done": True}
    assert servers.applied == 1


def test_retire_tells_which_accounts_went(servers: Servers) -> None:
    assert maintain({"task": "retire"}, CONTEXT) == {"retired": ["parley_app_1"]}


def test_redrive_tells_how_much_it_moved(servers: Servers) -> None:
    assert maintain({"task": "redrive"}, CONTEXT) == {"moved": 3, "left": 4}
    assert maintain({"task": "redrive", "limit": 5}, CONTEXT) == {"moved": 3, "left": 4}
    assert servers.limits == [1000, 5]


def test_check_tells_how_every_server_is(servers: Servers) -> None:
    servers.error = Unavailable("x")

    found = maintain({"task": "check"}, CONTEXT)

    assert found.keys() == {"dependencies"}
    assert found["dependencies"].keys() == {"postgres", "messages", "redis", "rabbitmq"}
    assert {one["status"] for one in found["dependencies"].values()} == {"unavailable"}


def test_canary_tells_of_every_queue(servers: Servers) -> None:
    assert maintain({"task": "canary"}, CONTEXT) == {"queues": {"push.0": "missing"}}


def test_grant_gives_a_role_and_tells_whose_it_is(servers: Servers) -> None:
    order = {"task": "grant", "username": "Ana", "role": "admin"}

    assert maintain(order, CONTEXT) == {"user_id": "u1"}
    assert servers.appointed == [("ana", "admin")]


def test_oauth_client_registers_a_program_and_tells_its_secret(
    servers: Servers, capsys: pytest.CaptureFixture[str]
) -> None:
    client = {"name": "Board", "scopes": ["tokens.introspect"], "confidential": True}

    answer = maintain({"task": "oauth-client", "client": client}, CONTEXT)

    assert (answer["client_id"], answer["client_secret"]) == ("c1", "s3cret")
    assert [one.name for one in servers.installed] == ["Board"]
    assert "s3cret" not in capsys.readouterr().out


def test_event_consumer_lets_a_service_consume_until_it_is_removed(
    servers: Servers, capsys: pytest.CaptureFixture[str]
) -> None:
    order = {"task": "event-consumer", "consumer": "board"}

    maintain({**order, "events": ["user.deleted"]}, CONTEXT)
    assert servers.types == ["user.deleted"]
    answer = maintain(order, CONTEXT)
    assert servers.types == list(TYPES)

    assert answer == {"url": "amqps://events_board:s3cret@b", "queue": "events.board"}
    assert servers.consumers == {"board"}
    assert maintain({**order, "remove": True}, CONTEXT) == {"removed": True}
    assert servers.consumers == set()
    assert "s3cret" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("event", "told"),
    [
        ({}, "task: This is required."),
        ({"task": "destroy"}, "task: "),
        ({"task": "redrive", "limit": 0}, "limit: "),
        ({"task": "redrive", "limit": "1"}, "limit: "),
        ({"task": "redrive", "limit": 100_001}, "limit: "),
        ({"task": "migrate", "force": True}, "force: "),
        ([], "This is not a task: "),
        ({"task": "oauth-client"}, "oauth-client needs a client"),
        ({"task": "oauth-client", "client": {"name": "x"}}, "client.scopes: "),
        ({"task": "event-consumer"}, "event-consumer needs a consumer"),
        ({"task": "event-consumer", "consumer": "Board"}, "consumer: "),
        ({"task": "event-consumer", "consumer": "a.*"}, "consumer: "),
        ({"task": "event-consumer", "consumer": "a" * 33}, "consumer: "),
        ({"task": "event-consumer", "consumer": "a", "events": ["message.unread.0"]}, "events are"),
        ({"task": "event-consumer", "consumer": "a", "events": ["user.*"]}, "events are"),
        ({"task": "event-consumer", "consumer": "a", "events": []}, "events: "),
        ({"task": "grant"}, "This is not a task: grant needs a username and a role"),
        ({"task": "grant", "username": "ana"}, "grant needs a username and a role"),
        ({"task": "grant", "username": "ana", "role": "user"}, "role: "),
        ({"task": "grant", "username": "a b c", "role": "admin"}, "username: "),
    ],
)
def test_what_is_no_task_does_nothing(servers: Servers, event: Any, told: str) -> None:
    with pytest.raises(MaintenanceFailed, match=told):
        maintain(event, CONTEXT)

    assert (servers.applied, servers.limits) == (0, [])
    assert (servers.appointed, servers.installed) == ([], [])


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (Unavailable("postgres"), "No answer in time from: postgres"),
        (SettingsInvalid("JWT_KEYS: Field required"), "JWT_KEYS: Field required"),
        (StoreUnfit("MESSAGES_URL: too old"), "MESSAGES_URL: too old"),
        (UserNotFound(), "There is no such user."),
        (ValueError("hunter2"), "ValueError; the log tells where"),
    ],
)
def test_a_failure_is_reported_without_secrets(
    servers: Servers, error: Exception, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    servers.error = error

    with pytest.raises(MaintenanceFailed) as caught:
        maintain({"task": "migrate"}, CONTEXT)

    assert str(caught.value) == told
    assert caught.value.__suppress_context__
    assert "hunter2" not in capsys.readouterr().out
