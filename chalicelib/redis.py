"""The connection to Redis: bounded calls, and outages told as Unavailable."""

import functools
import hashlib
import threading
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import redis
from redis import exceptions
from redis.backoff import NoBackoff
from redis.retry import Retry

from chalicelib.errors import Unavailable

OUTAGES = (
    exceptions.ConnectionError,
    exceptions.TimeoutError,
    exceptions.ClusterError,
    exceptions.OutOfMemoryError,
    exceptions.ReadOnlyError,
    exceptions.TryAgainError,
)

REFUSALS = ("MISCONF", "NOREPLICAS", "MASTERDOWN", "BUSY", "CLUSTERDOWN", "MOVED")
"""How a server begins its answer that cannot do now what it is asked for. MOVED comes from a
cluster, which this client does not follow."""


def connect(url: str) -> redis.Redis:
    """A client that connects on first use, waits one second at most for an answer, and tries
    once more on a connection that the server has dropped meanwhile."""
    return redis.Redis.from_url(
        url,
        decode_responses=True,
        socket_timeout=1,
        socket_connect_timeout=1,
        retry=Retry(NoBackoff(), 1),
    )


@contextmanager
def guarded() -> Iterator[None]:
    """Turns "Redis cannot answer" into Unavailable, so that nothing is let through (G5)."""
    try:
        yield
    except OUTAGES as error:
        raise Unavailable("redis") from error
    except exceptions.ResponseError as error:
        if not str(error).startswith(REFUSALS):
            raise
        raise Unavailable("redis") from error


class Call(NamedTuple):
    """A Lua script with its keys, all on one slot, and its arguments."""

    script: str
    keys: list[str]
    arguments: Sequence[str | int | float]


class Scripts:
    """Runs Lua scripts by digest, loading them when Redis has lost them. One may run twice, where
    an answer was lost or another one had to be loaded.

    Speaks to Redis over one connection of its own, on which threads take turns: a pipeline of
    the client takes twice the CPU. Raises Unavailable when Redis does not answer.
    """

    def __init__(self, client: redis.Redis) -> None:
        self._pool = client.connection_pool
        self._connection: Any = None
        self._turn = threading.Lock()

    def run(self, call: Call) -> Any:
        """The answer of one script."""
        return self.run_all([call])[0]

    def run_all(self, calls: Collection[Call]) -> list[Any]:
        """The answers of several, in one round trip."""
        if not calls:
            return []
        commands = [
            ("EVALSHA", _digest(call.script), len(call.keys), *call.keys, *call.arguments)
            for call in calls
        ]
        with guarded(), self._turn:
            try:
                return self._send(commands)
            except exceptions.NoScriptError:
                self._send([("SCRIPT", "LOAD", script) for script in {c.script for c in calls}])
                return self._send(commands)

    def _send(self, commands: Sequence[tuple[Any, ...]]) -> list[Any]:
        if self._connection is None:
            self._connection = self._pool.get_connection()
        try:
            return self._exchange(commands)
        except exceptions.ConnectionError:  # dropped since the last time; now it connects anew
            return self._exchange(commands)

    def _exchange(self, commands: Sequence[tuple[Any, ...]]) -> list[Any]:
        """All answers are read, also behind one that is an error."""
        self._connection.send_packed_command(
            self._connection.pack_commands(commands), check_health=False
        )
        answers, error = [], None
        for _ in commands:
            try:
                answers.append(self._connection.read_response())
            except exceptions.ResponseError as refusal:
                error = refusal
        if error is not None:
            raise error
        return answers


@functools.cache
def _digest(script: str) -> str:
    return hashlib.sha1(script.encode(), usedforsecurity=False).hexdigest()
