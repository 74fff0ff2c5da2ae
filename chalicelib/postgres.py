"""One live connection to PostgreSQL: every wait has an end, a broken connection is replaced."""

import select
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, TypeVar, overload

import psycopg
from psycopg.abc import PQGen
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import RowFactory, tuple_row
from psycopg.types.string import TextLoader

from chalicelib.errors import Unavailable

CONNECT_SECONDS = 3
STATEMENT_SECONDS = 5
# The server ends a slow statement first; this is for a server that has stopped answering.
WAIT_SECONDS = 6.0
PING_SECONDS = 2.0
IDLE_SECONDS = 30

T = TypeVar("T")


class _Connection(psycopg.Connection[tuple[Any, ...]]):
    """psycopg alone would wait for ever for a server that is frozen."""

    wait_seconds = WAIT_SECONDS

    def wait(self, gen: PQGen[T], interval: float = 0.1, timeout: float | None = None) -> T:
        return super().wait(gen, interval, timeout or self.wait_seconds)


class Postgres:
    """Opened on first use. Raises Unavailable where the server does not answer in time."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: _Connection | None = None
        self._transactions = 0  # that we are in, one inside the other
        # Wall time, because it also passes while a function's container is frozen.
        self._used_at = 0.0

    @overload
    def cursor(self) -> AbstractContextManager[psycopg.Cursor[tuple[Any, ...]]]: ...

    @overload
    def cursor(self, row_factory: RowFactory[T]) -> AbstractContextManager[psycopg.Cursor[T]]: ...

    @contextmanager
    def cursor(self, row_factory: RowFactory[Any] = tuple_row) -> Iterator[psycopg.Cursor[Any]]:
        """A cursor; each statement commits by itself unless it is in a `transaction`.
        UUIDs come back as `str`."""
        with self._live() as connection, connection.cursor(row_factory=row_factory) as cursor:
            yield cursor

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """What `cursor` does inside commits as a whole, or not at all if the block raises."""
        with self._live() as connection:
            self._transactions += 1
            try:
                with connection.transaction():
                    yield
            finally:
                self._transactions -= 1
            if connection.closed:
                raise psycopg.OperationalError("the connection broke inside the transaction")

    def ping(self) -> None:
        """Raises Unavailable unless the server answers."""
        with self.cursor() as cursor:
            cursor.execute("SELECT 1")

    def close(self) -> None:
        """Safe to repeat; the next use connects anew."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    @contextmanager
    def _live(self) -> Iterator[_Connection]:
        try:
            if self._connection is not None and not self._alive(self._connection):
                self.close()
            if self._connection is None:
                if self._transactions:
                    raise psycopg.OperationalError("a transaction ends with its connection")
                self._connection = self._connect()
            yield self._connection
        except (
            psycopg.OperationalError,
            psycopg.InterfaceError,
            psycopg.errors.ReadOnlySqlTransaction,  # a former primary, after a failover
        ) as error:
            self.close()
            raise Unavailable("postgres") from error
        finally:
            self._used_at = time.time()

    def _alive(self, connection: _Connection) -> bool:
        if connection.closed:
            return False
        if self._transactions:
            return True  # or the statement will tell
        if time.time() - self._used_at < IDLE_SECONDS and not _readable(connection.fileno()):
            return True
        try:
            connection.wait_seconds = PING_SECONDS
            connection.execute("SELECT 1")
            connection.wait_seconds = WAIT_SECONDS
        except psycopg.Error:
            return False
        return True

    def _connect(self) -> _Connection:
        given = conninfo_to_dict(self._url).get("options") or ""
        connection = _Connection.connect(
            self._url,
            autocommit=True,
            connect_timeout=CONNECT_SECONDS,
            options=f"{given} -c timezone=UTC -c statement_timeout={STATEMENT_SECONDS}s",
        )
        connection.adapters.register_loader("uuid", TextLoader)
        return connection


def _readable(descriptor: int) -> bool:
    """Between statements a server only writes to say good-bye, or hangs up."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(0))
