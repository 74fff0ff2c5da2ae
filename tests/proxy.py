"""A TCP proxy in front of a server that can freeze, as a server or a network does."""

import contextlib
import socket
import threading
import time
from types import TracebackType


class Proxy:
    """Forwards bytes both ways. Frozen, it still accepts and forwards nothing.

    `delay`: how long what is asked is on its way. `drip`: how long each byte of an answer takes.
    """

    delay = 0.0
    drip = 0.0

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._open = threading.Event()
        self._open.set()
        self._forgotten: set[socket.socket] = set()
        self._answering: set[socket.socket] = set()
        self._sockets: list[socket.socket] = []
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._server.getsockname()[1]

    @property
    def carried(self) -> int:
        """How many connections it carries that neither side has ended."""
        return sum(one.fileno() >= 0 for one in self._sockets) // 2

    def freeze(self) -> None:
        self._open.clear()

    def thaw(self) -> None:
        self._open.set()

    def forget(self) -> None:
        """Carry nothing more for those who are connected, and do not tell them."""
        self._forgotten.update(self._sockets)

    def turn(self, host: str, port: int) -> None:
        """Lead those who connect from now on to another server, as a name does."""
        self._target = (host, port)

    def inject(self, data: bytes) -> None:
        """Say something to all clients in the server's place."""
        for near in self._sockets[::2]:
            near.sendall(data)

    def cut(self) -> None:
        """Hang up on everyone who is connected."""
        while self._sockets:
            _hang_up(self._sockets.pop())

    def __enter__(self) -> "Proxy":
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        _hang_up(self._server)
        self.thaw()
        self.cut()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._server.accept()
                threading.Thread(target=self._connect, args=[near], daemon=True).start()

    def _connect(self, near: socket.socket) -> None:
        self._sockets.append(near)
        self._open.wait()
        try:
            far = socket.create_connection(self._target, timeout=10)
        except OSError:
            _hang_up(near)
            return
        far.settimeout(None)
        self._sockets.append(far)
        self._answering.add(far)
        for pair in ((near, far), (far, near)):
            threading.Thread(target=self._forward, args=pair, daemon=True).start()

    def _forward(self, source: socket.socket, target: socket.socket) -> None:
        ask = source not in self._answering
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                self._open.wait()
                time.sleep(self.delay if ask else 0)
                if source in self._forgotten:
                    continue
                if ask or not self.drip:
                    target.sendall(data)
                    continue
                for place in range(len(data)):
                    time.sleep(self.drip)
                    target.sendall(data[place : place + 1])
        _hang_up(source)
        _hang_up(target)


def _hang_up(one: socket.socket) -> None:
    with contextlib.suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
    one.close()
