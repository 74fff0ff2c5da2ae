"""One request over one connection of HTTP/1.1, and its answer."""

import math
import select
import socket
import time
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import IO, NamedTuple

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from chalicelib.deadline import within

LONGEST_WAIT = 3600
MAX_ANSWER = 1024 * 1024
MAX_HEADERS = 64 * 1024
PIECE = 64 * 1024

_LENGTHS = {"content-length", "transfer-encoding"}
"""Headers that say where an answer ends. Without them it ends with the connection."""


class Answer(NamedTuple):
    """The answer of a server. The names of headers are in lower case."""

    status: int
    body: bytes
    headers: dict[str, str]

    @property
    def date(self) -> str:
        """The time of the server's clock, in the format of HTTP; empty if the answer has none."""
        return self.headers.get("date", "")

    @property
    def retry_after(self) -> int:
        """How many seconds the server asks to wait (RFC 9110, section 10.2.3), from 0 to
        LONGEST_WAIT; 0 if it does not ask. A time counts from the server's own clock."""
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


class Connection:
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
        `seconds` limits the whole answer, also one that comes byte by byte."""
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
        """Each piece may take `seconds`, and all together the seconds of the upload."""
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
        """Whether the final answer is still to come (RFC 9110, section 15.2)."""
        return self._parser.get_status_code() < 200


def _left(ends: float) -> float:
    """How long a socket may wait. Raises TimeoutError if the time is over."""
    if (seconds := ends - time.monotonic()) <= 0:
        raise TimeoutError("the answer takes too long")
    return seconds
