"""The local cloud as a process."""

import contextlib
import json
import os
import random
import shlex
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from local.options import ROOT
from local.servers import Servers
from tests.local.stack import eventually

START_SECONDS = 120.0


class Process:
    """`python -m local` with its own state folder."""

    def __init__(self, state: Path, servers: Servers, *arguments: str) -> None:
        self.state = state
        self.record_file = state.parent / "records"
        self._output = state.parent / "output"
        with self._output.open("w") as output:
            self.popen = subprocess.Popen(
                [sys.executable, "-m", "local", *arguments, "--state", str(state)],
                cwd=ROOT,
                env={
                    **os.environ,
                    "AMQP_URL": servers.env["AMQP_URL"],
                    "RECORD_FILE": str(self.record_file),
                    "AWS_PROFILE": "none-of-ours",
                },
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    @property
    def output(self) -> str:
        return self._output.read_text()

    def about(self) -> dict[str, Any]:
        """run.json, once it is there."""

        def read() -> dict[str, Any] | None:
            assert self.popen.poll() is None, self.output
            with contextlib.suppress(FileNotFoundError):
                found: dict[str, Any] = json.loads((self.state / "run.json").read_text())
                return found
            return None

        return eventually(read, START_SECONDS) or {}

    def ends(self, within: float = 60.0) -> int:
        """The exit code."""
        return self.popen.wait(within)

    def left_behind(self) -> list[str]:
        """Command lines of processes that still have to do with our state folder."""
        mine = str(self.state).encode()
        found = []
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit() or int(entry.name) == os.getpid():
                continue
            with contextlib.suppress(OSError):
                line = (entry / "cmdline").read_bytes()
                if line and mine in line + (entry / "environ").read_bytes():
                    found.append(line.replace(b"\0", b" ").decode())
        return found


Start = Callable[..., Process]


@contextlib.contextmanager
def two_free_ports() -> Iterator[int]:
    """The first of two that follow each other."""
    for port in range(random.randrange(20_000, 30_000, 2), 32_000, 2):
        with contextlib.suppress(OSError):
            socket.create_server(("127.0.0.1", port)).close()
            socket.create_server(("127.0.0.1", port + 1)).close()
            yield port
            return


def exported(path: Path) -> dict[str, str]:
    """What a shell has after reading the file."""
    script = f"set -a; . {shlex.quote(str(path))}; env -0"
    output = subprocess.run(
        ["sh", "-c", script], env={}, capture_output=True, text=True, check=True
    ).stdout
    return dict(pair.split("=", 1) for pair in output.split("\0") if pair)
