"""PgBouncer before a PostgreSQL, handing each transaction to another session."""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from local.bootstrap import DEBIAN
from local.servers.ports import free_port
from local.servers.postgres import NOBODY, as_nobody

POOLED = "TESTS_POOLED"
"""The environment variable that puts a pooler before the PostgreSQL of the contract tests."""

READY_WITHIN = 20.0
SESSIONS = 3

# Sessions take turns, so that what one transaction leaves in its session is not found by the next
# one of the same client, and is by those of others.
_CONFIGURATION = """
[databases]
* = {server}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 30
server_round_robin = 1
query_wait_timeout = 20
logfile = {folder}/pgbouncer.log
"""


def program() -> Path | None:
    """Debian's, installed or unpacked."""
    found = [Path("/usr/sbin/pgbouncer"), DEBIAN / "usr/sbin/pgbouncer"]
    return next((one for one in found if one.exists()), None)


@contextmanager
def pooler(url: str, folder: Path) -> Iterator[str]:
    """The URL of a pooler before the server of a URL."""
    pgbouncer = program()
    if pgbouncer is None:
        pytest.skip("PgBouncer is not installed: python -m local.bootstrap --for tests")
    given = conninfo_to_dict(url)
    server = {name: given[name] for name in ("host", "port", "user", "password") if name in given}
    port = free_port()
    file = folder / "pgbouncer.ini"
    file.write_text(
        _CONFIGURATION.format(
            server=" ".join(f"{name}={value}" for name, value in server.items()),
            port=port,
            folder=folder,
        )
    )
    if os.geteuid() == 0:  # it refuses root
        shutil.chown(folder, NOBODY, NOBODY)
        shutil.chown(file, NOBODY, NOBODY)
    libraries = DEBIAN.glob("usr/lib/*-linux-gnu")
    process = subprocess.Popen(
        [*as_nobody(), str(pgbouncer), "--quiet", str(file)],
        env={"LD_LIBRARY_PATH": ":".join(map(str, libraries)), "PATH": os.environ["PATH"]},
        cwd=folder,
    )
    parts = urlsplit(url)
    user, at, _ = parts.netloc.rpartition("@")
    near = parts._replace(netloc=f"{user}{at}127.0.0.1:{port}").geturl()
    try:
        _wait_for(near, process)
        with ExitStack() as stack:  # as many sessions as there are transactions at a time
            for _ in range(SESSIONS):
                stack.enter_context(psycopg.connect(near)).execute("SELECT 1")
        yield near
    finally:
        process.terminate()
        process.wait()


def _wait_for(url: str, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + READY_WITHIN
    while True:
        try:
            psycopg.connect(url, connect_timeout=2).close()
        except psycopg.OperationalError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return
