"""Requests to one server over kept connections."""

import math
import socket
import ssl
import time
from collections import deque
from collections.abc import Mapping
from urllib.parse import urlsplit

from chalicelib.deadline import passed, within
from chalicelib.drivers.http_connection import Answer, Connection, Upload

CONNECT_SECONDS = 1.0
ANSWER_SECONDS = 2.0
IDLE_SECONDS = 20.0
"""A connection that was idle for longer is not used again: servers and networks drop it, and often
all idle connections at once. By the wall clock, since the monotonic clock may stop while a function
is frozen."""


class KeptConnections:
    """Sends plain requests over kept connections. Threads may share it.

    A general HTTP client takes more CPU for one request than the rest of a message.
    """

    def __init__(self, url: str, *, seconds: float | None = None) -> None:
        """Uses scheme, host and port of the URL. `seconds`: what an answer may take in all, if not
        `ANSWER_SECONDS`."""
        parts = urlsplit(url)
        self.host = parts.netloc
        self._tls = ssl.create_default_context() if parts.scheme == "https" else None
        self._address = parts.hostname or "", parts.port or (443 if self._tls else 80)
        self._seconds = ANSWER_SECONDS if seconds is None else seconds
        self._kept: deque[Connection] = deque()

    def request(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes, *, new: bool = False
    ) -> int:
        """The status of the answer. Raises OSError when none comes in time."""
        return self.exchange(method, path, headers, body, new=new).status

    def ask(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes, *, new: bool = False
    ) -> tuple[int, bytes]:
        """The status and the body of the answer. Raises OSError when none comes in time."""
        return self.exchange(method, path, headers, body, new=new)[:2]

    def exchange(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: bytes | Upload,
        *,
        new: bool = False,
        again: bool = False,
        ends: float = math.inf,
    ) -> Answer:
        """The whole answer. Raises OSError when none comes in time.

        `new`: open a connection. A second try needs that, since all kept connections may be broken.
        `again`: it is harmless if the request arrives twice, so try once more on a new connection
        if a kept one fails. `ends`: wait no longer than until then, by the monotonic clock.
        """
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        size = body.size if isinstance(body, Upload) else len(body)
        head = f"{method} {path} HTTP/1.1\r\n{lines}content-length: {size}\r\n\r\n".encode()
        if not new and (kept := self._take()) is not None:
            try:
                return self._use(kept, head, body, ends)
            except OSError:
                if not again or passed():
                    raise
        return self._use(Connection(self._open()), head, body, ends)

    def _use(
        self, connection: "Connection", head: bytes, body: bytes | Upload, ends: float
    ) -> Answer:
        try:
            seconds = min(self._seconds, ends - time.monotonic())
            answer = connection.exchange(head, body, seconds)
        except BaseException:
            connection.close()
            raise
        if connection.keep:
            connection.idle_since = time.time()
            self._kept.append(connection)
        else:
            connection.close()
        return answer

    def close(self) -> None:
        """Close the kept connections; the next request opens another."""
        while self._kept:
            self._kept.pop().close()

    def _take(self) -> "Connection | None":
        while self._kept:
            try:
                connection = self._kept.pop()
            except IndexError:  # another thread was faster
                return None
            if is_recent(connection.idle_since) and connection.is_quiet():
                return connection
            connection.close()  # between answers a server writes only when it closes the connection
        return None

    def _open(self) -> socket.socket:
        opened = _connect(self._address)
        try:
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._tls is not None:
                opened.settimeout(within(CONNECT_SECONDS))  # for the whole handshake
                opened = self._tls.wrap_socket(opened, server_hostname=self._address[0])
        except BaseException:
            opened.close()
            raise
        return opened


def _connect(address: tuple[str, int]) -> socket.socket:
    """Connect to the first address of a name that answers. `socket.create_connection` would try the
    next address even if the event has no time left."""
    found = socket.getaddrinfo(*address, type=socket.SOCK_STREAM)
    failure: OSError = ConnectionError("the name has no address")
    for family, kind, protocol, _, place in found:
        if passed():
            raise TimeoutError("the event has no time left")
        try:
            opened = socket.socket(family, kind, protocol)
        except OSError as error:  # no IPv6 here
            failure = error
            continue
        try:
            opened.settimeout(within(CONNECT_SECONDS))
            opened.connect(place)
        except OSError as error:
            opened.close()
            failure = error
        else:
            return opened
    raise failure


def is_recent(used_at: float) -> bool:
    """Whether a connection that was last used at this time may be used again."""
    return abs(time.time() - used_at) <= IDLE_SECONDS  # the wall clock may be set back
