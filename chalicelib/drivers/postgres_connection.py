"""A session of PostgreSQL with a limit for every wait, on our side and on the server's."""

import logging
from typing import Any, TypeVar

import psycopg
from psycopg import postgres
from psycopg.abc import PQGen
from psycopg.adapt import Dumper
from psycopg.conninfo import conninfo_to_dict
from psycopg.types.string import TextLoader

from chalicelib import deadline
from chalicelib.clock import Now

log = logging.getLogger(__name__)

CONNECT_SECONDS = 3
STATEMENT_SECONDS = 5
# The server ends a slow statement earlier; this is for a server that does not answer.
WAIT_SECONDS = 6.0

SESSION = {
    "timezone": "UTC",
    "statement_timeout": f"{STATEMENT_SECONDS}s",
    "lock_timeout": "4s",
    "idle_in_transaction_session_timeout": f"{STATEMENT_SECONDS}s",
    "client_connection_check_interval": "1s",
    "tcp_keepalives_idle": "60",
    "tcp_keepalives_interval": "10",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "10000",
}
"""The server ends our sessions by these limits. So a function that dies in a transaction holds no
lock for longer than a request waits. See docs/decisions/0029."""

# These detect a connection that the network dropped, before our own timeouts do.
_TCP = {
    "keepalives": 1,
    "keepalives_idle": 30,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 5000,
}

T = TypeVar("T")


class _NowDumper(Dumper):
    """PostgreSQL reads this word as the time when the transaction began."""

    oid = postgres.types["timestamptz"].oid

    def dump(self, obj: Now) -> bytes:
        return b"now"


class Connection(psycopg.Connection[tuple[Any, ...]]):
    """psycopg itself would wait for ever for a frozen server."""

    wait_seconds = WAIT_SECONDS

    def wait(self, gen: PQGen[T], interval: float = 0.1, timeout: float | None = None) -> T:
        return super().wait(gen, interval, timeout or deadline.within(self.wait_seconds))


def connect(url: str, *, pooled: bool) -> Connection:
    """Open a session. `pooled`: nothing is set in it, because a pooler gives it to others."""
    # Two seconds are the minimum of PostgreSQL's library.
    seconds = max(2, int(deadline.within(CONNECT_SECONDS)))
    given: dict[str, Any] = {**_TCP, "connect_timeout": seconds}
    if pooled:
        connection = Connection.connect(url, autocommit=True, prepare_threshold=None, **given)
    else:
        options = conninfo_to_dict(url).get("options") or ""
        held = " ".join(f"-c {name}={value}" for name, value in SESSION.items())
        connection = Connection.connect(url, autocommit=True, options=f"{options} {held}", **given)
    connection.adapters.register_loader("uuid", TextLoader)
    connection.adapters.register_dumper(Now, _NowDumper)
    return connection


def is_bounded(connection: Connection) -> bool:
    """Whether the role has its settings. Without them each transaction sets its limits itself, at
    the cost of one more round trip."""
    row = connection.execute("SELECT current_setting('statement_timeout')").fetchone()
    if row is not None and row[0] != "0":
        return True
    log.warning("the role in PostgreSQL has no limits: run the task migrate")
    return False
