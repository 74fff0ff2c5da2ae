"""Other servers to compare with: Debian's ejabberd and Prosody, with their archive in PostgreSQL.

They are unpacked beside the local cloud's own state, never installed, and end with this process.
"""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

import psycopg

from local.bootstrap import DEBIAN, debian
from local.servers import guard

HOST = "127.0.0.1"
DOMAIN = "localhost"
PASSWORD = "bench"
READY_SECONDS = 30.0
STOP_SECONDS = 10.0

_PROSODY = """
daemonize = false
run_as_root = true
pidfile = "{folder}/prosody.pid"
data_path = "{folder}/data"
certificates = "{folder}"
interfaces = {{ "127.0.0.1" }}
c2s_ports = {{ {port} }}
s2s_ports = {{ }}
modules_enabled = {{ "roster", "saslauth", "disco", "mam" }}
modules_disabled = {{ "s2s", "tls", "offline" }}
c2s_require_encryption = false
allow_unencrypted_plain_auth = true
authentication = "internal_plain"
storage = {{ archive = "sql" }}
sql = {{
    driver = "PostgreSQL", host = "{database.hostname}", port = {database.port},
    database = "{name}", username = "{database.username}", password = "{database.password}",
}}
default_archive_policy = true
archive_expires_after = "never"
log = {{ warn = "{folder}/log" }}
VirtualHost "localhost"
"""

_EJABBERD = """
hosts: [localhost]
loglevel: warning
listen:
  - port: {port}
    ip: "127.0.0.1"
    module: ejabberd_c2s
    starttls: false
    shaper: none
    access: all
auth_method: sql
auth_password_format: plain
disable_sasl_mechanisms: [digest-md5, x-oauth2, scram-sha-1, scram-sha-256, scram-sha-512]
default_db: sql
sql_type: pgsql
sql_server: "{database.hostname}"
sql_port: {database.port}
sql_database: {name}
sql_username: {database.username}
sql_password: "{database.password}"
sql_password: ""
modules:
  mod_mam: {{default: always, assume_mam_usage: true}}
  mod_roster: {{}}
  mod_disco: {{}}
"""


class Peer:
    """One server: what it needs, how it starts, where its archive is."""

    packages: tuple[str, ...]
    archive: str

    def __init__(self, name: str, folder: Path, postgres_url: str) -> None:
        self.name = name
        self.folder = folder / name
        self.port = _free_port()
        self.pid = 0
        self.database: SplitResult = urlsplit(postgres_url)

    def prepare(self, users: int) -> None:
        """Make files, tables and accounts."""
        raise NotImplementedError

    def command(self) -> list[str]:
        """What to run."""
        raise NotImplementedError

    def environment(self) -> dict[str, str]:
        """What it needs to find its parts."""
        raise NotImplementedError

    def archived(self) -> int:
        """How many entries its archive has: two a message, one for each side."""
        with self._connect() as connection:
            if connection.execute("SELECT to_regclass(%s)", [self.archive]).fetchone() == (None,):
                return 0  # made with the first message
            row = connection.execute(f"SELECT count(*) FROM {self.archive}").fetchone()
        return int(row[0]) if row else 0

    @contextmanager
    def running(self, users: int) -> Iterator["Peer"]:
        """Have it fetched, set up, started; stopped at the end."""
        for package in self.packages:
            debian.unpack(package, "Leave out --against.")
        self.folder.mkdir(parents=True)
        administration = self.database._replace(path="/postgres").geturl()
        with psycopg.connect(administration, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {self.name}")
            connection.execute(f"CREATE DATABASE {self.name}")
        self.prepare(users)
        process = self._start()
        try:
            self._wait_until_it_listens(process)
            yield self
        finally:
            process.terminate()
            process.wait(STOP_SECONDS + 5)

    def _start(self) -> "subprocess.Popen[str]":
        arguments = [str(os.getpid()), str(int(signal.SIGTERM)), str(STOP_SECONDS)]
        with (self.folder / "output").open("w") as output:
            process = subprocess.Popen(
                [sys.executable, "-I", "-S", guard.__file__, *arguments, *self.command()],
                cwd=self.folder,
                env={**os.environ, **self.environment()},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=output,
                text=True,
            )
        assert process.stdout is not None
        self.pid = int(process.stdout.readline())
        return process

    def _wait_until_it_listens(self, process: "subprocess.Popen[str]") -> None:
        deadline = time.monotonic() + READY_SECONDS
        while process.poll() is None and time.monotonic() < deadline:
            try:
                socket.create_connection((HOST, self.port), 1).close()
            except OSError:
                time.sleep(0.1)
            else:
                return
        raise RuntimeError(f"{self.name} did not start:\n{(self.folder / 'output').read_text()}")

    def _connect(self) -> psycopg.Connection:
        return psycopg.connect(self.database._replace(path=f"/{self.name}").geturl())

    def _configuration(self, template: str) -> str:
        return template.format(
            folder=self.folder, port=self.port, database=self.database, name=self.name
        )


class Prosody(Peer):
    """Accounts in files, its archive in PostgreSQL."""

    packages = ("prosody", "lua-dbi-postgresql")
    archive = "prosodyarchive"

    def prepare(self, users: int) -> None:
        accounts = self.folder / "data" / DOMAIN / "accounts"
        accounts.mkdir(parents=True)
        for number in range(users):
            text = f'return {{ ["password"] = "{PASSWORD}" }};\n'
            (accounts / f"u{number}.dat").write_text(text)
        (self.folder / "prosody.cfg.lua").write_text(self._configuration(_PROSODY))
        # The program names the folders that Debian would have installed it to.
        program = _place("usr/bin/prosody").read_text()
        library = str(_place("usr/lib/prosody"))
        (self.folder / "prosody.lua").write_text(program.replace("/usr/lib/prosody", library))

    def command(self) -> list[str]:
        program = str(self.folder / "prosody.lua")
        config = str(self.folder / "prosody.cfg.lua")
        return [str(_place("usr/bin/lua5.4")), program, "--config", config]

    def environment(self) -> dict[str, str]:
        libraries = _libraries()
        return {
            "LD_LIBRARY_PATH": str(libraries),
            "LUA_PATH": f"{_place('usr/share/lua/5.4')}/?.lua;;",
            "LUA_CPATH": f"{libraries}/lua/5.4/?.so;;",
        }


class Ejabberd(Peer):
    """Accounts and archive in PostgreSQL."""

    packages = ("ejabberd", "erlang-p1-pgsql")
    archive = "archive"

    def prepare(self, users: int) -> None:
        (self.folder / "ejabberd.yml").write_text(self._configuration(_EJABBERD))
        with self._connect() as connection, closing(connection.cursor()) as cursor:
            cursor.execute(_place("usr/share/ejabberd/sql/pg.sql").read_bytes())
            cursor.executemany(
                "INSERT INTO users (username, password) VALUES (%s, %s)",
                [(f"u{number}", PASSWORD) for number in range(users)],
            )

    def command(self) -> list[str]:
        erl = str(_place("usr/lib/erlang/bin/erl"))
        data = f'"{self.folder}/mnesia"'
        return [erl, "-noinput", "+K", "true", "-mnesia", "dir", data, "-s", "ejabberd"]

    def environment(self) -> dict[str, str]:
        places = [_place("usr/lib/erlang/lib"), DEBIAN / "usr/lib/erlang/lib"]
        return {
            "LD_LIBRARY_PATH": str(_libraries()),
            "ERL_LIBS": ":".join(map(str, [*places, _libraries()])),
            "EJABBERD_CONFIG_PATH": str(self.folder / "ejabberd.yml"),
            "EJABBERD_LOG_PATH": str(self.folder / "log"),
            "HOME": str(self.folder),
        }


PEERS: dict[str, type[Peer]] = {"ejabberd": Ejabberd, "prosody": Prosody}


def _place(path: str) -> Path:
    """Where Debian's file is: unpacked, or installed."""
    unpacked = DEBIAN / path
    return unpacked if unpacked.exists() else Path("/") / path


def _libraries() -> Path:
    [folder] = (DEBIAN / "usr/lib").glob("*-linux-gnu")
    return folder


def _free_port() -> int:
    with closing(socket.create_server((HOST, 0))) as listener:
        port: int = listener.getsockname()[1]
        return port
