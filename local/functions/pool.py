"""The pool of Lambda workers: one event at a time each, replaced when they crash or overrun."""

import asyncio
import json
import os
import socket
import struct
import subprocess
import sys
import uuid
from collections import deque
from collections.abc import Callable, Mapping
from itertools import count
from pathlib import Path
from typing import Any, cast

from local.functions.logs import WorkerLog
from local.functions.outcomes import Done, Failure, Job, Outcome
from local.functions.registered import API_TIMEOUT, Function
from local.functions.worker import MAX_PAYLOAD

START_SECONDS = 60.0
MAX_WAITING = 10_000
_HEADER = struct.Struct("!I")


class AppBroken(Exception):
    """The app cannot be imported. The text says where to read why."""


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


class WorkerPool:
    """Runs events on worker processes. Every event ends with exactly one outcome."""

    flags: tuple[str, ...] = ()
    """Options for the worker process."""

    def __init__(
        self,
        *,
        folder: Path,
        environment: Mapping[str, str],
        log: WorkerLog,
        report: Callable[[str], None],
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self.report = report
        self._folder = folder
        self._environment = dict(environment)
        self._log = log
        self._changed = changed
        self._workers: set[Worker] = set()
        self._idle: list[Worker] = []
        self._waiting: deque[Job] = deque()
        self._closing = False
        self._wanted = 0
        self._retry_seconds = 0.1
        self._exits: set[asyncio.Future[int]] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._id_prefix = str(uuid.uuid4())[:24]
        self._ids = count(1)

    @property
    def pids(self) -> list[int]:
        """Process ids of the workers that run now."""
        return sorted(worker.process.pid for worker in self._workers)

    async def start(self, workers: int) -> None:
        """Start the workers and wait until each has imported the app. Raises AppBroken."""
        self.loop = asyncio.get_running_loop()
        self._started: asyncio.Future[None] = self.loop.create_future()
        self._wanted = workers
        for _ in range(workers):
            await self._spawn()
        try:
            async with asyncio.timeout(START_SECONDS):
                await self._started
        except TimeoutError:
            raise AppBroken(f"The app was not imported within {START_SECONDS:g} s.") from None

    def submit(
        self, function: Function, event: bytes, done: Done, wait: float | None = API_TIMEOUT
    ) -> None:
        """Have an event handled and call `done` with the outcome, after `wait` seconds at most."""
        job = Job(function, event, done, self.report)
        if len(event) > MAX_PAYLOAD:
            message = f"The event has {len(event)} bytes; Lambda allows {MAX_PAYLOAD}."
            job.finish(Outcome(failure=Failure.TOO_LARGE, message=message))
        elif self._closing:
            job.finish(Outcome(failure=Failure.CRASHED, message="The local cloud is stopping."))
        elif len(self._waiting) >= MAX_WAITING:
            job.finish(Outcome(failure=Failure.TOO_MANY, message=str(Failure.TOO_MANY)))
        else:
            if wait is not None:
                expired = Outcome(failure=Failure.WAITED, message=f"No answer in {wait:g} seconds.")
                job.timer = self.loop.call_later(wait, job.finish, expired)
            if self._idle:
                self._idle.pop().run(job, self._next_id())
            else:
                self._waiting.append(job)

    async def invoke(
        self, function: Function, event: bytes, wait: float | None = API_TIMEOUT
    ) -> Outcome:
        """Have an event handled and return the outcome, after `wait` seconds at most."""
        future: asyncio.Future[Outcome] = self.loop.create_future()

        def done(outcome: Outcome) -> None:
            if not future.done():
                future.set_result(outcome)

        self.submit(function, event, done, wait)
        return await future

    async def stop(self, grace: float = 1.0) -> None:
        """End all workers: those at work have `grace` seconds to finish."""
        self._closing = True
        while self._waiting:
            message = "The local cloud is stopping."
            self._waiting.popleft().finish(Outcome(failure=Failure.CRASHED, message=message))
        deadline = self.loop.time() + grace
        while any(worker.job for worker in self._workers) and self.loop.time() < deadline:
            await asyncio.sleep(0.02)
        for worker in list(self._workers):
            worker.close()
        for task in self._tasks:
            task.cancel()
        while self._workers or self._exits:
            await asyncio.sleep(0.01)

    def idle(self, worker: Worker) -> None:
        """A worker is free: give it the oldest event that waits."""
        while self._waiting:
            job = self._waiting.popleft()
            if job.done is not None:
                worker.run(job, self._next_id())
                return
        self._idle.append(worker)
        if self._starting and sum(worker.ready for worker in self._workers) == self._wanted:
            self._started.set_result(None)

    def lost(self, worker: Worker, job: Job | None) -> None:
        """A worker has ended: tell its caller, and replace it."""
        self._workers.discard(worker)
        if worker in self._idle:
            self._idle.remove(worker)
        exited = self.loop.run_in_executor(None, worker.process.wait)
        self._exits.add(exited)
        exited.add_done_callback(self._exits.discard)
        if job is not None:
            message = f"worker {worker.process.pid} died while it ran {job.function.name}"
            if not self._closing:
                self.report(f"{message}; it is replaced")
            job.finish(Outcome(failure=Failure.CRASHED, message=message))
        if self._closing:
            return
        if self._starting:
            self._started.set_exception(
                AppBroken(f"The app could not be imported:\n{self._log.tail()}")
            )
        elif self._started.exception() is None:
            self.replace(worker)

    @property
    def _starting(self) -> bool:
        return not self._started.done()

    def replace(self, lost: Worker) -> None:
        """Start another worker in place of one that ended."""
        if lost.ready:
            self._retry_seconds = 0.1
            self.spawn_soon(0.0)
            return
        self.report(f"A worker could not import the app:\n{self._log.tail()}")
        self._retry_seconds = min(self._retry_seconds * 2, 5.0)
        self.spawn_soon(self._retry_seconds)

    def limit(self, function: Function) -> float | None:
        """How long a function may take, in seconds. None: as long as it needs."""
        return function.timeout

    def streams(self) -> dict[str, Any]:
        """Where a worker reads and prints: Popen's arguments."""
        descriptor = self._log.descriptor
        return {"stdin": subprocess.DEVNULL, "stdout": descriptor, "stderr": descriptor}

    def spawn_soon(self, delay: float) -> None:
        """Start another worker after a pause, in seconds."""

        async def spawn() -> None:
            await asyncio.sleep(delay)
            await self._spawn()
            self._changed()

        task = self.loop.create_task(spawn())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _spawn(self) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            process = subprocess.Popen(
                [
                    sys.executable,
                    "-P",
                    str(Path(__file__).with_name("worker.py")),
                    str(theirs.fileno()),
                    str(os.getpid()),
                    str(self._folder),
                    *self.flags,
                ],
                cwd=self._folder,
                env=self._environment,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
                **self.streams(),
            )
        ours.setblocking(False)
        worker = Worker(self, process)
        self._workers.add(worker)
        await self.loop.create_connection(lambda: worker, sock=ours)

    def _next_id(self) -> str:
        return f"{self._id_prefix}{next(self._ids):012x}"
