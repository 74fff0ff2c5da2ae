"""Keeps what the workers print in a file of bounded size, and reports errors on the console."""

import asyncio
import json
import os
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

MAX_FILE = 20 * 1024 * 1024
_KEPT_LINES = 40
_ERRORS = ("error", "critical")


class WorkerLog(asyncio.Protocol):
    """The reading end of a pipe that all workers print to."""

    def __init__(self, path: Path, report: Callable[[str], None]) -> None:
        self._path = path
        self._report = report
        self._partial = b""
        self._last: deque[bytes] = deque(maxlen=_KEPT_LINES)
        self._transport: asyncio.BaseTransport | None = None
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file: BinaryIO = path.open("ab")
        self._reader, self.descriptor = os.pipe()

    async def start(self) -> None:
        """Begin to read."""
        loop = asyncio.get_running_loop()
        reader = os.fdopen(self._reader, "rb", buffering=0)
        self._transport, _ = await loop.connect_read_pipe(lambda: self, reader)

    def tail(self) -> str:
        """The last lines that are no log records: the traceback of a failed import, if any."""
        return b"\n".join(self._last).decode(errors="replace")

    def data_received(self, data: bytes) -> None:
        self._file.write(data)
        self._file.flush()
        if self._file.tell() > MAX_FILE:
            self._rotate()
        *lines, self._partial = (self._partial + data).split(b"\n")
        self._partial = self._partial[-65536:]
        for line in lines:
            self._read(line)

    def _read(self, line: bytes) -> None:
        if not line.startswith(b"{"):
            self._last.append(line)
            return
        # The cheap test first: nearly all records are not errors.
        if b'"error"' not in line.lower() and b'"critical"' not in line.lower():
            return
        try:
            record = json.loads(line)
        except ValueError:
            return
        if str(record.get("level", "")).lower() in _ERRORS:
            where = f" ({record['exception']})" if record.get("exception") else ""
            self._report(f"{record.get('logger', 'app')}: {record.get('message', '')}{where}")

    def _rotate(self) -> None:
        self._file.close()
        self._path.replace(self._path.with_suffix(".old.log"))
        self._file = self._path.open("ab")

    def close(self) -> None:
        """Stop reading. Workers must have ended."""
        if self._transport is not None:
            self._transport.close()
        else:
            os.close(self._reader)
        os.close(self.descriptor)
        self._file.close()
