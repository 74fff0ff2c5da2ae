"""Starts servers on the state folder of a test."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from local.servers import Servers, start_all

ALL = ["postgres", "mongo", "redis", "rabbitmq", "s3"]
Start = Callable[..., Servers]


@pytest.fixture
def reports() -> list[str]:
    return []


@pytest.fixture
def failures() -> list[str]:
    return []


@pytest.fixture
def start(tmp_path: Path, reports: list[str], failures: list[str]) -> Iterator[Start]:
    """Starts servers on the test's state folder; they are stopped when it ends."""
    running = []

    def start(*wanted: str, **given: str) -> Servers:
        servers = start_all(
            tmp_path, wanted, reports.append, given=given, on_failure=lambda: failures.append("!")
        )
        running.append(servers)
        return servers

    yield start
    for servers in running:
        servers.stop()
