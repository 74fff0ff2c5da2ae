"""Whether the servers behind us answer."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Literal

from chalicelib.deps import deps
from chalicelib.errors import Unavailable
from chalicelib.wire import Model


class DependencyState(Model):
    """Whether a server answered, and after how many milliseconds it did or was given up on."""

    status: Literal["ok", "unavailable"]
    latency_ms: float


class Readiness(Model):
    status: Literal["ok", "unavailable"]
    dependencies: dict[str, DependencyState]


def readiness() -> Readiness:
    """Ask all of them at once."""
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
    return Readiness(status="ok" if well else "unavailable", dependencies=states)


def _state(check: Callable[[], None]) -> DependencyState:
    started = time.perf_counter()
    try:
        check()
        well = True
    except Unavailable:
        well = False
    latency = round((time.perf_counter() - started) * 1000, 2)
    return DependencyState(status="ok" if well else "unavailable", latency_ms=latency)
