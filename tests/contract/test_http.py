"""Kept connections against servers that answer well, badly, late and not at all."""

import datetime
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from chalicelib import http
from chalicelib.http import IDLE_SECONDS, KeptConnections
from tests.proxy import Proxy

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
Answers = Callable[[socket.socket, bytes], None]


class Server:
    """Calls `answer(connection, request)` for each request, and counts connections."""

    def __init__(self, answer: Answers, tls: ssl.SSLContext | None = None) -> None:
        self.answer = answer
        self.connections = 0
        self.requests: list[bytes] = []
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=[connection], daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            if self._tls is not None:
                connection = self._tls.wrap_socket(connection, server_side=True)
            while request := connection.recv(65536):
                self.requests.append(request)
                self.answer(connection, request)
        except OSError:
            pass
        finally:
            connection.close()


@contextmanager
def serving(answer: Answers, tls: ssl.SSLContext | None = None) -> Iterator[Server]:
    server = Server(answer, tls)
    yield server
    server.close()


def connect(server: Server, scheme: str = "http") -> KeptConnections:
    return KeptConnections(f"{scheme}://127.0.0.1:{server.port}/ignored")


def post(client: KeptConnections, body: bytes = b"hello") -> int:
    return client.request("POST", "/x", {"host": client.host, "x-one": "1"}, body)


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

    def test_are_left_alone_by_who_wants_a_new_one(
        self, client: KeptConnections, server: Server, proxy: Proxy
    ) -> None:
        proxy.forget()

        assert client.request("POST", "/x", {}, b"", new=True) == 200
        assert server.connections == self.COUNT + 1


@pytest.mark.parametrize("answer", [b"220 ready\r\n", b"HTTP/1.1 2", b""])
def test_what_is_no_answer_is_an_error(answer: bytes) -> None:
    def misbehave(connection: socket.socket, _: bytes) -> None:
        connection.sendall(answer)
        connection.shutdown(socket.SHUT_RDWR)

    with serving(misbehave) as server, pytest.raises(ConnectionError):
        post(connect(server))


def test_g9_silence_and_dripping_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "ANSWER_SECONDS", 0.2)

    def drip_for_ever(connection: socket.socket, _: bytes) -> None:
        while True:
            connection.sendall(b"HTTP/1.1 200 OK\r\nx-more: ")
            threading.Event().wait(0.05)

    with serving(lambda *_: None) as server, pytest.raises(TimeoutError):
        post(connect(server))
    with serving(drip_for_ever) as server, pytest.raises(TimeoutError):
        post(connect(server))


def test_g9_an_answer_without_an_end_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "MAX_ANSWER", 100)
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n"

    def answer(connection: socket.socket, request: bytes) -> None:
        size = 100 if request.endswith(b"fits") else 101
        connection.sendall(head % size + b"x" * size)

    with serving(answer) as server:
        assert post(connect(server), b"fits") == 200
        with pytest.raises(ConnectionError):
            post(connect(server))


def test_nobody_there_is_an_error() -> None:
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
    file.write_bytes(_certificate())
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


def _certificate() -> bytes:
    """A key and a certificate of its own for 127.0.0.1."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    today = datetime.datetime.now(datetime.UTC)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(today - datetime.timedelta(days=1))
        .not_valid_after(today + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .sign(key, hashes.SHA256())
    )
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ) + certificate.public_bytes(serialization.Encoding.PEM)
