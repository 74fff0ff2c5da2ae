"""The state folder: one cloud at a time uses it, and others read there where it can be reached."""

import fcntl
import json
import os
from pathlib import Path
from typing import Any, TextIO


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
        """Take the folder for this process. Raises AlreadyRunning."""
        self.folder.mkdir(parents=True, exist_ok=True)
        lock = (self.folder / "lock").open("a+")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.seek(0)
            pid = lock.read().strip() or "unknown"
            lock.close()
            raise AlreadyRunning(
                f"A local cloud (process {pid}) already uses {self.folder}. "
                "Stop it first, or give another folder with --state."
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        self._lock = lock
        self.run_file.unlink(missing_ok=True)

    def write(self, path: Path, text: str) -> None:
        """Put a file there that only we can read, whole or not at all."""
        partial = path.with_name(f".{path.name}.{os.getpid()}")
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
        partial.replace(path)

    def publish(self, description: dict[str, Any]) -> None:
        """Tell others where the cloud can be reached."""
        self.write(self.run_file, json.dumps(description, indent=2))

    def running(self) -> dict[str, Any] | None:
        """What the running cloud published; None if none is up."""
        try:
            description: dict[str, Any] = json.loads(self.run_file.read_text())
            os.kill(int(description["pid"]), 0)
        except (FileNotFoundError, ProcessLookupError):
            return None
        return description

    def release(self) -> None:
        """Give the folder back."""
        self.run_file.unlink(missing_ok=True)
        if self._lock is not None:
            self._lock.close()
            self._lock = None
