"""Whether the servers behind the API answer."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Literal

from pydantic import Field

from chalicelib.deps import deps
from chalicelib.errors import Unavailable
from chalicelib.wire import Model


class DependencyState(Model):
    """Whether a server behind us answered."""

    status: Literal["ok", "unavailable"] = Field(description="Whether it answered in time.")
    latency_ms: float = Field(
        description="Milliseconds until it answered, or until the check gave up.", examples=[1.4]
    )


class Readiness(Model):
    """Whether the servers behind us answer."""

    status: Literal["ok", "unavailable"] = Field(description="`ok`: all of them answered in time.")
    dependencies: dict[str, DependencyState] = Field(
        description="Each server by name.",
        examples=[{"postgres": {"status": "ok", "latency_ms": 1.4}}],
    )


def readiness() -> Readiness:
    """Ask all servers at the same time."""
    # Built on this thread, because threads cannot safely import drivers at the same time.
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
