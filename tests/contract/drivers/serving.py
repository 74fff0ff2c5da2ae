"""A server whose answers a test chooses, and a client of it."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from chalicelib.drivers.http import KeptConnections

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
