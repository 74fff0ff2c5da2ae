"""A network in front of Redis that loses single answers, or holds single requests back."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from urllib.parse import SplitResult, urlsplit


class LossyProxy:
    """Forwards bytes both ways, but for what has to do with a request that contains a text."""

    def __init__(self, url: str) -> None:
        self._far: SplitResult = urlsplit(url)
        self._losing = self._holding = b""
        self._held = threading.Event()
        self._server = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        """Where clients reach the server through this."""
        secret, at, _ = self._far.netloc.rpartition("@")
        place = f"127.0.0.1:{self._server.getsockname()[1]}"
        return self._far._replace(netloc=f"{secret}{at}{place}").geturl()

    def close(self) -> None:
        """Accept nobody any more."""
        _hang_up(self._server)

    @contextlib.contextmanager
    def losing_answers_to(self, text: str) -> Iterator[None]:
        """Inside the block such requests reach the server, and their answers nobody."""
        self._losing = text.encode()
        try:
            yield
        finally:
            self._losing = b""

    @contextlib.contextmanager
    def holding(self, text: str) -> Iterator[threading.Event]:
        """Inside the block such requests do not reach the server; set once there was one."""
        self._held.clear()
        self._holding = text.encode()
        try:
            yield self._held
        finally:
            self._holding = b""

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._server.accept()
                far = socket.create_connection((self._far.hostname, self._far.port))
                mute = threading.Event()
                for job in (self._ask, self._answer):
                    threading.Thread(target=job, args=(near, far, mute), daemon=True).start()

    def _ask(self, near: socket.socket, far: socket.socket, mute: threading.Event) -> None:
        with contextlib.suppress(OSError):
            while data := near.recv(1 << 20):
                if self._holding and self._holding in data:
                    self._held.set()
                    continue
                if self._losing and self._losing in data:
                    mute.set()
                far.sendall(data)
        _hang_up(far)

    def _answer(self, near: socket.socket, far: socket.socket, mute: threading.Event) -> None:
        with contextlib.suppress(OSError):
            while data := far.recv(1 << 20):
                if not mute.is_set():
                    near.sendall(data)
        _hang_up(near)


def _hang_up(one: socket.socket) -> None:
    with contextlib.suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
    one.close()
