"""Servers end with the process that started them."""

import json
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import psutil
import psycopg
import pytest

from local.servers.postgres import Postgres
from tests.local.servers.conftest import ALL, Start
from tests.local.stack import eventually

STOPS_WITHIN = 30.0


def tree(parent: subprocess.Popen[str]) -> list[psutil.Process]:
    return psutil.Process(parent.pid).children(recursive=True)


def alive(processes: list[psutil.Process]) -> list[psutil.Process]:
    return [
        each for each in processes if each.is_running() and each.status() != psutil.STATUS_ZOMBIE
    ]


def gone(processes: list[psutil.Process]) -> bool:
    try:
        return not alive(processes)
    except psutil.NoSuchProcess:
        return False


class TestWhenTheParentDies:
    def test_every_server_process_goes_too(
        self, in_a_parent: Callable[..., subprocess.Popen[str]]
    ) -> None:
        parent = in_a_parent(*ALL)
        processes = tree(parent)
        names = {process.name() for process in processes}
        assert {"postgres", "valkey-server", "beam.smp", "epmd"} <= names

        parent.kill()

        eventually(lambda: gone(processes), STOPS_WITHIN)

    @pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
    def test_every_signal_ends_the_servers_too(
        self, in_a_parent: Callable[..., subprocess.Popen[str]], ending: signal.Signals
    ) -> None:
        parent = in_a_parent("postgres", "redis")
        processes = tree(parent)

        parent.send_signal(ending)

        eventually(lambda: gone(processes), STOPS_WITHIN)

    def test_a_frozen_server_goes_too(
        self, in_a_parent: Callable[..., subprocess.Popen[str]]
    ) -> None:
        parent = in_a_parent("postgres", "redis")
        processes = tree(parent)
        guards = psutil.Process(parent.pid).children()
        for server in [child for guard in guards for child in guard.children()]:
            server.suspend()

        parent.kill()

        eventually(lambda: gone(processes), STOPS_WITHIN)

    def test_the_next_one_waits_for_its_servers_and_finds_its_data(
        self, in_a_parent: Callable[..., subprocess.Popen[str]], start: Start, tmp_path: Path
    ) -> None:
        parent = in_a_parent("postgres")
        port = json.loads((tmp_path / "ports.json").read_text())["PostgreSQL"]
        url = Postgres.url_at(port, tmp_path)
        with psycopg.connect(url) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 7 AS value")

        parent.kill()
        parent.wait()
        servers = start("postgres")

        assert servers["postgres"].url == url
        with psycopg.connect(url) as connection:
            assert connection.execute("SELECT value FROM kept").fetchone() == (7,)
