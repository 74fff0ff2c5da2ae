"""The connection to Redis: every call has a limit, and outages raise Unavailable."""

import functools
import hashlib
import socket
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import redis
from redis import exceptions
from redis.backoff import NoBackoff
from redis.maint_notifications import MaintNotificationsConfig
from redis.retry import Retry

from chalicelib import deadline
from chalicelib.errors.counted import unavailable

SECONDS = 1.0
"""Seconds for a connection, and for one round trip with all of its answers."""

OUTAGES = (
    exceptions.ConnectionError,
    exceptions.TimeoutError,
    exceptions.ClusterError,
    exceptions.OutOfMemoryError,
    exceptions.TryAgainError,
)

REFUSALS = ("MISCONF", "BUSY ", "MOVED")
"""The beginning of the error of a server that cannot do the command now. MOVED comes from a
cluster, which this client does not follow."""

ELSEWHERE = ("READONLY", "MASTERDOWN", "NOREPLICAS", "CLUSTERDOWN", "UNBLOCKED")
"""The beginning of the error of a server that is not the primary, or a primary that may not write.
After a failover, the same name leads to another server. LOADING ends a connection anyway."""


def connect(url: str) -> redis.Redis:
    """A client that connects on first use and waits `SECONDS` at most for an answer. It tries once
    more on a new connection if the server has dropped the old one, does not answer on it, or is no
    longer the primary. It sends no optional commands when it connects."""
    return redis.Redis.from_url(
        url,
        connection_class=_TlsConnection if url.startswith("rediss://") else _Connection,
        decode_responses=True,
        socket_timeout=SECONDS,
        socket_connect_timeout=SECONDS,
        retry=Retry(NoBackoff(), 1),
        driver_info=None,
        maint_notifications_config=MaintNotificationsConfig(enabled=False),
    )


class NotThePrimary(exceptions.ConnectionError):
    """This server is not the primary. A new connection may lead to the primary."""


class _Bounded:
    """A socket with one limit for a request and its whole answer. redis-py's own limit starts again
    with each byte that arrives."""

    def __init__(self, given: socket.socket) -> None:
        self._socket = given
        self._ends = 0.0
        self._looks = False

    def begin(self) -> None:
        """The time of a request and its answer starts now."""
        if deadline.passed():
            raise exceptions.TimeoutError("the event has no time left")
        self._ends = time.monotonic() + deadline.within(SECONDS)

    def recv(self, size: int) -> bytes:
        self._limit()
        return self._socket.recv(size)

    def sendall(self, data: bytes) -> None:
        self._limit()
        self._socket.sendall(data)

    def settimeout(self, seconds: float | None) -> None:
        """0: read only what has arrived. Other values are ignored: `begin` set the limit."""
        self._looks = seconds == 0
        if self._looks:
            self._socket.settimeout(0)

    def _limit(self) -> None:
        if self._looks:
            return
        left = self._ends - time.monotonic()
        if left <= 0:
            raise TimeoutError("the answer takes too long")
        self._socket.settimeout(left)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._socket, name)


class _Connection(redis.Connection):
    """Limits each request, and closes the connection to a server that is not the primary."""

    if TYPE_CHECKING:
        _sock: Any
        socket_connect_timeout: Any

    def _connect(self) -> Any:
        if deadline.passed():
            raise TimeoutError
        self.socket_connect_timeout = deadline.within(SECONDS)
        return _Bounded(super()._connect())  # type: ignore[no-untyped-call]

    def send_packed_command(self, command: Any, check_health: bool = True) -> None:
        if not self._sock:
            self.connect_check_health(check_health=False)
        self._sock.begin()
        super().send_packed_command(command, check_health)  # type: ignore[no-untyped-call]

    def read_response(self, *arguments: Any, **options: Any) -> Any:
        try:
            return super().read_response(*arguments, **options)
        except exceptions.ResponseError as error:
            # Before Redis 7, a script's error quotes the error of the command that failed.
            quoted = any(f"-{code} " in str(error) for code in ELSEWHERE)
            if not (quoted or _begins(error, ELSEWHERE)):
                raise
            self.disconnect()  # type: ignore[no-untyped-call]
            raise NotThePrimary(str(error)) from error


class _TlsConnection(_Connection, redis.SSLConnection):
    """The same over TLS."""


def _begins(error: exceptions.ResponseError, codes: tuple[str, ...]) -> bool:
    # redis-py removes the codes that it knows from the text.
    return (error.status_code or str(error)).startswith(codes)


@contextmanager
def guarded() -> Iterator[None]:
    """Turns Redis's failures into Unavailable, so that the request is refused (G5)."""
    try:
        yield
    except OUTAGES as error:
        raise unavailable("redis") from error
    except exceptions.ResponseError as error:
        if not _begins(error, REFUSALS):
            raise
        raise unavailable("redis") from error


class Command(NamedTuple):
    """A Lua script to run: its keys, all on one slot, and its arguments."""

    script: str
    keys: list[str]
    arguments: Sequence[str | int | float]


class Scripts:
    """Runs Lua scripts by digest, and loads those that Redis has lost. A script may run twice, if
    an answer was lost or another script had to be loaded.

    Takes a connection of the client for each round trip, so that all users of the client share one
    connection. It does not use the client's pipelines: they take more CPU. Raises Unavailable when
    Redis does not answer.
    """

    def __init__(self, client: redis.Redis) -> None:
        self._pool = client.connection_pool

    def run(self, command: Command) -> Any:
        """The answer of one script."""
        return self.run_all([command])[0]

    def run_all(self, commands: Collection[Command]) -> list[Any]:
        """The answers of several, in one round trip."""
        if not commands:
            return []
        packed = [
            ("EVALSHA", _digest(one.script), len(one.keys), *one.keys, *one.arguments)
            for one in commands
        ]
        with guarded(), self._connected() as connection:
            try:
                return _send(connection, packed)
            except exceptions.NoScriptError:
                scripts = {one.script for one in commands}
                _send(connection, [("SCRIPT", "LOAD", script) for script in scripts])
                return _send(connection, packed)

    @contextmanager
    def _connected(self) -> Iterator[Any]:
        connection = self._pool.get_connection()
        try:
            yield connection
        finally:
            self._pool.release(connection)


def _send(connection: Any, commands: Sequence[tuple[Any, ...]]) -> list[Any]:
    try:
        return _exchange(connection, commands)
    except (exceptions.ConnectionError, exceptions.TimeoutError):
        # The connection was lost since the last time; now it connects again.
        return _exchange(connection, commands)


def _exchange(connection: Any, commands: Sequence[tuple[Any, ...]]) -> list[Any]:
    """Reads all answers, also those after an error."""
    connection.send_packed_command(connection.pack_commands(commands), check_health=False)
    answers, error = [], None
    for _ in commands:
        try:
            answers.append(connection.read_response())
        except exceptions.ResponseError as refusal:
            error = refusal
    if error is not None:
        raise error
    return answers


@functools.cache
def _digest(script: str) -> str:
    return hashlib.sha1(script.encode(), usedforsecurity=False).hexdigest()
