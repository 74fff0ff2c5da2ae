"""The WebSocket gateway: all open connections, and what the management API does to them."""

import asyncio
import socket
from collections.abc import Callable, Mapping
from typing import Any

from local.functions.outcomes import Outcome
from local.functions.pool import WorkerPool
from local.functions.registered import Function
from local.gateways.connection import Connection
from local.gateways.management import Posted, described
from local.gateways.names import Names
from local.limits import Limits


class SocketGateway:
    """Serves WebSocket clients as API Gateway does."""

    def __init__(
        self,
        *,
        pool: WorkerPool,
        functions: Mapping[str, Function],
        limits: Limits,
        report: Callable[[str], None],
        names: Names,
    ) -> None:
        self.pool = pool
        self.functions = functions
        self.limits = limits
        self.names = names
        self.connections: dict[str, Connection] = {}
        self.all: set[Connection] = set()
        self.loop = asyncio.get_running_loop()
        self.report = report
        self._server: asyncio.Server | None = None
        self._disconnecting = 0

    async def start(self, listener: socket.socket) -> None:
        """Accept connections from a listening socket."""
        self._server = await self.loop.create_server(
            lambda: Connection(self), sock=listener, backlog=4096
        )

    async def stop(self, grace: float = 1.5) -> None:
        """Close all connections and let `$disconnect` run for them, for a short while."""
        if self._server is not None:
            self._server.close()
        for connection in list(self.all):
            connection.close(1001, "Going away")
        deadline = self.loop.time() + grace
        while self.all and self.loop.time() < deadline - grace / 2:
            await asyncio.sleep(0.01)
        for connection in list(self.all):
            connection.abort()
        while self._disconnecting and self.loop.time() < deadline:
            await asyncio.sleep(0.01)

    # -- what the management API asks for

    def post(self, connection_id: str, data: bytes) -> Posted:
        """Queue a frame."""
        connection = self.connections.get(connection_id)
        if connection is None or not connection.is_open:
            return "gone"
        if not connection.has_room(len(data)):
            return "full"
        return "taken" if connection.send(data) else "gone"

    def describe(self, connection_id: str) -> dict[str, Any] | None:
        """What is known of a connection; None if it is gone."""
        connection = self.connections.get(connection_id)
        if connection is None or not connection.is_open:
            return None
        return described(connection.socket, self.loop.time() - connection.active_at)

    def close(self, connection_id: str) -> bool:
        """Close a connection. False if it was gone."""
        connection = self.connections.get(connection_id)
        if connection is None or not connection.is_open:
            return False
        connection.close(1000, "Connection Closed Normally")
        return True

    # -- what connections tell

    def lost(self, connection: Connection) -> None:
        """A connection has ended."""
        self.all.discard(connection)
        self.connections.pop(connection.id, None)

    def failed(self, connection: Connection, error: Exception) -> None:
        """A connection hit a bug of the local cloud; the others go on."""
        self.report(f"socket {connection.id} dropped: {type(error).__name__}: {error}")

    def disconnected(self, event: bytes) -> None:
        """Run `$disconnect`; best effort, as on AWS."""
        function = self.functions.get("$disconnect")
        if function is None:
            return
        self._disconnecting += 1
        self.pool.submit(function, event, self._noted)

    def _noted(self, _outcome: Outcome) -> None:
        self._disconnecting -= 1
