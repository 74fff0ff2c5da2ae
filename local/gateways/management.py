"""The @connections management API: post to, look at and close WebSocket connections.

Every event of the app passes here. So it has a small protocol of its own, and no web framework.
"""

import asyncio
import json
import socket
import time
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import formatdate
from typing import Any, Literal, Protocol, cast
from urllib.parse import unquote

import httptools

from local.functions.events import STAGE, Socket, new_request_id
from local.sigv4 import SignatureRefused, Verifier

MAX_POST = 128 * 1024
_OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
_NO_CONTENT = b"HTTP/1.1 204 No Content\r\n\r\n"
_REASONS = {
    200: "OK",
    400: "Bad Request",
    403: "Forbidden",
    404: "Not Found",
    410: "Gone",
    413: "Payload Too Large",
    429: "Too Many Requests",
    500: "Internal Server Error",
}


Posted = Literal["taken", "full", "gone"]
"""What became of a frame. "full": the client does not read, and too much waits for it already."""


class Sockets(Protocol):
    """The connections that the API speaks of."""

    def post(self, connection_id: str, data: bytes) -> Posted:
        """Queue a frame."""

    def describe(self, connection_id: str) -> dict[str, Any] | None:
        """What is known of a connection; None if it is gone."""

    def close(self, connection_id: str) -> bool:
        """Close a connection. False if it was gone."""


def described(of: Socket, idle: float) -> dict[str, Any]:
    """What the API says of an open connection. `idle`: seconds since it was last used."""
    return {
        "connectedAt": _rfc3339(of.connected_at / 1000),
        "identity": {"sourceIp": of.source_ip, "userAgent": of.user_agent},
        "lastActiveAt": _rfc3339(time.time() - idle),
    }


class NoConnections:
    """For a cloud without sockets: every connection is gone."""

    def post(self, connection_id: str, data: bytes) -> Posted:
        return "gone"

    def describe(self, connection_id: str) -> dict[str, Any] | None:
        return None

    def close(self, connection_id: str) -> bool:
        return False


def _rfc3339(timestamp: float) -> str:
    return datetime.fromtimestamp(timestamp, UTC).isoformat(timespec="milliseconds")


def _json(status: int, content: dict[str, Any], error: str | None = None) -> bytes:
    body = json.dumps(content).encode()
    kind = f"x-amzn-ErrorType: {error}\r\n" if error else ""
    return (
        f"HTTP/1.1 {status} {_REASONS[status]}\r\nContent-Type: application/json\r\n{kind}"
        f"Date: {formatdate(usegmt=True)}\r\n"
        f"x-amzn-RequestId: {new_request_id()}\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode() + body


class _Client(asyncio.Protocol):
    """One kept connection of a caller. Requests are answered in turn, without waiting."""

    def __init__(self, api: "ManagementApi") -> None:
        self._api = api
        self._begin()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._parser = httptools.HttpRequestParser(self)
        self._api.clients.add(self._transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._api.clients.discard(self._transport)

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            problem = _json(400, {"message": "Bad Request"}, "BadRequestException")
            self._transport.write(problem)
            self._transport.close()

    def _begin(self) -> None:
        self._url = b""
        self._headers: dict[str, str] = {}
        self._body: list[bytes] = []
        self._size = 0

    # -- called by the parser

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        if self._headers.get("expect", "").lower() == "100-continue":
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        self._size += len(body)
        if self._size <= MAX_POST:
            self._body.append(body)

    def on_message_complete(self) -> None:
        method = self._parser.get_method().decode()
        path, _, query = self._url.decode("latin-1").partition("?")
        body = self._body[0] if len(self._body) == 1 else b"".join(self._body)
        try:
            if self._size > MAX_POST:
                answer = _json(413, {"message": "Payload Too Large"}, "PayloadTooLargeException")
            else:
                answer = self._api.answer(method, path, query, self._headers, body)
        except Exception as error:
            self._api.failed(error)
            answer = _json(500, {"message": "Internal server error"}, "InternalServerError")
        self._transport.write(answer)
        keep = self._parser.should_keep_alive()
        self._begin()
        if not keep:
            self._transport.close()


class ManagementApi:
    """Answers signed requests on `/@connections/{id}`."""

    def __init__(
        self, *, sockets: Sockets, verifier: Verifier, report: Callable[[str], None]
    ) -> None:
        self.clients: set[asyncio.Transport] = set()
        self._sockets = sockets
        self._verifier = verifier
        self._report = report
        self._server: asyncio.Server | None = None

    async def start(self, listener: socket.socket) -> None:
        """Accept callers from a listening socket."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Client(self), sock=listener, backlog=1024)

    async def stop(self) -> None:
        """Hang up on all callers."""
        if self._server is not None:
            self._server.close()
        for client in list(self.clients):
            client.abort()

    def failed(self, error: Exception) -> None:
        """A request hit a bug of the local cloud."""
        self._report(f"management API: {type(error).__name__}: {error}")

    def answer(
        self, method: str, path: str, query: str, headers: dict[str, str], body: bytes
    ) -> bytes:
        """The whole HTTP answer to a request."""
        try:
            self._verifier.check(method, path, query, headers, body)
        except SignatureRefused as refusal:
            return _json(403, {"message": str(refusal)}, "ForbiddenException")
        connection_id = _connection_id(path)
        if connection_id is None:
            return _json(404, {"message": "Not Found"}, "NotFoundException")
        if method == "POST":
            posted = self._sockets.post(connection_id, body)
            if posted == "taken":
                return _OK
            if posted == "full":
                return _json(429, {"message": "Too Many Requests"}, "LimitExceededException")
        elif method == "DELETE":
            if self._sockets.close(connection_id):
                return _NO_CONTENT
        elif method == "GET":
            if (description := self._sockets.describe(connection_id)) is not None:
                return _json(200, description)
        else:
            return _json(403, {"message": "Missing Authentication Token"}, "ForbiddenException")
        return _json(410, {"message": "Gone"}, "GoneException")


def _connection_id(path: str) -> str | None:
    plain = unquote(path).removeprefix(f"/{STAGE}")
    prefix = "/@connections/"
    return plain[len(prefix) :] if plain.startswith(prefix) else None
