"""The pool of Lambda workers: gives events to them, and replaces those that crash or overrun."""

import asyncio
import subprocess
import uuid
from collections import deque
from collections.abc import Callable, Mapping
from itertools import count
from pathlib import Path
from typing import Any

from local.functions.logs import WorkerLog
from local.functions.outcomes import Done, Failure, Job, Outcome
from local.functions.process import Worker, launch
from local.functions.registered import API_TIMEOUT, Function
from local.functions.worker import MAX_PAYLOAD

START_SECONDS = 60.0
MAX_WAITING = 10_000


class AppBroken(Exception):
    """The app cannot be imported. The text says where to read why."""


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
        process, ours = launch(
            self._folder, self._environment, flags=self.flags, streams=self.streams()
        )
        worker = Worker(self, process)
        self._workers.add(worker)
        await self.loop.create_connection(lambda: worker, sock=ours)

    def _next_id(self) -> str:
        return f"{self._id_prefix}{next(self._ids):012x}"
