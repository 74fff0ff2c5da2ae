"""pika's connection, for functions that are frozen between calls."""

import socket
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from pika import SelectConnection
from pika.adapters.utils.selector_ioloop_adapter import SelectorIOServicesAdapter
from pika.heartbeat import HeartbeatChecker

HEARTBEAT_SECONDS = 60
"""The heartbeat in seconds. RabbitMQ closes a connection after two to three times as long without
traffic. Otherwise a function that is frozen or dead would keep it for ever (docs/decisions/0030).
"""


class _Silence(HeartbeatChecker):  # type: ignore[misc]
    """No heartbeat checks between calls. pika's own check would see no traffic while the function
    was frozen, and close a healthy connection."""

    def _start_send_timer(self) -> None: ...

    def _start_check_timer(self) -> None: ...


class Connection(SelectConnection):  # type: ignore[misc]
    """Sends a message in one write, not in one for each frame. With `hold`, all messages until
    `release` are one write."""

    _held: list[bytes] | None = None

    def hold(self) -> None:
        self._held = self._held or []

    def release(self) -> None:
        held, self._held = self._held, None
        if held:
            self._output_marshaled_frames(held)

    def _create_heartbeat_checker(self) -> HeartbeatChecker:
        return _Silence(self, HEARTBEAT_SECONDS)

    def _output_marshaled_frames(self, marshaled_frames: Sequence[bytes]) -> None:
        if self._held is None:
            super()._output_marshaled_frames([b"".join(marshaled_frames)])
        else:
            self._held.extend(marshaled_frames)


class Sockets(SelectorIOServicesAdapter):  # type: ignore[misc]
    """Keeps a handle on the socket, so that it can be closed without the broker's help."""

    handle: socket.socket | None = None

    def connect_socket(self, sock: socket.socket, resolved_addr: Any, on_done: Any) -> Any:
        self.drop()
        self.handle = sock.dup()
        return super().connect_socket(sock, resolved_addr, on_done)

    def drop(self) -> None:
        if self.handle is not None:
            with suppress(OSError):
                self.handle.shutdown(socket.SHUT_RDWR)
            self.handle.close()
            self.handle = None
