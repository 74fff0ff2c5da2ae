"""A lean WebSocket client: the load generator must not be what is measured."""

import asyncio
import json
from collections.abc import Callable
from itertools import count
from time import perf_counter
from typing import Any, cast

from pydantic_core import from_json
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.http11 import Response
from websockets.uri import parse_uri

Events = Callable[["Link", str, dict[str, Any], float], None]

CONNECT_SECONDS = 30.0


class Refused(Exception):
    """A frame was answered with an error; the text is its code."""


class Link(asyncio.Protocol):
    """One open socket: `ask` for answers, a callback for events."""

    def __init__(self, url: str, on_event: Events) -> None:
        self._loop = asyncio.get_running_loop()
        self._protocol = ClientProtocol(parse_uri(url), max_size=2**20)
        self._on_event = on_event
        self._ids = count(1)
        self._waiting: dict[str, asyncio.Future[dict[str, Any]]] = {}
        self._opened: asyncio.Future[None] = self._loop.create_future()
        self._fragments: list[bytes] = []

    @classmethod
    async def open(cls, url: str, on_event: Events) -> "Link":
        """Connect to `url`, ticket included. Raises OSError where that is refused."""
        loop = asyncio.get_running_loop()
        target = parse_uri(url)
        async with asyncio.timeout(CONNECT_SECONDS):
            _, link = await loop.create_connection(
                lambda: cls(url, on_event), target.host, target.port
            )
            await link._opened
        return link

    async def ask(self, action: str, data: dict[str, Any], seconds: float) -> dict[str, Any]:
        """The data of the answer. Raises Refused, TimeoutError or ConnectionError."""
        frame_id = str(next(self._ids))
        waiting = self._waiting[frame_id] = self._loop.create_future()
        frame = {"id": frame_id, "action": action, "data": data}
        self._protocol.send_text(json.dumps(frame).encode())
        self._flush()
        try:
            async with asyncio.timeout(seconds):
                answer = await waiting
        finally:
            del self._waiting[frame_id]
        if "error" in answer:
            raise Refused(answer["error"]["code"])
        found: dict[str, Any] = answer["data"]
        return found

    def close(self) -> None:
        """Hang up."""
        self._transport.close()

    # -- the transport's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._protocol.send_request(self._protocol.connect())
        self._flush()

    def data_received(self, data: bytes) -> None:
        came_at = perf_counter()
        self._protocol.receive_data(data)
        for event in self._protocol.events_received():
            if isinstance(event, Frame):
                self._frame(event, came_at)
            elif isinstance(event, Response):
                self._answered(event)
        self._flush()

    def connection_lost(self, exc: Exception | None) -> None:
        gone = ConnectionError("the socket was closed")
        if not self._opened.done():
            self._opened.set_exception(gone)
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(gone)

    def _answered(self, response: Response) -> None:
        refusal = self._protocol.handshake_exc
        if self._opened.done():
            return
        if refusal is None:
            self._opened.set_result(None)
        else:
            self._opened.set_exception(ConnectionError(f"{response.status_code}: {refusal}"))

    def _frame(self, frame: Frame, came_at: float) -> None:
        if frame.opcode is Opcode.TEXT and frame.fin:
            self._message(bytes(frame.data), came_at)
        elif frame.opcode is Opcode.TEXT or frame.opcode is Opcode.CONT:
            self._fragments.append(bytes(frame.data))
            if frame.fin:
                whole, self._fragments = b"".join(self._fragments), []
                self._message(whole, came_at)

    def _message(self, text: bytes, came_at: float) -> None:
        found = from_json(text)
        if "event" in found:
            self._on_event(self, found["event"], found["data"], came_at)
            return
        waiting = self._waiting.get(found.get("re"))
        if waiting is not None and not waiting.done():
            waiting.set_result(found)

    def _flush(self) -> None:
        for data in self._protocol.data_to_send():
            if data:
                self._transport.write(data)
