"""Starts local clouds as processes."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.servers import Servers
from tests.local.cloud.process import Process, Start
from tests.local.stack import SAMPLE_APP


@pytest.fixture
def start(tmp_path: Path, servers: Servers) -> Iterator[Start]:
    """Starts clouds of the sample app; ends those that a test left running."""
    started: list[Process] = []

    def start(*options: str, app: Path = SAMPLE_APP, command: str = "run") -> Process:
        arguments = [command, "--http-port", "0", "--app", str(app)]
        if command == "run":
            arguments += ["--no-demo", "--workers", "1"]
        started.append(Process(tmp_path / "state", servers, *arguments, *options))
        return started[-1]

    yield start
    for process in started:
        if process.popen.poll() is None:
            process.popen.send_signal(signal.SIGTERM)
            process.ends()
