"""What the service says of itself: alive, ready, and its OpenAPI document."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal

from chalice import Blueprint

from chalicelib.deps import deps
from chalicelib.errors import Unavailable
from chalicelib.rest import Reply, endpoint
from chalicelib.wire import Model

bp = Blueprint(__name__)


class Health(Model):
    status: Literal["ok"] = "ok"


class DependencyState(Model):
    """Whether a server answered, and after how many milliseconds it did or was given up on."""

    status: Literal["ok", "unavailable"]
    latency_ms: float


class Readiness(Model):
    status: Literal["ok", "unavailable"]
    dependencies: dict[str, DependencyState]


@endpoint(bp, "GET /v1/health")
def health() -> Health:
    """Alive: this answers without asking any other server."""
    return Health()


@endpoint(bp, "GET /v1/ready", status=(200, 503))
def ready() -> Reply[Readiness]:
    """Whether each server behind us answers: 200 if all do, else 503."""
    # Built on this thread: drivers cannot safely be imported by several at once.
    checks: dict[str, Callable[[], None]] = {
        "postgres": deps.postgres.ping,
        "messages": deps.message_store.ping,
        "redis": deps.connections.ping,
        "rabbitmq": deps.broker.ping,
    }
    with ThreadPoolExecutor(len(checks)) as threads:
        states = dict(zip(checks, threads.map(_state, checks.values()), strict=True))
    well = all(state.status == "ok" for state in states.values())
    readiness = Readiness(status="ok" if well else "unavailable", dependencies=states)
    return Reply(readiness, 200 if well else 503)


@endpoint(bp, "GET /v1/openapi.json")
def openapi() -> dict[str, Any]:
    """This API as an OpenAPI 3.1 document."""
    from chalicelib.openapi import document

    return document(deps.settings.issuer)


def _state(check: Callable[[], None]) -> DependencyState:
    started = time.perf_counter()
    try:
        check()
        well = True
    except Unavailable:
        well = False
    latency = round((time.perf_counter() - started) * 1000, 2)
    return DependencyState(status="ok" if well else "unavailable", latency_ms=latency)
