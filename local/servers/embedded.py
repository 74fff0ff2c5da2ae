"""A server that runs as our own process, with its own ports and data."""

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import ClassVar
from urllib.parse import urlsplit

from local import keys
from local.options import CloudFailed
from local.servers.answers import NoAnswer, wait_for_answer
from local.servers.ports import claim, remembered_port, taken_by

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ROOT / ".local/servers-venv"
GUARD = Path(__file__).with_name("guard.py")

READY_WITHIN = 60.0
ANSWER_WITHIN = 2
STOP_WITHIN = 15.0
LOG_LIMIT = 10_000_000
LOG_TAIL_LINES = 15

Report = Callable[[str], None]


class ServerUnavailable(CloudFailed):
    """A server does not start or does not answer; the text says which and shows its log."""


class Embedded:
    """One server: start, URL, stop. A subclass says what to run and how to ask if it is up."""

    name: ClassVar[str]
    folder: ClassVar[str]
    variable: ClassVar[str]
    stop_signal: ClassVar[signal.Signals] = signal.SIGTERM
    image: ClassVar[str]
    image_port: ClassVar[int]
    image_data: ClassVar[str]
    image_environment: ClassVar[Mapping[str, str]] = {}

    def __init__(self, state: Path, report: Report, *, lock: int) -> None:
        self.state = state
        self.data = state / self.folder
        self.log = state / "logs" / f"{self.folder}.log"
        self._ports = state / "ports.json"
        self._report = report
        self._held_lock = lock
        self._busy = threading.RLock()
        self._process: Guarded | None = None
        self._should_run = False
        self._log_start = 0
        self._claims: list[socket.socket] = []
        self.port = self.choose_port(self.name)

    @classmethod
    def url_at(cls, port: int, state: Path) -> str:
        """The URL of this kind of server on a local port, with the password of a state folder."""
        raise NotImplementedError

    @staticmethod
    def check(url: str) -> None:
        """Ask the server something small; raise if it does not answer."""
        raise NotImplementedError

    @classmethod
    def check_new(cls, port: int, state: Path) -> None:
        """Like `check`, for a server on which `complete` has not run yet."""
        cls.check(cls.url_at(port, state))

    @classmethod
    def password(cls, state: Path) -> str:
        """What the app signs in with."""
        return keys.password(state / "keys", cls.folder)

    @classmethod
    def image_command(cls, state: Path) -> str | None:
        """The command in Docker. None: the default of the image."""
        return None

    @classmethod
    def secrets(cls, state: Path) -> Mapping[str, str]:
        """Environment variables with the accounts that may use the server."""
        return {}

    def command(self) -> list[str]:
        """What to run."""
        raise NotImplementedError

    def environment(self) -> dict[str, str]:
        """The environment to run it in: nothing of the user's own settings."""
        return {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", "HOME": str(self.data)}

    def prepare(self) -> None:
        """Make what must exist before the server starts."""

    @classmethod
    def complete(cls, port: int, state: Path) -> None:
        """Make what must exist before the server is used."""

    @property
    def url(self) -> str:
        return self.url_at(self.port, self.state)

    @property
    def pid(self) -> int | None:
        """The server's own process, while it runs."""
        return self._process.pid if self._process and self._process.running else None

    @property
    def crashed(self) -> bool:
        """Whether it ended by itself."""
        return self._should_run and (self._process is None or not self._process.running)

    def choose_port(self, name: str) -> int:
        port = remembered_port(self._ports, name, self._report)
        self._claims.append(claim(port))
        return port

    def free_ports(self) -> None:
        """Let other programs use its ports. It is not started again."""
        for claimed in self._claims:
            claimed.close()

    def start(self) -> None:
        """Return when the server answers. Raises ServerUnavailable."""
        with self._busy:
            self._should_run = True
            for folder in (self.data, self.log.parent):
                folder.mkdir(parents=True, exist_ok=True)
                folder.chmod(0o700)
            if self.log.exists() and self.log.stat().st_size > LOG_LIMIT:
                self.log.unlink()
            self._log_start = self.log.stat().st_size if self.log.exists() else 0
            if user := taken_by(self.port):
                raise ServerUnavailable(
                    f"{self.name} cannot start: port {self.port} is in use by {user}."
                )
            self.prepare()
            self._process = self.spawn(self.command())
        try:
            self._wait_until_ready(self._process)
            self.complete(self.port, self.state)
        except BaseException:
            self._process.stop()
            raise

    def stop(self) -> None:
        """Stop it; kill it if it does not end. Does nothing if it does not run."""
        self._should_run = False
        with self._busy:
            if self._process:
                self._process.stop()

    def restart(self) -> None:
        """Stop and start again: same port, same data."""
        self.stop()
        self.start()

    def revive(self, report: Report) -> None:
        """Start it again if it crashed: same port, same data. Raises ServerUnavailable."""
        with self._busy:
            if self.crashed:
                how = self._process.ending if self._process else "not started"
                report(f"{self.name} ended ({how}); starting it again")
                self.start()
                report(f"{self.name} is back")

    def spawn(self, command: list[str]) -> "Guarded":
        return Guarded(
            command,
            log=self.log,
            folder=self.data,
            environment=self.environment(),
            stop_signal=self.stop_signal,
            held_lock=self._held_lock,
        )

    def log_tail(self) -> str:
        """The last lines that it wrote since its latest start."""
        if not self.log.exists():
            return "    (it wrote no log)"
        with self.log.open("rb") as log:
            log.seek(self._log_start)
            lines = log.read().decode(errors="replace").splitlines()
        shown = [line for line in lines if line.strip()][-LOG_TAIL_LINES:]
        return "\n".join(f"    {line}" for line in shown) or "    (it wrote no log)"

    def _wait_until_ready(self, process: "Guarded") -> None:
        def give_up() -> None:
            if not self._should_run:
                raise ServerUnavailable(f"{self.name} was stopped while it started.")
            if not process.running:
                raise ServerUnavailable(
                    f"{self.name} ended while it started ({process.ending}). Its log says:\n"
                    f"{self.log_tail()}"
                )

        try:
            wait_for_answer(
                lambda: self.check_new(self.port, self.state),
                within=READY_WITHIN,
                pause=0.05,
                give_up=give_up,
            )
        except NoAnswer as silence:
            raise ServerUnavailable(
                f"{self.name} does not answer after {READY_WITHIN:.0f} s ({silence}). "
                f"Its log says:\n{self.log_tail()}"
            ) from silence.reason


class Guarded:
    """A process under guard: it ends when we stop it, or when this process ends."""

    def __init__(
        self,
        command: list[str],
        *,
        log: Path,
        folder: Path,
        environment: dict[str, str],
        stop_signal: signal.Signals,
        held_lock: int,
    ) -> None:
        arguments = [str(os.getpid()), str(int(stop_signal)), str(STOP_WITHIN), *command]
        with log.open("ab") as output:
            self._guard = subprocess.Popen(
                [sys.executable, "-I", "-S", str(GUARD), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=output,
                env=environment,
                cwd=folder,
                start_new_session=True,  # Ctrl-C in a terminal must not reach the servers
                pass_fds=[held_lock],  # the state is in use until the last guard has ended
                text=True,
            )
        assert self._guard.stdout
        self.pid = int(self._guard.stdout.readline() or 0)
        self._guard.stdout.close()

    @property
    def running(self) -> bool:
        return self._guard.poll() is None

    @property
    def ending(self) -> str:
        """How it ended, in words."""
        code = self._guard.poll() or 0
        number = -code if code < 0 else code - 128
        if number in signal.valid_signals():
            return f"killed by {signal.Signals(number).name}"
        return f"exit code {code}"

    def stop(self) -> None:
        """Stop it and all that it started."""
        self._guard.terminate()
        try:
            self._guard.wait(STOP_WITHIN + 5)
        except subprocess.TimeoutExpired:
            self._guard.kill()
            self._guard.wait()


def write_secret(path: Path, text: str) -> None:
    """Write a file that only we can read."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        os.fchmod(descriptor, 0o600)
        file.write(text)


def package_file(pattern: str) -> Path:
    """A file of the installed server packages."""
    for found in sorted(PACKAGES.glob(f"lib/python3*/site-packages/{pattern}")):
        return found
    raise ServerUnavailable("The servers are not installed: `make run` installs them.")


def without_password(url: str) -> str:
    """A URL fit for a message."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
