"""One WebSocket connection: frames in, frames out, limits, close."""

import asyncio
import base64
import logging
import os
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from websockets.exceptions import InvalidState
from websockets.frames import Frame, Opcode
from websockets.http11 import Request, Response
from websockets.protocol import State
from websockets.server import ServerProtocol

from local.functions.events import Socket
from local.functions.outcomes import Outcome
from local.gateways import handshake
from local.gateways.head import Head
from local.gateways.inbox import Inbox
from local.gateways.timers import Timers

if TYPE_CHECKING:
    from local.gateways.sockets import SocketGateway

_QUIET = logging.getLogger("local.websockets")
_QUIET.setLevel(logging.CRITICAL)


def new_connection_id() -> str:
    """An id in API Gateway's form, which needs quoting in a URL."""
    return base64.urlsafe_b64encode(os.urandom(11)).decode()


class Connection(asyncio.Protocol):
    """Speaks WebSocket to one client and Lambda events to the gateway."""

    def __init__(self, gateway: "SocketGateway") -> None:
        self.id = new_connection_id()
        self.active_at = 0.0
        self.socket = Socket(self.id, "")
        self._gateway = gateway
        self._limits = gateway.limits
        self._protocol = ServerProtocol(
            max_size=(self._limits.message, self._limits.frame), logger=_QUIET
        )
        self._accepted = False
        self._head = Head()
        self._response: Response | None = None
        self._fragments: list[bytes] = []
        self._deaf = False
        self._inbox = Inbox(
            pool=gateway.pool,
            function=gateway.functions.get("$default"),
            limits=self._limits,
            socket=self.socket,
            send=self.send,
            changed=self._gate,
        )
        self._writing_paused = False
        self._reading_paused = False
        self._timers = Timers(gateway.loop)
        self._close_reason = ""

    # -- the transport's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        peer = transport.get_extra_info("peername")
        self.socket.source_ip = peer[0] if peer else ""
        self._gateway.all.add(self)
        self._timers.start("handshake", self._limits.handshake, self._transport.abort)

    def data_received(self, data: bytes) -> None:
        try:
            self._protocol.receive_data(data if self._accepted else self._head.take(data))
            for event in self._protocol.events_received():
                if isinstance(event, Frame):
                    self._received(event)
                elif isinstance(event, Request):
                    self._requested(event)
            self._flush()
        except Exception as error:
            self._gateway.failed(self, error)
            self._transport.abort()

    def eof_received(self) -> bool:
        self._protocol.receive_eof()
        self._flush()
        return False

    def pause_writing(self) -> None:
        self._writing_paused = True
        self._gate()

    def resume_writing(self) -> None:
        self._writing_paused = False
        self._gate()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._protocol.state is not State.CLOSED:
            self._protocol.receive_eof()
        self._timers.stop_all()
        self._gateway.lost(self)
        if self._accepted:
            self._accepted = False
            self._disconnected()

    # -- handshake

    def _requested(self, request: Request) -> None:
        self._timers.stop("handshake")
        response = self._protocol.accept(request)
        if response.status_code != HTTPStatus.SWITCHING_PROTOCOLS:
            self._protocol.send_response(response)
            self._finish_closing()
            return
        if (status := handshake.refused(request, self._gateway.names)) is not None:
            self._refuse(status)
            return
        self.socket.user_agent = request.headers.get("User-Agent", "")
        self._response = response
        function = self._gateway.functions.get("$connect")
        if function is None:
            self._accept({})
            return
        self._reading_paused = True
        self._transport.pause_reading()
        query = urlsplit(request.path).query
        event = self.socket.connect(list(request.headers.raw_items()), query)
        self._gateway.pool.submit(function, event, self._judged, wait=self._limits.integration)

    def _judged(self, outcome: Outcome) -> None:
        status = handshake.decided(outcome)
        if 200 <= status < 300:
            self._accept(outcome.result)
        else:
            self._refuse(status)
        self._flush()
        self._gate()

    def _accept(self, result: dict[str, Any]) -> None:
        if self._transport.is_closing():
            self._disconnected()
            return
        assert self._response is not None
        handshake.choose_subprotocol(self._response, result)
        self._accepted = True
        self._gateway.connections[self.id] = self
        self._protocol.send_response(self._response)
        self._touch()
        self._timers.start("lifetime", self._limits.lifetime, self._outlived)
        self._timers.start("idle", self._limits.idle, self._check_idle)
        if self._head.early:
            self.data_received(self._head.early)

    def _refuse(self, status: int) -> None:
        if self._transport.is_closing():
            return
        self._protocol.send_response(handshake.rejection(self._protocol, status, self.id))
        self._finish_closing()

    # -- frames in

    def _received(self, frame: Frame) -> None:
        if self._deaf:
            return
        if frame.opcode is Opcode.BINARY:
            self._touch()
            self._fail(1003, "Binary frames are not supported")
        elif frame.opcode is Opcode.TEXT or frame.opcode is Opcode.CONT:
            self._fragments.append(bytes(frame.data))
            if frame.fin:
                data, self._fragments = b"".join(self._fragments), []
                self._message(data)

    def _message(self, data: bytes) -> None:
        self._touch()
        try:
            body = data.decode()
        except UnicodeDecodeError:
            self._fail(1007, "Invalid UTF-8")
            return
        self._inbox.take(body)

    def _fail(self, code: int, reason: str) -> None:
        """Close for a frame that is not allowed."""
        self._deaf = True  # also for frames in the same packet
        self._close_reason = reason
        self._protocol.fail(code, reason)

    # -- frames out

    @property
    def is_open(self) -> bool:
        """Whether frames can be sent to the client, as far as the gateway knows."""
        return self._accepted and self._protocol.state is State.OPEN

    @property
    def waiting_bytes(self) -> int:
        """Bytes that wait for the client here. The kernel may hold more."""
        return self._transport.get_write_buffer_size()

    def has_room(self, size: int) -> bool:
        """Whether `size` more bytes may wait for the client."""
        return self.waiting_bytes + size <= self._limits.outgoing

    def send(self, data: bytes) -> bool:
        """Queue a frame for the client. False if the connection is gone."""
        if not self.is_open:
            return False
        self._touch()
        try:
            data.decode()
            self._protocol.send_text(data)
        except UnicodeDecodeError:
            self._protocol.send_binary(data)
        self._flush()
        if not self.has_room(0):
            self._close_reason = "Client does not read"
            self._transport.abort()
        return True

    def close(self, code: int, reason: str) -> None:
        """Begin the closing handshake; a client that does not answer is cut off."""
        if not self.is_open:
            self._transport.abort()
            return
        self._deaf = True
        self._inbox.clear()  # a closing connection answers no more frames
        self._close_reason = reason
        try:
            self._protocol.send_close(code, reason)
        except InvalidState:
            self._transport.abort()
        self._flush()

    def abort(self) -> None:
        """Cut the connection off."""
        self._transport.abort()

    # -- limits

    def _touch(self) -> None:
        self.active_at = self._gateway.loop.time()

    def _check_idle(self) -> None:
        left = self.active_at + self._limits.idle - self._gateway.loop.time()
        if left > 0:
            self._timers.start("idle", left, self._check_idle)
        else:
            self.close(1001, "Idle timeout")

    def _outlived(self) -> None:
        self.close(1001, "Going away")

    def _gate(self) -> None:
        """Read from the client only while its frames are handled and its answers are taken."""
        paused = self._inbox.full or self._writing_paused
        if paused != self._reading_paused and not self._transport.is_closing():
            self._reading_paused = paused
            if paused:
                self._transport.pause_reading()
            else:
                self._transport.resume_reading()

    # -- the end

    def _flush(self) -> None:
        for data in self._protocol.data_to_send():
            if data:
                self._transport.write(data)
            elif self._transport.can_write_eof():
                self._transport.write_eof()
        if self._accepted and self._protocol.close_expected():
            self._finish_closing()

    def _finish_closing(self) -> None:
        if "closing" not in self._timers:
            self._timers.start("closing", self._limits.closing, self._transport.abort)

    def _disconnected(self) -> None:
        status = self._protocol.close_code or 1006
        reason = self._close_reason or self._protocol.close_reason or "Connection closed"
        self._gateway.disconnected(self.socket.disconnect(status, reason))
