"""Starts servers on the state folder of a test."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from local.options import ROOT
from local.servers import Servers, start_all

ALL = ["postgres", "mongo", "redis", "rabbitmq", "s3"]
PARENT = """
import sys, time
from pathlib import Path
from local.servers import start_all

servers = start_all(Path(sys.argv[1]), sys.argv[2:], lambda line: None, given={})
print("ready", flush=True)
time.sleep(300)
"""

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


@pytest.fixture
def in_a_parent(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts servers on the test's state folder in a process that can be killed."""
    parents = []

    def run(*wanted: str) -> subprocess.Popen[str]:
        parent = subprocess.Popen(
            [sys.executable, "-c", PARENT, str(tmp_path), *wanted],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        parents.append(parent)
        assert parent.stdout
        assert parent.stdout.readline() == "ready\n"
        return parent

    yield run
    for parent in parents:
        parent.kill()
        parent.wait()
        if parent.stdout:
            parent.stdout.close()
