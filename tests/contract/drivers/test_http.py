"""Kept connections against servers that answer well, badly, late and not at all."""

import socket
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from chalicelib.drivers import http
from chalicelib.drivers.http import IDLE_SECONDS, KeptConnections
from local.keys import new_certificate
from tests.contract.drivers.serving import OK, Server, connect, post, serving
from tests.proxy import Proxy


def test_sends_method_path_headers_and_body() -> None:
    with serving(lambda connection, _: connection.sendall(OK)) as server:
        assert post(connect(server)) == 200

    assert server.requests == [
        f"POST /x HTTP/1.1\r\nhost: 127.0.0.1:{server.port}\r\nx-one: 1\r\n"
        "content-length: 5\r\n\r\nhello".encode()
    ]


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (OK, 200),
        (b"HTTP/1.1 204 No Content\r\n\r\n", 204),
        (b"HTTP/1.1 410 Gone\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n", 410),
        (b"HTTP/1.1 500 Oh\r\ncontent-length: 0\r\n\r\n", 500),
    ],
)
def test_the_connection_is_kept(answer: bytes, status: int) -> None:
    with serving(lambda connection, _: connection.sendall(answer)) as server:
        client = connect(server)

        assert [post(client) for _ in range(3)] == [status] * 3
        assert server.connections == 1


@pytest.mark.parametrize(
    "interim", [b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"]
)
def test_an_interim_response_is_skipped(interim: bytes) -> None:
    """Or it would be taken for the answer of the next request."""

    def answer(connection: socket.socket, request: bytes) -> None:
        connection.sendall(interim * 2)
        time.sleep(0.05)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n" + request[-5:])

    with serving(answer) as server:
        client = connect(server)
        found = [client.exchange("PUT", "/x", {}, body) for body in (b"first", b"later")]

    assert [one.body for one in found] == [b"first", b"later"]
    assert [(one.status, "link" in one.headers) for one in found] == [(200, False)] * 2


@pytest.mark.parametrize(
    "more", [OK, b"HTTP/1.1 403 Forbidden\r\nContent-Le", b"HTTP/1.1 100 Continue\r\n\r\n"]
)
def test_two_answers_to_one_request_are_an_error(more: bytes) -> None:
    with serving(lambda connection, _: connection.sendall(OK + more)) as server:
        client = connect(server)
        for _ in range(2):
            with pytest.raises(ConnectionError):
                post(client)

        assert server.connections == 2


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nab\r\nc!",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n4\r\n\r\nc!\r\n0\r\n\r\n",
    ],
)
def test_the_body_is_answered_too(answer: bytes) -> None:
    with serving(lambda connection, _: connection.sendall(answer)) as server:
        client = connect(server)

        for _ in range(2):
            assert client.ask("GET", "/x", {}, b"") == (200, b"ab\r\nc!")
        client.close()
        client.ask("GET", "/x", {}, b"")
        assert server.connections == 2


def test_an_answer_may_come_in_pieces() -> None:
    def drip(connection: socket.socket, _: bytes) -> None:
        for byte in OK:
            connection.sendall(bytes([byte]))

    with serving(drip) as server:
        client = connect(server)

        assert [post(client), post(client)] == [200, 200]


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\na body that ends with the connection",
    ],
)
def test_a_connection_that_the_server_closes_is_replaced(answer: bytes) -> None:
    def answer_and_close(connection: socket.socket, _: bytes) -> None:
        connection.sendall(answer)
        connection.shutdown(socket.SHUT_RDWR)

    with serving(answer_and_close) as server:
        client = connect(server)

        assert [post(client) for _ in range(3)] == [200] * 3
        assert server.connections == 3


def test_a_kept_connection_that_was_closed_meanwhile_is_not_used() -> None:
    closed = threading.Event()

    def answer_then_hang_up(connection: socket.socket, _: bytes) -> None:
        connection.sendall(OK)
        connection.shutdown(socket.SHUT_RDWR)
        closed.set()

    with serving(answer_then_hang_up) as server:
        client = connect(server)
        for _ in range(3):
            closed.clear()
            assert post(client) == 200
            assert closed.wait(5)


class TestConnectionsThatIdled:
    """Together, as after a fan-out and a pause."""

    COUNT = 8

    @pytest.fixture
    def server(self) -> Iterator[Server]:
        everybody = threading.Barrier(self.COUNT)

        def answer(connection: socket.socket, request: bytes) -> None:
            if request.endswith(b"together"):
                everybody.wait(5)
            connection.sendall(OK)

        with serving(answer) as server:
            yield server

    @pytest.fixture
    def proxy(self, server: Server) -> Iterator[Proxy]:
        with Proxy("127.0.0.1", server.port) as proxy:
            yield proxy

    @pytest.fixture
    def client(self, server: Server, proxy: Proxy) -> KeptConnections:
        client = KeptConnections(f"http://127.0.0.1:{proxy.port}")
        threads = [
            threading.Thread(target=post, args=[client, b"together"]) for _ in range(self.COUNT)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert server.connections == self.COUNT
        return client

    @pytest.mark.parametrize("direction", [1, -1])
    def test_for_long_by_the_wall_clock_are_not_used_again(
        self,
        direction: int,
        client: KeptConnections,
        server: Server,
        proxy: Proxy,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        later = time.time() + direction * (IDLE_SECONDS + 1)
        monkeypatch.setattr(time, "time", lambda: later)
        proxy.forget()

        started = time.monotonic()
        assert [post(client) for _ in range(self.COUNT)] == [200] * self.COUNT

        assert time.monotonic() - started < http.ANSWER_SECONDS, "nothing was sent into the dark"
        assert server.connections == self.COUNT + 1

    def test_for_a_short_time_are_used_again(
        self, client: KeptConnections, server: Server, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        later = time.time() + IDLE_SECONDS - 1
        monkeypatch.setattr(time, "time", lambda: later)

        assert post(client) == 200
        assert server.connections == self.COUNT

    def test_are_not_used_if_a_new_one_is_asked_for(
        self, client: KeptConnections, server: Server, proxy: Proxy
    ) -> None:
        proxy.forget()

        assert client.request("POST", "/x", {}, b"", new=True) == 200
        assert server.connections == self.COUNT + 1

    def test_that_do_not_answer_fail_one_request_each(
        self, client: KeptConnections, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        client._seconds = 0.3
        proxy.forget()

        with pytest.raises(TimeoutError):
            post(client)

    @pytest.mark.parametrize("harm", ["forget", "cut"])
    def test_that_are_broken_are_replaced_if_a_repeat_is_harmless(
        self, client: KeptConnections, server: Server, proxy: Proxy, harm: str
    ) -> None:
        client._seconds = 0.3
        getattr(proxy, harm)()

        assert client.exchange("POST", "/x", {}, b"", again=True).status == 200
        assert server.connections == self.COUNT + 1


@pytest.mark.parametrize(
    "answer",
    [
        *(b"220 ready\r\n", b"HTTP/1.1 2", b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n[1]",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n",
    ],
)
def test_an_invalid_answer_is_an_error(answer: bytes) -> None:
    def misbehave(connection: socket.socket, _: bytes) -> None:
        connection.sendall(answer)
        connection.shutdown(socket.SHUT_RDWR)

    with serving(misbehave) as server, pytest.raises(ConnectionError):
        post(connect(server))


def test_the_next_address_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(lambda connection, _: connection.sendall(OK)) as server:
        found = [
            (socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", port))
            for port in (1, server.port)
        ]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)

        assert post(KeptConnections("http://many.example")) == 200


def test_an_unreachable_server_is_an_error() -> None:
    with serving(lambda *_: None) as server:
        pass

    with pytest.raises(OSError, match="refused"):
        post(connect(server))


def test_threads_share_it() -> None:
    gate = threading.Barrier(8)

    def together(connection: socket.socket, _: bytes) -> None:
        gate.wait(5)
        connection.sendall(OK)

    with serving(together) as server:
        client = connect(server)
        statuses: list[int] = []
        for _ in range(2):
            threads = [
                threading.Thread(target=lambda: statuses.append(post(client))) for _ in range(8)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()

        assert statuses == [200] * 16
        assert server.connections == 8


def test_certificates_are_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "server.pem"
    file.write_text(new_certificate())
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(file)
    with serving(lambda connection, _: connection.sendall(OK), tls) as server:
        with pytest.raises(ssl.SSLCertVerificationError):
            post(connect(server, "https"))

        monkeypatch.setenv("SSL_CERT_FILE", str(file))
        client = connect(server, "https")
        before = server.connections
        assert [post(client) for _ in range(3)] == [200] * 3
        assert server.connections == before + 1
