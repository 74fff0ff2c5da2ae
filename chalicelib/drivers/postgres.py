"""One connection to PostgreSQL: every wait has a limit, and a broken connection is replaced."""

import re
import select
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any, Self, TypeVar, overload

import psycopg
from psycopg.pq import TransactionStatus
from psycopg.rows import RowFactory, tuple_row

from chalicelib import deadline
from chalicelib.drivers.postgres_connection import (
    SESSION,
    WAIT_SECONDS,
    Connection,
    connect,
    is_bounded,
)
from chalicelib.errors.counted import unavailable

PING_SECONDS = 2.0
IDLE_SECONDS = 5

_LOCAL = "; ".join(
    f"SET LOCAL {name} = '{SESSION[name]}'"
    for name in ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")
)

_AT_REST = (TransactionStatus.IDLE, TransactionStatus.UNKNOWN)

T = TypeVar("T")


class _Cursor(psycopg.Cursor[T]):
    """Tries a statement once more over a new connection, if that is harmless."""

    def __init__(
        self, postgres: "Postgres", connection: Connection, rows: RowFactory[T], *, again: bool
    ) -> None:
        super().__init__(connection, row_factory=rows)
        self._postgres = postgres
        self._again = again

    def execute(self, query: Any, params: Any = None, **options: Any) -> Self:
        if deadline.passed():
            raise unavailable("postgres")
        try:
            return super().execute(query, params, **options)
        except psycopg.Error as error:
            connection = self._postgres._replaced(error, self._again or _reads(query))
            if connection is None:
                raise
            super().__init__(connection, row_factory=self._row_factory)
            return super().execute(query, params, **options)


class Postgres:
    """Connects on first use. Raises Unavailable if the server does not answer in time. Threads take
    turns.

    `pooled`: a pooler may give each transaction another session of the server. So nothing is kept
    in a session: no prepared statements, and no settings but those of the role.
    """

    def __init__(self, url: str, *, pooled: bool = False) -> None:
        self._url = url
        self._pooled = pooled
        self._connection: Connection | None = None
        self._turn = threading.RLock()
        self._kept = False  # from before the current statement
        self._bounded = True  # by the server, also if this process dies
        self._transactions = 0  # that we are in, one inside the other
        # Wall time, because it also passes while a function's container is frozen.
        self._used_at = 0.0

    @overload
    def cursor(self, *, again: bool = ...) -> AbstractContextManager[psycopg.Cursor[Any]]: ...

    @overload
    def cursor(
        self, row_factory: RowFactory[T], *, again: bool = ...
    ) -> AbstractContextManager[psycopg.Cursor[T]]: ...

    @contextmanager
    def cursor(
        self, row_factory: RowFactory[Any] = tuple_row, *, again: bool = False
    ) -> Iterator[psycopg.Cursor[Any]]:
        """A cursor; each statement commits by itself unless it is in a `transaction`.
        UUIDs come back as `str`.

        If a kept connection breaks and the answer is lost, a statement runs once more if it only
        reads, or with `again`: running it twice is harmless.
        """
        with (
            self._live() as connection,
            _Cursor(self, connection, row_factory, again=again) as cursor,
        ):
            yield cursor

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All statements in the block commit together, or none if the block raises."""
        with self._live() as connection:
            with ExitStack() as stack:
                try:
                    stack.enter_context(connection.transaction())
                except psycopg.Error as error:
                    fresh = self._replaced(error, again=True)  # nothing was done yet
                    if fresh is None:
                        raise
                    connection = fresh
                    stack.enter_context(connection.transaction())
                self._transactions += 1
                stack.callback(self._leave)
                if not self._bounded:
                    connection.execute(_LOCAL)
                yield
            if connection.closed:
                raise psycopg.OperationalError("the connection broke inside the transaction")

    def ping(self) -> None:
        """Raises Unavailable unless the server answers."""
        with self.cursor() as cursor:
            cursor.execute("SELECT 1")

    def close(self) -> None:
        """Safe to repeat; the next use connects again."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _leave(self) -> None:
        self._transactions -= 1

    @contextmanager
    def _live(self) -> Iterator[Connection]:
        if deadline.passed():
            raise unavailable("postgres")
        self._turn.acquire()
        try:
            if self._connection is not None and not self._alive(self._connection):
                self.close()
            self._kept = self._connection is not None
            if self._connection is None:
                if self._transactions:
                    raise psycopg.OperationalError("a transaction ends with its connection")
                self._connection = self._connected()
            yield self._connection
        except (
            psycopg.OperationalError,
            psycopg.InterfaceError,
            psycopg.errors.ReadOnlySqlTransaction,  # a former primary, after a failover
        ) as error:
            self.close()
            raise unavailable("postgres") from error
        except psycopg.errors.FeatureNotSupported as error:
            if not _outdated(error):
                raise
            self.close()  # in a transaction, which only the client can repeat
            raise unavailable("postgres") from error
        finally:
            self._used_at = time.time()
            if not self._transactions:
                self._leave_at_rest()
            self._turn.release()

    def _leave_at_rest(self) -> None:
        """Close the connection if its transaction could not be rolled back in time."""
        connection = self._connection
        if connection is not None and connection.pgconn.transaction_status not in _AT_REST:
            self.close()

    def _replaced(self, error: psycopg.Error, again: bool) -> Connection | None:
        """A new connection, if the failed statement may be tried again on it."""
        if self._transactions or not self._kept or deadline.passed():
            return None
        lost = isinstance(error, psycopg.OperationalError) and (
            error.sqlstate is None or error.sqlstate.startswith("57P")  # the server goes away
        )
        former = isinstance(error, psycopg.errors.ReadOnlySqlTransaction)
        if not (_outdated(error) or former or (lost and again)):
            return None
        self._kept = False
        self.close()
        self._connection = self._connected()
        return self._connection

    def _alive(self, connection: Connection) -> bool:
        if connection.closed:
            return False
        if self._transactions:
            return True  # if not, the statement fails
        if time.time() - self._used_at < IDLE_SECONDS and not _readable(connection.fileno()):
            return True
        try:
            connection.wait_seconds = PING_SECONDS
            connection.execute("SELECT 1")
            connection.wait_seconds = WAIT_SECONDS
        except psycopg.Error:
            return False
        return True

    def _connected(self) -> Connection:
        connection = connect(self._url, pooled=self._pooled)
        if self._pooled:
            self._bounded = is_bounded(connection)
        return connection


def _outdated(error: psycopg.Error) -> bool:
    """Whether a table was altered after the statement was prepared. The statement did nothing."""
    return isinstance(error, psycopg.errors.FeatureNotSupported) and "cached plan" in str(error)


def _reads(query: Any) -> bool:
    """Whether a statement certainly changes nothing, by its keywords."""
    text = query.decode() if isinstance(query, bytes) else query
    return isinstance(text, str) and not _WRITES.search(text)


_WRITES = re.compile(
    r"(?i)\b(INSERT|UPDATE|DELETE|MERGE|CREATE|DROP|ALTER|TRUNCATE|SET|DO|CALL|set_config"
    r"|nextval|pg_\w*lock\w*|pg_terminate_backend)\b"
)


def _readable(descriptor: int) -> bool:
    """Whether there is something to read. Between statements a server writes only when it closes
    the connection."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(0))
