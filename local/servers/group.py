"""All servers together: given, in Docker or embedded. Started, watched and stopped as one."""

import fcntl
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Protocol, Self

import psutil

from local.options import CloudFailed
from local.servers.containers import Container, engine_answers
from local.servers.data import set_aside
from local.servers.embedded import Embedded, Report, ServerUnavailable
from local.servers.given import Given
from local.servers.mongo import Mongo
from local.servers.postgres import Postgres
from local.servers.rabbitmq import RabbitMQ
from local.servers.redis import Redis
from local.servers.s3 import S3

KINDS: dict[str, type[Embedded]] = {
    "postgres": Postgres,
    "mongo": Mongo,
    "redis": Redis,
    "rabbitmq": RabbitMQ,
    "s3": S3,
}
RESTARTS_A_MINUTE = 5
LOOK_EVERY = 0.2
PAUSE = 0.5
FREED_WITHIN = 30.0


class StateInUse(CloudFailed):
    """Another process runs servers on the same state folder."""


class Server(Protocol):
    """A server: given, in Docker or embedded."""

    @property
    def name(self) -> str: ...
    @property
    def variable(self) -> str: ...
    @property
    def url(self) -> str: ...
    @property
    def pid(self) -> int | None: ...
    def start(self) -> None: ...
    def stop(self) -> None: ...
    def restart(self) -> None: ...


def start_all(
    state: Path,
    wanted: Iterable[str],
    report: Report,
    *,
    given: Mapping[str, str] = os.environ,
    on_failure: Callable[[], None] = lambda: signal.raise_signal(signal.SIGTERM),
) -> "Servers":
    """Start the wanted servers side by side and return when all of them answer.

    One whose URL is in `given` is not started. With `MESSAGES_URL` naming PostgreSQL, by a
    URL or by the word `postgresql` alone, MongoDB is not wanted. A server that dies later
    is started again; when that does not help, `on_failure` is called.
    Raises CloudFailed, and then nothing runs.
    """
    names = [name for name in KINDS if name in set(wanted)]
    if given.get("MESSAGES_URL", "").startswith("postgres"):
        names = [name for name in names if name != "mongo"]
    servers = Servers(state, report, on_failure)
    try:
        servers.start(names, given)
    except BaseException:
        servers.stop()
        raise
    return servers


class Servers:
    """The running servers by name: `postgres`, `mongo`, `redis`, `rabbitmq`, `s3`."""

    def __init__(self, state: Path, report: Report, on_failure: Callable[[], None]) -> None:
        state.mkdir(parents=True, exist_ok=True)
        self._state = state.resolve()
        self._report = report
        self._on_failure = on_failure
        self._servers: dict[str, Server] = {}
        self._messages_url = ""
        self._stopping = threading.Event()
        self._watchers: list[threading.Thread] = []
        self._lock = _hold(self._state / "servers.lock", report)
        set_aside(self._state, [kind.folder for kind in KINDS.values()], report)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def __getitem__(self, name: str) -> Server:
        return self._servers[name]

    @property
    def env(self) -> dict[str, str]:
        """The URLs, by the names that the settings have."""
        urls = {server.variable: server.url for server in self._servers.values()}
        if "MESSAGES_URL" not in urls and "POSTGRES_URL" in urls:
            urls["MESSAGES_URL"] = self._messages_url or urls["POSTGRES_URL"]
        return urls

    def pids(self) -> dict[str, int]:
        """Process ids of the embedded servers that run now."""
        return {name: pid for name, server in self._servers.items() if (pid := server.pid)}

    def start(self, names: list[str], given: Mapping[str, str]) -> None:
        """Start these. Called once, by `start_all`."""
        messages = given.get("MESSAGES_URL", "")
        if messages.startswith("postgres") and "://" in messages:
            self._messages_url = messages
            Given(Postgres, messages, variable="MESSAGES_URL").start()
        own = [name for name in names if "://" not in given.get(KINDS[name].variable, "")]
        in_docker = bool(own) and engine_answers()
        for name in names:
            kind = KINDS[name]
            if name not in own:
                self._servers[name] = Given(kind, given[kind.variable])
            elif in_docker:
                self._servers[name] = Container(kind, self._state, self._report)
            else:
                self._servers[name] = kind(self._state, self._report, lock=self._lock)
        with ThreadPoolExecutor(len(names) or 1) as pool:
            starting = [pool.submit(self._start_one, name) for name in names]
            try:
                for future in as_completed(starting):
                    future.result()
            except BaseException:
                self._stop_all()  # so that no start waits for the others
                raise
        for server in self._servers.values():
            if isinstance(server, Embedded):
                watcher = threading.Thread(target=self._watch, args=(server,), daemon=True)
                self._watchers.append(watcher)
                watcher.start()

    def stop(self) -> None:
        """Stop all that we started, and unlock the state folder. Can be called again."""
        self._stop_all()
        for server in self._servers.values():
            if isinstance(server, Embedded):
                server.free_ports()
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def _start_one(self, name: str) -> None:
        started = time.monotonic()
        server = self._servers[name]
        server.start()
        self._report(f"{server.name} is ready ({time.monotonic() - started:.1f} s)")

    def _stop_all(self) -> None:
        self._stopping.set()
        with ThreadPoolExecutor(len(self._servers) or 1) as pool:
            stopping = [pool.submit(server.stop) for server in self._servers.values()]
        for future in stopping:
            future.result()

    def _watch(self, server: Embedded) -> None:
        """Start a server again when it dies, but not too often."""
        deaths: deque[float] = deque(maxlen=RESTARTS_A_MINUTE)
        while not self._stopping.wait(LOOK_EVERY):
            if not server.crashed:
                continue
            now = time.monotonic()
            if len(deaths) == RESTARTS_A_MINUTE and now - deaths[0] < 60:
                self._report(
                    f"{server.name} died {len(deaths) + 1} times within a minute. Stopping. "
                    f"Its log says:\n{server.log_tail()}"
                )
                self._on_failure()
                return
            self._stopping.wait(PAUSE * len(deaths))
            deaths.append(now)
            try:
                server.revive(self._report)
            except ServerUnavailable as problem:
                if not self._stopping.is_set():
                    self._report(str(problem))


def _hold(file: Path, report: Report) -> int:
    """Lock the state folder for this process and the guards that it starts.

    After a kill the guards hold it until the servers are gone: that takes seconds.
    """
    lock = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    deadline = time.monotonic() + FREED_WITHIN
    waiting = False
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            holder = os.pread(lock, 20, 0).decode().strip()
            if _lives(holder) or time.monotonic() > deadline:
                os.close(lock)
                raise StateInUse(
                    f"Servers of {file.parent} run already (process {holder}). Stop that first."
                ) from None
            if not waiting:
                report("waiting for the servers of the last run to stop")
                waiting = True
        time.sleep(0.1)
    os.ftruncate(lock, 0)
    os.pwrite(lock, str(os.getpid()).encode(), 0)
    return lock


def _lives(pid: str) -> bool:
    try:
        return bool(pid) and psutil.Process(int(pid)).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
