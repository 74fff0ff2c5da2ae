"""What anyone may ask costs little, however often they ask."""

import json
from types import SimpleNamespace
from typing import Any

import pytest

from app import app
from chalicelib.deps import deps
from chalicelib.edge import meta, openapi
from chalicelib.errors import Unavailable
from tests.unit.edge.test_rest import call
from tests.unit.settings import settings


class Server:
    """Counts who asks it."""

    asked = 0
    down = False

    def ping(self) -> None:
        self.asked += 1
        if self.down:
            raise Unavailable("test")


class Time:
    """Stands still until told to go on."""

    now = 1_800_000_000.0

    def time(self) -> float:
        return self.now


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Server:
    server = Server()
    monkeypatch.setitem(vars(deps), "settings", settings())
    for name in ("postgres", "message_store", "connections", "broker"):
        monkeypatch.setitem(vars(deps), name, SimpleNamespace(ping=server.ping))
    return server


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Time:
    clock = Time()
    monkeypatch.setattr(meta, "time", clock)
    return clock


def asked(route: str) -> tuple[int, Any]:
    status, _, answer = call(app, route)
    return status, answer


def test_checks_of_the_servers_are_cached_for_a_second(server: Server, clock: Time) -> None:
    clock.now += 1_000  # whatever was seen before
    first = asked("GET /v1/ready")
    for _ in range(5):
        assert asked("GET /v1/ready") == first
    assert (first[0], first[1]["status"], server.asked) == (200, "ok", 4)

    server.down = True
    clock.now += 1
    status, answer = asked("GET /v1/ready")
    assert (status, answer["status"], server.asked) == (503, "unavailable", 8)

    clock.now -= 3600  # a clock that was set back keeps nothing for an hour
    asked("GET /v1/ready")
    assert server.asked == 12


def test_the_document_is_made_once(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    real = openapi.document

    def counted(issuer: str) -> dict[str, Any]:
        made.append(issuer)
        return real(issuer)

    monkeypatch.setattr(openapi, "document", counted)
    answers = [json.dumps(asked("GET /v1/openapi.json")) for _ in range(3)]

    assert len(made) <= 1
    assert len(set(answers)) == 1
    assert "/v1/auth/login" in answers[0]
