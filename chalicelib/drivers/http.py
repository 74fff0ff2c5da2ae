"""Requests to one server over kept connections."""

import math
import select
import socket
import ssl
import time
from collections import deque
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import IO, NamedTuple
from urllib.parse import urlsplit

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from chalicelib.deadline import passed, within

CONNECT_SECONDS = 1.0
ANSWER_SECONDS = 2.0
LONGEST_WAIT = 3600
MAX_ANSWER = 1024 * 1024
MAX_HEADERS = 64 * 1024
PIECE = 64 * 1024

_LENGTHS = {"content-length", "transfer-encoding"}
"""Headers by which an answer tells where it ends. Without them it ends with the connection."""

IDLE_SECONDS = 20.0
"""A connection that was idle for longer is not used again: servers and networks on the way forget
it, and all that idled together at once. By the wall clock, since that of a frozen function's
machine may have stood still."""


class Answer(NamedTuple):
    """What a server answers. The names of headers are in lower case."""

    status: int
    body: bytes
    headers: dict[str, str]

    @property
    def date(self) -> str:
        """What the server's clock showed, as HTTP writes dates; empty if it did not say."""
        return self.headers.get("date", "")

    @property
    def retry_after(self) -> int:
        """How many seconds the server asks to wait (RFC 9110, section 10.2.3), from 0 to
        LONGEST_WAIT; 0 if it does not say. A time counts from the server's own clock."""
        said = self.headers.get("retry-after", "").strip()
        if said.isascii() and said.isdigit():
            return min(int(said[:10]), LONGEST_WAIT)
        if (until := _time(said)) is None:
            return 0
        seconds = (until - (_time(self.date) or datetime.now(UTC))).total_seconds()
        return min(max(0, math.ceil(seconds)), LONGEST_WAIT)


class Upload(NamedTuple):
    """A body that is sent piece by piece from a file, in `seconds` at most."""

    file: IO[bytes]
    size: int
    seconds: float


def _time(written: str) -> datetime | None:
    """A date of HTTP in each of its three forms (RFC 9110, section 5.6.7)."""
    try:
        found = parsedate_to_datetime(written)
    except (TypeError, ValueError, OverflowError):
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


class KeptConnections:
    """Sends plain requests over kept connections. Threads may share it.

    A general client spends more on each of them than all else that a message costs.
    """

    def __init__(self, url: str, *, seconds: float | None = None) -> None:
        """Uses scheme, host and port of the URL. `seconds`: what an answer may take in all, if not
        `ANSWER_SECONDS`."""
        parts = urlsplit(url)
        self.host = parts.netloc
        self._tls = ssl.create_default_context() if parts.scheme == "https" else None
        self._address = parts.hostname or "", parts.port or (443 if self._tls else 80)
        self._seconds = ANSWER_SECONDS if seconds is None else seconds
        self._kept: deque[_Connection] = deque()

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

        A second try asks for a `new` connection: what made the first one fail may have happened
        to all that are kept. `again`: make such a try here if a kept connection fails, since it
        is harmless if the request arrives twice. `ends`: by the monotonic clock, until when the
        answer is waited for, if that is sooner than what it may take.
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
        return self._use(_Connection(self._open()), head, body, ends)

    def _use(
        self, connection: "_Connection", head: bytes, body: bytes | Upload, ends: float
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
    """Connect to the first address of a name that answers. `socket.create_connection` would go on
    to the next address when the event has no time left."""
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


def _left(ends: float) -> float:
    """How long a socket may wait. Raises TimeoutError where the time is over."""
    if (seconds := ends - time.monotonic()) <= 0:
        raise TimeoutError("the answer takes too long")
    return seconds


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

    def exchange(self, head: bytes, body: bytes | Upload, seconds: float) -> Answer:
        """Send a request and read its answer; `keep` then says whether another one may follow.
        `seconds` are for the whole answer, however slowly it comes."""
        self._body = b""
        self._headers: dict[str, str] = {}
        self._header_bytes = 0
        self._begun = self._complete = self.keep = False
        if isinstance(body, Upload):
            self._upload(head, body, seconds)
            ends = time.monotonic() + within(seconds)
        else:
            ends = time.monotonic() + within(seconds)
            self._send(head + body, ends)
        while not self._complete:
            self._socket.settimeout(_left(ends))
            data = self._socket.recv(65536)
            try:
                self._parser.feed_data(data)
            except (HttpParserError, HttpParserUpgrade) as error:
                raise ConnectionError("the answer is not HTTP") from error
            if not data:
                if not self._begun:
                    raise ConnectionError("closed before the answer")
                if not _LENGTHS.isdisjoint(self._headers):
                    raise ConnectionError("closed within the answer")
                break  # its body ended with the connection
        return Answer(self._parser.get_status_code(), self._body, self._headers)

    def _upload(self, head: bytes, body: Upload, seconds: float) -> None:
        """Each piece may take `seconds`, and all of them together what the upload may take."""
        ends = time.monotonic() + within(body.seconds)
        piece = head
        while piece:
            self._send(piece, min(ends, time.monotonic() + seconds))
            piece = body.file.read(PIECE)

    def _send(self, data: bytes, ends: float) -> None:
        self._socket.settimeout(_left(ends))
        self._socket.sendall(data)

    def is_quiet(self) -> bool:
        """Whether there is nothing to read, not even the end of the connection."""
        return not self._poll.poll(0)

    # -- called by the parser

    def on_message_begin(self) -> None:
        if self._complete:
            raise ValueError("there is more than one answer")

    def on_header(self, name: bytes, value: bytes) -> None:
        self._header_bytes += len(name) + len(value)
        if self._header_bytes > MAX_HEADERS:
            raise ValueError("the answer has too many headers")
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        self._begun = not self._is_interim()

    def on_body(self, data: bytes) -> None:
        self._body += data
        if len(self._body) > MAX_ANSWER:
            raise ValueError("the answer is too long")

    def on_message_complete(self) -> None:
        if self._is_interim():
            self._headers = {}
            return
        self._complete = True
        self.keep = self._parser.should_keep_alive()  # it forgets that at once

    def _is_interim(self) -> bool:
        """Whether the answer itself is yet to come (RFC 9110, section 15.2)."""
        return self._parser.get_status_code() < 200
