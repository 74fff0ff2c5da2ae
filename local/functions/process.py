"""One worker process: how it is started, and how an event and its answer pass between it and us."""

import asyncio
import json
import os
import socket
import struct
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from local.functions.outcomes import Failure, Job, Outcome

if TYPE_CHECKING:
    from local.functions.pool import WorkerPool

_HEADER = struct.Struct("!I")


class Worker(asyncio.Protocol):
    """One worker process and the event that it handles."""

    def __init__(self, pool: "WorkerPool", process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self.ready = False
        self.doomed = False
        self.job: Job | None = None
        self._pool = pool
        self._buffer = bytearray()
        self._timer: asyncio.TimerHandle | None = None
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.WriteTransport, transport)

    def run(self, job: Job, request_id: str) -> None:
        self.job = job
        if (limit := self._pool.limit(job.function)) is not None:
            self._timer = self._pool.loop.call_later(limit, self._overran)
        body = b'%b, "id": "%b", "event": %b}' % (
            job.function.prefix,
            request_id.encode(),
            job.event,
        )
        assert self._transport is not None
        self._transport.write(_HEADER.pack(len(body)) + body)

    def data_received(self, data: bytes) -> None:
        buffer = self._buffer
        buffer += data
        while len(buffer) >= _HEADER.size:
            (length,) = _HEADER.unpack_from(buffer)
            if len(buffer) < length + _HEADER.size:
                return
            answer = json.loads(bytes(buffer[_HEADER.size : length + _HEADER.size]))
            del buffer[: length + _HEADER.size]
            self._answered(answer)

    def _answered(self, answer: dict[str, Any]) -> None:
        if self.doomed:
            return
        job = self._put_down()
        self.ready = True
        # The worker gets its next event before the caller gets this answer.
        self._pool.idle(self)
        if job is None:
            return
        if "error" in answer:
            message = "{errorType}: {errorMessage}".format(**answer["error"])
            self._pool.report(f"{job.function.name} failed: {message}")
            job.finish(Outcome(failure=Failure.ERROR, message=message))
        else:
            job.finish(Outcome(answer["ok"]))

    def _put_down(self) -> Job | None:
        job, self.job = self.job, None
        if self._timer is not None:
            self._timer.cancel()
        return job

    def _overran(self) -> None:
        job = self._put_down()
        assert job is not None
        message = f"{job.function.name} took longer than {job.function.timeout:g} seconds"
        self._pool.report(message + "; its worker is replaced")
        self.doomed = True
        self.process.kill()
        job.finish(Outcome(failure=Failure.OVERRAN, message=message))

    def connection_lost(self, exc: Exception | None) -> None:
        self.process.kill()
        job = self._put_down()
        self._pool.lost(self, job)

    def close(self) -> None:
        """Let an idle worker end by itself."""
        if self._transport is not None:
            self._transport.close()


def launch(
    folder: Path, environment: Mapping[str, str], *, flags: Sequence[str], streams: dict[str, Any]
) -> tuple[subprocess.Popen[bytes], socket.socket]:
    """Start a worker process for the app in a folder. Returns it, and our end of its socket."""
    ours, theirs = socket.socketpair()
    with theirs:
        process = subprocess.Popen(
            [
                sys.executable,
                "-P",
                str(Path(__file__).with_name("worker.py")),
                str(theirs.fileno()),
                str(os.getpid()),
                str(folder),
                *flags,
            ],
            cwd=folder,
            env=environment,
            pass_fds=[theirs.fileno()],
            start_new_session=True,
            **streams,
        )
    ours.setblocking(False)
    return process, ours
