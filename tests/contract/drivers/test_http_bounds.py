"""G9: how long a request over HTTP may take, whatever the server does."""

import io
import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from chalicelib import deadline
from chalicelib.drivers import http, http_connection
from chalicelib.drivers.http import KeptConnections
from chalicelib.drivers.http_connection import Upload
from tests.contract.drivers.serving import OK, Answers, connect, post, serving


def drip_for_ever(connection: socket.socket, _: bytes) -> None:
    while True:
        connection.sendall(b"HTTP/1.1 200 OK\r\nx-more: ")
        threading.Event().wait(0.05)


def test_g9_silence_and_dripping_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "ANSWER_SECONDS", 0.2)

    with serving(lambda *_: None) as server, pytest.raises(TimeoutError):
        post(connect(server))
    with serving(drip_for_ever) as server, pytest.raises(TimeoutError):
        post(connect(server))


def test_g9_a_byte_gives_an_answer_no_more_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "ANSWER_SECONDS", 1.0)

    def begin_late(connection: socket.socket, _: bytes) -> None:
        time.sleep(0.9)
        connection.sendall(b"H")

    with serving(begin_late) as server:
        assert _refused_after(lambda: post(connect(server))) < 1.5


@pytest.fixture
def short_event() -> Iterator[None]:
    """An event that has 0.3 seconds left, which is less than any limit of a request."""
    deadline.begin(0.3)
    yield
    deadline.end()


@pytest.mark.parametrize("answer", [lambda *_: None, drip_for_ever])
def test_g9_no_answer_takes_longer_than_the_event_has(short_event: None, answer: Answers) -> None:
    with serving(answer) as server:
        client = connect(server)

        assert _refused_after(lambda: post(client)) < 1
        assert _refused_after(lambda: client.exchange("POST", "/x", {}, b"", again=True)) < 1


def test_g9_no_address_is_tried_after_the_event(
    short_event: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A queue of one that is full answers nobody."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        place = full.getsockname()
        waiting = [socket.socket() for _ in range(4)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(place)
        found = [(socket.AF_INET, socket.SOCK_STREAM, 0, "", place)] * 8
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)

        assert _refused_after(lambda: post(KeptConnections("http://many.example"))) < 1
        for one in waiting:
            one.close()


def test_g9_a_handshake_that_drips_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "CONNECT_SECONDS", 0.3)

    def drip(connection: socket.socket, _: bytes) -> None:
        for byte in b"\x16\x03\x03\x40\x00" + bytes(1000):
            connection.sendall(bytes([byte]))
            threading.Event().wait(0.1)

    with serving(drip) as server:
        assert _refused_after(lambda: post(connect(server, "https"))) < 2


class TestUploads:
    def test_are_sent_whole(self) -> None:
        content = bytes(range(256)) * 2000
        with serving(_after(len(content))) as server:
            body = Upload(io.BytesIO(content), len(content), 5)

            assert connect(server).exchange("PUT", "/x", {}, body).status == 200
            head, _, sent = b"".join(server.requests).partition(b"\r\n\r\n")

        assert f"content-length: {len(content)}".encode() in head
        assert sent == content

    def test_g9_that_nobody_reads_are_bounded(self) -> None:
        size = 50_000_000
        with serving(lambda *_: time.sleep(5)) as server:
            client = KeptConnections(f"http://127.0.0.1:{server.port}", seconds=0.3)
            body = Upload(io.BytesIO(bytes(size)), size, 60)

            assert _refused_after(lambda: client.exchange("PUT", "/x", {}, body)) < 2

    def test_g9_that_go_slowly_are_bounded(self) -> None:
        size = 50_000_000
        with serving(lambda *_: time.sleep(0.05)) as server:
            body = Upload(io.BytesIO(bytes(size)), size, 0.5)

            assert _refused_after(lambda: connect(server).exchange("PUT", "/x", {}, body)) < 2


def _after(size: int) -> Answers:
    """Answers after this many bytes of a body."""
    came = bytearray()

    def answer(connection: socket.socket, data: bytes) -> None:
        came.extend(data)
        if len(came.partition(b"\r\n\r\n")[2]) == size:
            connection.sendall(OK)

    return answer


def _refused_after(call: Callable[[], object]) -> float:
    """How many seconds a call took to fail."""
    started = time.monotonic()
    with pytest.raises(OSError, match=r"time|took|long"):
        call()
    return time.monotonic() - started


def test_g9_an_answer_without_an_end_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_connection, "MAX_ANSWER", 100)
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n"

    def answer(connection: socket.socket, request: bytes) -> None:
        size = 100 if request.endswith(b"fits") else 101
        connection.sendall(head % size + b"x" * size)

    with serving(answer) as server:
        assert post(connect(server), b"fits") == 200
        with pytest.raises(ConnectionError):
            post(connect(server))


def test_g9_headers_without_an_end_are_bounded() -> None:
    def answer(connection: socket.socket, request: bytes) -> None:
        count = 100 if request.endswith(b"fits") else 100_000
        lines = b"".join(b"x-%d: y\r\n" % number for number in range(count))
        connection.sendall(OK.replace(b"Content-Length", lines + b"Content-Length"))

    with serving(answer) as server:
        client = connect(server)
        answered = client.exchange("POST", "/x", {}, b"fits")
        assert (answered.status, answered.headers["x-99"]) == (200, "y")
        with pytest.raises(ConnectionError):
            post(client)
