"""A network in front of a server that loses answers, or holds single requests back."""

import contextlib
import random
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit


@dataclass
class Loss:
    """Which answers are lost: each in a random place, where it breaks off.

    `chosen` is asked for the first, second, … answer. Then the connection is closed or, if
    `silent`, carries nothing more and stays open.
    """

    chosen: Callable[[int], bool]
    chance: random.Random
    silent: bool
    answers: int = 0
    lost: int = 0

    def rest_of(self, data: bytes) -> bytes | None:
        """What arrives of an answer that is lost; None where it is not."""
        self.answers += 1
        if not self.chosen(self.answers):
            return None
        self.lost += 1
        return data[: self.chance.randrange(len(data))]


class LossyProxy:
    """Forwards bytes both ways, except those to be lost or held back. Answers nobody until it
    knows where its server is."""

    def __init__(self, url: str | None = None) -> None:
        self._far: SplitResult | None = urlsplit(url) if url else None
        self._losing = self._holding = b""
        self._loss: Loss | None = None
        self._turn = threading.Lock()
        self._held = threading.Event()
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._server.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        """Where clients reach the server through this."""
        assert self._far is not None
        secret, at, _ = self._far.netloc.rpartition("@")
        return self._far._replace(netloc=f"{secret}{at}127.0.0.1:{self.port}").geturl()

    def lead_to(self, url: str) -> None:
        """Where the server is."""
        self._far = urlsplit(url)

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
    def losing(self, loss: Loss) -> Iterator[Loss]:
        """Inside the block the answers that `loss` chooses are lost."""
        self._loss = loss
        try:
            yield loss
        finally:
            self._loss = None

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
                try:
                    assert self._far is not None
                    far = socket.create_connection((self._far.hostname, self._far.port))
                except (OSError, AssertionError):
                    _hang_up(near)
                    continue
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
                if mute.is_set():
                    continue
                loss = self._loss
                rest = None
                if loss is not None:
                    with self._turn:
                        rest = loss.rest_of(data)
                near.sendall(data if rest is None else rest)
                if loss is None or rest is None:
                    continue
                if not loss.silent:
                    break
                mute.set()
        _hang_up(near)


def _hang_up(one: socket.socket) -> None:
    with contextlib.suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
    one.close()
