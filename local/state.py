"""The state folder. One cloud at a time uses it. Others read there where to reach it."""

import fcntl
import json
import os
import time
from pathlib import Path
from typing import Any, TextIO

from local.options import page

LOOKED_WITHIN = 0.05
"""Seconds. A process that only looks holds the lock for less."""


class AlreadyRunning(Exception):
    """Another local cloud uses this state folder."""


class State:
    """Paths inside the folder, its lock, and run.json while the cloud is up."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self.keys = self.folder / "keys"
        self.worker_log = self.folder / "logs" / "workers.log"
        self.run_file = self.folder / "run.json"
        self._lock: TextIO | None = None

    def claim(self) -> None:
        """Lock the folder for this process. Raises AlreadyRunning."""
        self.folder.mkdir(parents=True, exist_ok=True)
        lock = (self.folder / "lock").open("a+")
        for last in (False, False, True):
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError:
                if last:
                    lock.close()
                    raise AlreadyRunning(self._already_running()) from None
                time.sleep(LOOKED_WITHIN)
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        self._lock = lock
        self.run_file.unlink(missing_ok=True)

    def write(self, path: Path, text: str) -> None:
        """Write a file that only this user can read. Nobody sees half of it."""
        partial = path.with_name(f".{path.name}.{os.getpid()}")
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
        partial.replace(path)

    def publish(self, description: dict[str, Any]) -> None:
        """Tell others where to reach the cloud."""
        self.write(self.run_file, json.dumps(description, indent=2))

    def running(self) -> dict[str, Any] | None:
        """What the running cloud published; None if none is up."""
        try:
            description: dict[str, Any] = json.loads(self.run_file.read_text())
        except FileNotFoundError:
            return None
        return description if self._claimed() else None

    def require_unclaimed(self) -> None:
        """Raises AlreadyRunning if another process uses the folder."""
        if self._claimed():
            raise AlreadyRunning(self._already_running())

    def _claimed(self) -> bool:
        # A process id alone is not enough: after a kill another program may have it.
        try:
            with (self.folder / "lock").open() as lock:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except FileNotFoundError:
            return False
        except OSError:
            return True
        return False

    def _already_running(self) -> str:
        pid = (self.folder / "lock").read_text().strip() or "unknown"
        running = self.running()
        where = page(running["http_url"]) + "/" if running else "no address yet"
        return (
            f"Parley already runs here (process {pid}, {where}). Stop it first: Ctrl-C in its "
            f"terminal, or kill {pid}. To run a second one, give it another folder: --state."
        )

    def release(self) -> None:
        """Unlock the folder."""
        self.run_file.unlink(missing_ok=True)
        if self._lock is not None:
            self._lock.close()
            self._lock = None
