"""For work on the app: changed code runs at once, and a debugger has the terminal."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterator
from importlib.util import cache_from_source
from pathlib import Path
from typing import Any

from aiohttp import web

from local.functions.outcomes import Done, Failure, Outcome
from local.functions.pool import WorkerPool
from local.functions.process import Worker
from local.functions.registered import Function, Registered
from local.gateways.http import HttpGateway
from local.gateways.router import Router
from local.options import CloudFailed

Describe = Callable[[], Awaitable[Registered]]
_Marks = dict[str, tuple[int, int, int]]


class Code:
    """The app's files, as they were at the last look."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._marks = self._look()

    def changed(self) -> bool:
        """Whether a file changed, came or went since the last call."""
        now, before = self._look(), self._marks
        self._marks = now
        different = [
            path for path in now.keys() | before.keys() if now.get(path) != before.get(path)
        ]
        for path in different:
            # Python keeps bytecode if the source has the same size and the same second.
            if path.endswith(".py"):
                Path(cache_from_source(path)).unlink(missing_ok=True)
        return bool(different)

    def _look(self) -> _Marks:
        marks = {}
        for path in self._files():
            try:
                about = os.stat(path)
            except FileNotFoundError:
                continue
            marks[path] = (about.st_mtime_ns, about.st_size, about.st_ino)
        return marks

    def _files(self) -> Iterator[str]:
        yield str(self._folder / "app.py")
        yield str(self._folder / ".chalice" / "config.json")
        for folder, folders, names in os.walk(self._folder / "chalicelib", followlinks=True):
            folders[:] = [name for name in folders if name != "__pycache__"]
            for name in names:
                if not name.startswith(".") and not name.endswith("~"):  # a file of an editor
                    yield os.path.join(folder, name)


class DevPool(WorkerPool):
    """Workers on the terminal of `make run`. A function may take as long as it wants.

    Each event looks whether the code changed. If it did, its worker starts with the new code.
    Code that cannot be imported fails events until it changes again.
    """

    flags = ("dev",)

    def __init__(self, *, code: Code, **given: Any) -> None:
        super().__init__(**given)
        self.version = 0
        self._code = code
        self._stale: set[Worker] = set()
        self._broken = False

    def look(self) -> None:
        """Use the code as it is now."""
        if not self._code.changed():
            return
        self.version += 1
        self.report("The code changed. The functions start again.")
        self._stale |= self._workers
        for worker in [each for each in self._workers if each.job is None]:
            self._end(worker)
        if self._broken:
            self._broken = False
            self.spawn_soon(0.0)

    def submit(
        self, function: Function, event: bytes, done: Done, wait: float | None = None
    ) -> None:
        self.look()
        if self._broken:
            done(Outcome(failure=Failure.CRASHED, message="The app cannot be imported."))
        else:
            super().submit(function, event, done, None)

    def idle(self, worker: Worker) -> None:
        if worker in self._stale:
            self._end(worker)
        else:
            super().idle(worker)

    def limit(self, function: Function) -> float | None:
        return None

    def streams(self) -> dict[str, Any]:
        return {}

    def replace(self, lost: Worker) -> None:
        stale = lost in self._stale
        self._stale.discard(lost)
        if stale or lost.ready:
            self.spawn_soon(0.0)
            return
        self._broken = True
        self.report("The app cannot be imported. The next request after a change tries again.")
        while self._waiting:
            message = "The app cannot be imported."
            self._waiting.popleft().finish(Outcome(failure=Failure.CRASHED, message=message))

    def _end(self, worker: Worker) -> None:
        if worker in self._idle:
            self._idle.remove(worker)
        worker.close()


class DevHttpGateway(HttpGateway):
    """Serves the routes that the code has now."""

    def __init__(self, *, pool: DevPool, describe: Describe, **given: Any) -> None:
        super().__init__(pool=pool, **given)
        self._dev_pool = pool
        self._describe = describe
        self._version = pool.version
        self._renewing = asyncio.Lock()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        async with self._renewing:
            await self._renew()
        return await super()._handle(request)

    async def _renew(self) -> None:
        self._dev_pool.look()
        version = self._dev_pool.version
        if version == self._version:
            return
        try:
            app = await self._describe()
        except CloudFailed:
            return  # the terminal has the reason; the request's own answer says that it failed
        if (app.schedules, app.queues) != (self._app.schedules, self._app.queues):
            self._report("Schedules or queues changed. Start Parley again to use them.")
        self._app, self._router, self._version = app, Router(app.routes), version
