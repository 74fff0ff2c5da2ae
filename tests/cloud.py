"""A local cloud in its own process, as `make run` starts it. For tests and benchmarks."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Self

ROOT = Path(__file__).resolve().parent.parent
START_SECONDS = 120.0

WIDE = json.dumps(
    {
        "register": {"address": [100_000, 1]},
        "login": {"address": [100_000, 1]},
        "refresh": {"address": [100_000, 1]},
        "connect-refused": {"address": [100_000, 1]},
        "page": {"address": [100_000, 1]},
        "guess": {"address": [100_000, 1]},
        "reset": {"address": [100_000, 1]},
    }
)
"""RATE_LIMITS for many people who all come from one address."""
STOP_SECONDS = 40.0


class CloudDied(Exception):
    """The cloud did not come up, or did not stay."""


class Cloud:
    """Runs for as long as a `with` block, or from `start` to `stop`. Leaves nothing running."""

    command: tuple[str, ...] = (sys.executable, "-m", "local")

    def __init__(self, state: Path, *options: str, **environment: str) -> None:
        self.state = state
        self._options = options
        self._environment = environment
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> Self:
        """Wait until it serves. Raises CloudDied with the end of what it printed."""
        self.state.mkdir(parents=True, exist_ok=True)
        with (self.state / "cloud.log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *[*self.command, "run", "--state", str(self.state)],
                    *["--http-port", "0", "--socket-port", "0", "--no-demo", *self._options],
                ],
                cwd=ROOT,
                env={**os.environ, **self._environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        deadline = time.monotonic() + START_SECONDS
        while not (self.state / "run.json").exists():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise CloudDied(f"The local cloud did not come up:\n{self.log()[-4000:]}")
            time.sleep(0.05)
        return self

    def stop(self) -> None:
        """End it as Ctrl-C would."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise CloudDied(f"The local cloud did not stop:\n{self.log()[-4000:]}") from None
        finally:
            self._process = None

    def log(self) -> str:
        """What it printed."""
        return (self.state / "cloud.log").read_text(errors="replace")

    def worker_log(self) -> str:
        """What the functions logged."""
        return (self.state / "logs" / "workers.log").read_text(errors="replace")

    def maintain(self, **order: Any) -> Any:
        """What the maintenance function answers to an order, as from a shell."""
        done = subprocess.run(
            [sys.executable, "-m", "chalicelib.maintenance", json.dumps(order)],
            cwd=ROOT,
            env={"PATH": os.environ["PATH"], **self.about["environment"]},
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        return json.loads(done.stdout.splitlines()[-1])

    @property
    def about(self) -> dict[str, Any]:
        """Its addresses and process ids, as they are now."""
        found: dict[str, Any] = json.loads((self.state / "run.json").read_text())
        return found

    @property
    def http_url(self) -> str:
        url: str = self.about["http_url"]
        return url

    @property
    def socket_url(self) -> str:
        url: str = self.about["socket_url"]
        return url

    def pid_of(self, server: str) -> int:
        pid: int = self.about["servers"][server]
        return pid
