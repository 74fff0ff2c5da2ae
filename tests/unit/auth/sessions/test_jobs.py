"""The daily housekeeping, entered as Lambda enters it."""

import logging
from types import SimpleNamespace

import pytest
from chalice import Chalice

from chalicelib import logs
from chalicelib.auth.sessions.jobs import purge_sessions
from tests.unit.conftest import World

EVENT = {
    "version": "0",
    "id": "1",
    "detail-type": "Scheduled Event",
    "source": "aws.events",
    "account": "123456789012",
    "time": "2026-01-01T00:00:00Z",
    "region": "us-east-1",
    "resources": [],
    "detail": {},
}


def test_purges_and_says_how_much(
    app: Chalice,
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    entered: list[dict[str, object]] = []
    monkeypatch.setattr(logs, "enter", lambda **ids: entered.append(ids))
    ana, bo = world.register("ana"), world.register("bo_")
    world.auth.logout(world.identity(ana))
    world.clock.go(days=31)

    with caplog.at_level(logging.INFO, "chalicelib.auth.sessions.jobs"):
        purge_sessions(EVENT, SimpleNamespace(aws_request_id="r1", function_name="purge"))

    assert entered == [{"request_id": "r1", "trace_id": None, "function": "purge"}]
    assert set(world.tables.sessions) == {bo.session_id}
    assert [(one.message, vars(one)["count"]) for one in caplog.records] == [
        ("sessions purged", 1),
        ("links purged", 0),
        ("addresses forgotten", 0),
    ]
