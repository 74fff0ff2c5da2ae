"""Requests to one server over kept connections."""

import select
import socket
import ssl
import time
from collections import deque
from collections.abc import Mapping
from urllib.parse import urlsplit

from httptools import HttpParserError, HttpResponseParser

from chalicelib.deadline import within

CONNECT_SECONDS = 1.0
ANSWER_SECONDS = 2.0
MAX_ANSWER = 1024 * 1024

IDLE_SECONDS = 20.0
"""A connection that was idle for longer is not used again: servers and networks on the way forget
it, and all that idled together at once. By the wall clock, since that of a frozen function's
machine may have stood still."""


class KeptConnections:
    """Sends requests that need nothing of HTTP but to be sent. Threads may share it.

    A general client spends more on each of them than all else that a message costs.
    """

    def __init__(self, url: str) -> None:
        """Of the URL, scheme, host and port count."""
        parts = urlsplit(url)
        self.host = parts.netloc
        self._tls = ssl.create_default_context() if parts.scheme == "https" else None
        self._address = parts.hostname or "", parts.port or (443 if self._tls else 80)
        self._kept: deque[_Connection] = deque()

    def request(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes, *, new: bool = False
    ) -> int:
        """The status of the answer. Raises OSError when none comes in time."""
        return self.ask(method, path, headers, body, new=new)[0]

    def ask(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes, *, new: bool = False
    ) -> tuple[int, bytes]:
        """The status and the body of the answer. Raises OSError when none comes in time.

        A second try asks for a `new` connection: what made the first one fail may have happened
        to all that are kept.
        """
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        head = f"{method} {path} HTTP/1.1\r\n{lines}content-length: {len(body)}\r\n\r\n"
        connection = (None if new else self._take()) or _Connection(self._open())
        try:
            answer = connection.exchange(head.encode() + body)
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
        """Let go of the kept connections; the next request opens another."""
        while self._kept:
            self._kept.pop().close()

    def _take(self) -> "_Connection | None":
        while self._kept:
            try:
                connection = self._kept.pop()
            except IndexError:  # another thread was faster
                return None
            if is_recent(connection.idle_since) and connection.is_quiet():
                return connection
            connection.close()  # between answers a server only writes to say good-bye
        return None

    def _open(self) -> socket.socket:
        opened = socket.create_connection(self._address, within(CONNECT_SECONDS))
        try:
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._tls is not None:
                opened = self._tls.wrap_socket(opened, server_hostname=self._address[0])
        except BaseException:
            opened.close()
            raise
        return opened


def is_recent(used_at: float) -> bool:
    """Whether a connection that was last used then may be used again."""
    return abs(time.time() - used_at) <= IDLE_SECONDS  # the wall clock may be set back


class _Connection:
    """One connection, with one request under way at a time."""

    def __init__(self, opened: socket.socket) -> None:
        self._socket = opened
        self._parser = HttpResponseParser(self)
        self._poll = select.poll()
        self._poll.register(opened, select.POLLIN)
        self.keep = False
        self.idle_since = 0.0
        self.close = opened.close

    def exchange(self, request: bytes) -> tuple[int, bytes]:
        """Send a request and read its answer; `keep` then says whether another one may follow."""
        self._body = b""
        self._begun = self._complete = self.keep = False
        ends = time.monotonic() + within(ANSWER_SECONDS)
        self._socket.settimeout(within(ANSWER_SECONDS))
        self._socket.sendall(request)
        while not self._complete:
            data = self._socket.recv(65536)
            if time.monotonic() > ends:
                raise TimeoutError("the answer takes too long")
            try:
                self._parser.feed_data(data)
            except HttpParserError as error:
                raise ConnectionError("the answer is no HTTP") from error
            if not data:
                if not self._begun:
                    raise ConnectionError("closed before the answer")
                break  # its body ended with the connection
        return self._parser.get_status_code(), self._body

    def is_quiet(self) -> bool:
        """Whether nothing is there to be read, not even an end."""
        return not self._poll.poll(0)

    # -- called by the parser

    def on_headers_complete(self) -> None:
        self._begun = True

    def on_body(self, data: bytes) -> None:
        self._body += data
        if len(self._body) > MAX_ANSWER:
            raise ValueError("the answer is too long")

    def on_message_complete(self) -> None:
        self._complete = True
        self.keep = self._parser.should_keep_alive()  # it forgets that at once
