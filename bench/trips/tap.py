"""Counts round trips on the wire: a relay in front of a server, whatever driver talks to it."""

import asyncio
import threading
from collections import Counter
from collections.abc import Iterable
from typing import cast

_READY_SECONDS = 10.0


class Taps:
    """Relays on local ports, in a thread of their own; `counts` is what has passed so far.

    A round trip is a request that follows an answer, or opens a connection: writing several
    times before reading is one.
    """

    def __init__(self, targets: Iterable[tuple[str, str, int]]) -> None:
        """Targets are (name, host, port)."""
        self.counts: Counter[str] = Counter()
        self.ports: dict[str, int] = {}
        self._targets = list(targets)
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="taps", daemon=True)

    def start(self) -> None:
        """Listen; `ports` says where."""
        self._thread.start()
        if not self._ready.wait(_READY_SECONDS):
            raise RuntimeError("the relays did not start")

    def _run(self) -> None:
        self._loop.run_until_complete(self._listen())
        self._ready.set()
        self._loop.run_forever()

    async def _listen(self) -> None:
        for name, host, port in self._targets:

            def near(name: str = name, host: str = host, port: int = port) -> _Near:
                return _Near(self.counts, name, host, port)

            server = await self._loop.create_server(near, "127.0.0.1", 0)
            self.ports[name] = server.sockets[0].getsockname()[1]


class _Near(asyncio.Protocol):
    """The client's side of one relayed connection."""

    def __init__(self, counts: Counter[str], name: str, host: str, port: int) -> None:
        self._counts, self._name, self._target = counts, name, (host, port)
        self._far: asyncio.Transport | None = None
        self._early: list[bytes] = []
        self.asking = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self._connecting = asyncio.ensure_future(self._connect())

    def data_received(self, data: bytes) -> None:
        if not self.asking:
            self.asking = True
            self._counts[self._name] += 1
        if self._far is None:
            self._early.append(data)
        else:
            self._far.write(data)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._far is not None:
            self._far.close()

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            self._far, _ = await loop.create_connection(lambda: _Far(self), *self._target)
        except OSError:
            self.transport.close()
            return
        self._far.writelines(self._early)
        if self.transport.is_closing():
            self._far.close()


class _Far(asyncio.Protocol):
    """The server's side."""

    def __init__(self, near: _Near) -> None:
        self._near = near

    def data_received(self, data: bytes) -> None:
        self._near.asking = False
        self._near.transport.write(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._near.transport.close()
