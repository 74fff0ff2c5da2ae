"""The local cloud's parts around the sample app, in a thread of the test's process."""

import asyncio
import json
import os
import shutil
import threading
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from socket import create_connection, socket
from typing import Any, TypeVar
from urllib.parse import quote

import uvloop
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from websockets.sync.client import ClientConnection, connect

from local.functions.logs import WorkerLog
from local.functions.pool import WorkerPool
from local.functions.registered import Function, Registered, registered
from local.gateways.http import HttpGateway
from local.gateways.management import ManagementApi
from local.gateways.names import Names
from local.gateways.sockets import SocketGateway
from local.limits import Limits
from local.sigv4 import Verifier
from local.stand_ins.mails import Mails
from local.stand_ins.pushes import Pushes
from local.web.pages import Pages
from local.web.site import WEB, WebClient

T = TypeVar("T")
SAMPLE_APP = Path(__file__).parent / "sample_app"
ACCESS_KEY, SECRET_KEY = "local", "not-a-secret"
PATIENCE = 60.0


def listener() -> socket:
    """A listening socket on any free port."""
    bound = socket()
    bound.bind(("127.0.0.1", 0))
    bound.listen(100)
    bound.setblocking(False)
    return bound


def eventually(check: Callable[[], T], patience: float = PATIENCE) -> T:
    """The first true value of `check`; fails when there is none in time."""
    deadline = time.monotonic() + patience
    while not (value := check()):
        if time.monotonic() > deadline:
            raise AssertionError("it did not happen in time")
        time.sleep(0.01)
    return value


@dataclass
class Stack:
    """Pool, gateways and management API. `reports` has what a console would have shown."""

    folder: Path
    app_folder: Path = SAMPLE_APP
    limits: Limits = field(default_factory=Limits)
    workers: int = 2
    config: dict[str, Any] = field(default_factory=dict)
    allow_hosts: frozenset[str] = frozenset()
    reports: list[str] = field(default_factory=list)

    def start(self) -> "Stack":
        """Start everything; raises what `WorkerPool.start` raises."""
        self._loop = uvloop.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.pushes = Pushes()
        self.mails = Mails()
        self.record_file = self.folder / "records"
        self._listeners = [listener(), listener(), listener()]
        http, sockets, management = (bound.getsockname()[1] for bound in self._listeners)
        self.http_port, self.socket_port, self.management_port = http, sockets, management
        self.http_url = f"http://127.0.0.1:{http}"
        self.socket_url = f"ws://127.0.0.1:{sockets}/api"
        self.management_url = f"http://127.0.0.1:{management}/api"
        self.run(self._start())
        return self

    async def _start(self) -> None:
        self.log = WorkerLog(self.folder / "logs" / "workers.log", self.reports.append)
        await self.log.start()
        self.pool = WorkerPool(
            folder=self.app_folder,
            environment={
                **os.environ,
                "RECORD_FILE": str(self.record_file),
                "AWS_REGION": "us-east-1",
            },
            log=self.log,
            report=self.reports.append,
        )
        await self.pool.start(self.workers)
        description = await self.pool.invoke(Function("describe", "describe"), b"{}")
        self.app: Registered = registered(description.result, self.config)
        names = Names(self.http_port, self.allow_hosts)
        self.sockets = SocketGateway(
            pool=self.pool,
            functions=self.app.sockets,
            limits=self.limits,
            report=self.reports.append,
            names=names,
        )
        self.management = ManagementApi(
            sockets=self.sockets,
            verifier=Verifier(ACCESS_KEY, SECRET_KEY),
            report=self.reports.append,
        )
        web = self.folder / "web"
        shutil.copytree(WEB, web, dirs_exist_ok=True)
        self.http = HttpGateway(
            pool=self.pool,
            app=self.app,
            limits=self.limits,
            report=self.reports.append,
            pages=Pages(
                client=WebClient(web, dev=True),
                pushes=self.pushes,
                mails=self.mails,
                report=self.reports.append,
            ),
            names=names,
            issuer=self.http_url,
        )
        await self.http.start(self._listeners[0])
        await self.sockets.start(self._listeners[1])
        await self.management.start(self._listeners[2])

    def run(self, work: Coroutine[Any, Any, T], patience: float = 60.0) -> T:
        """Run a coroutine in the stack's loop and return its result."""
        future: Future[T] = asyncio.run_coroutine_threadsafe(work, self._loop)
        return future.result(patience)

    def invoke(self, function: Function, event: Any, wait: float | None = 29.0) -> Any:
        """The outcome of an event."""
        return self.run(self.pool.invoke(function, json.dumps(event).encode(), wait))

    def stop(self) -> None:
        """End everything that was started."""
        if hasattr(self, "http"):
            self.run(self.http.stop())
            self.run(self.sockets.stop())
            self.run(self.management.stop())
        self.run(self.pool.stop())
        self._loop.call_soon_threadsafe(self.log.close)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()
        for bound in self._listeners:
            bound.close()

    # -- what tests do with it

    def records(self, kind: str) -> list[Any]:
        """The events of a kind that the sample app recorded."""
        return [event for _, event in self.marks(kind)]

    def marks(self, *kinds: str) -> list[tuple[str, Any]]:
        """Kind and event of what the sample app recorded, in order."""
        if not self.record_file.exists():
            return []
        lines = [json.loads(line) for line in self.record_file.read_text().splitlines()]
        return [(line["kind"], line["event"]) for line in lines if line["kind"] in kinds]

    def connect(self, query: str = "", **options: Any) -> ClientConnection:
        """A client's socket."""
        options = {"compression": None, "ping_interval": None, "max_size": None, **options}
        # "legacy" is how this release calls connecting without a context manager.
        client: ClientConnection = connect(self.socket_url + query, legacy=True, **options)
        return client

    def connect_raw(self, query: str = "", with_it: bytes = b"") -> socket:
        """A client that sends its handshake, and reads and answers only what the test does.
        `with_it` follows in the same packet."""
        raw = create_connection(("127.0.0.1", self.socket_port), PATIENCE)
        raw.sendall(
            f"GET /api{query} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n"
            "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
            + with_it
        )
        return raw

    def connection_id(self, client: ClientConnection) -> str:
        """The id of a client's connection."""
        client.send("event")
        event = json.loads(client.recv(PATIENCE))
        return str(event["requestContext"]["connectionId"])

    def signed(
        self, method: str, connection_id: str, body: bytes = b"", secret: str = SECRET_KEY
    ) -> tuple[str, dict[str, str]]:
        """URL and headers of a signed request to the management API."""
        url = f"{self.management_url}/@connections/{quote(connection_id, safe='')}"
        request = AWSRequest(method, url, data=body, headers={"Content-Type": "application/json"})
        SigV4Auth(Credentials(ACCESS_KEY, secret), "execute-api", "us-east-1").add_auth(request)
        return url, dict(request.headers.items())
