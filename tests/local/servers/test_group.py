"""Several servers on one state folder: started, killed, started again and stopped."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
import redis

from local.servers import ServerUnavailable, StateInUse
from local.servers.ports import free_port, taken_by
from tests.local.servers.conftest import ALL, Start
from tests.local.stack import eventually


class TestOneStateFolder:
    def test_serves_one_at_a_time(
        self, in_a_parent: Callable[..., subprocess.Popen[str]], start: Start
    ) -> None:
        parent = in_a_parent("redis")

        with pytest.raises(StateInUse, match=f"process {parent.pid}"):
            start("redis")

    def test_is_free_again_after_a_stop(self, start: Start) -> None:
        first = start("redis")
        url = first["redis"].url
        first.stop()

        assert start("redis")["redis"].url == url


class TestServersThatDie:
    @pytest.mark.parametrize("kind", ALL)
    def test_come_back_on_the_same_port(self, start: Start, kind: str, reports: list[str]) -> None:
        servers = start(kind)
        before, url = servers.pids()[kind], servers[kind].url

        os.kill(before, signal.SIGKILL)

        eventually(lambda: any("is back" in line for line in reports), 60)
        assert servers.pids()[kind] != before
        assert servers[kind].url == url
        assert any("SIGKILL" in line for line in reports)

    def test_again_and_again_stop_everything_and_show_the_log(
        self, start: Start, reports: list[str], failures: list[str]
    ) -> None:
        servers = start("redis")

        def kill_it() -> bool:
            with contextlib.suppress(KeyError, ProcessLookupError):
                os.kill(servers.pids()["redis"], signal.SIGKILL)
            return bool(failures)

        eventually(kill_it, 60)
        assert "died 6 times within a minute" in reports[-1]
        assert len(failures) == 1

    def test_are_not_started_again_when_they_were_stopped(
        self, start: Start, reports: list[str]
    ) -> None:
        servers = start("redis")
        servers["redis"].stop()

        time.sleep(1)

        assert "redis" not in servers.pids()
        assert not any("again" in line for line in reports)

    def test_can_be_restarted_by_hand(self, start: Start) -> None:
        servers = start("redis")
        before = servers.pids()["redis"]

        servers["redis"].restart()

        assert servers.pids()["redis"] != before
        with redis.Redis.from_url(servers.env["REDIS_URL"]) as client:
            assert client.ping()

    def test_keeps_its_port_from_others_while_it_is_down(
        self, start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        servers = start("redis")
        servers["redis"].stop()
        port = json.loads((tmp_path / "ports.json").read_text())["Redis"]
        monkeypatch.setattr("local.servers.ports.TRIES", 1)
        monkeypatch.setattr("local.servers.ports.RANGE", range(port, port + 1))

        assert taken_by(port) is None
        with pytest.raises(OSError, match="None of 1 ports"):
            free_port()


class TestServersThatDoNotStart:
    def test_say_so_with_the_end_of_their_log_and_take_the_others_along(
        self, start: Start, tmp_path: Path
    ) -> None:
        start("postgres", "redis").stop()
        (tmp_path / "postgres/cluster/PG_VERSION").write_text("7\n")

        with pytest.raises(ServerUnavailable, match=r"(?s)PostgreSQL ended.*incompatible"):
            start("postgres", "redis")

        ports = json.loads((tmp_path / "ports.json").read_text())
        assert [taken_by(port) for port in ports.values()] == [None, None]

    def test_for_a_port_that_was_taken_meanwhile_say_by_whom(
        self, start: Start, tmp_path: Path
    ) -> None:
        servers = start("redis")
        servers["redis"].stop()
        port = json.loads((tmp_path / "ports.json").read_text())["Redis"]

        told = pytest.raises(ServerUnavailable, match=rf"port {port}.*process {os.getpid()}")
        with socket.create_server(("127.0.0.1", port)), told:
            servers["redis"].start()

    def test_for_a_port_taken_since_the_last_time_take_another_one(
        self, start: Start, tmp_path: Path, reports: list[str]
    ) -> None:
        start("redis").stop()
        port = json.loads((tmp_path / "ports.json").read_text())["Redis"]

        with socket.create_server(("127.0.0.1", port)):
            servers = start("redis")

            assert f":{port}/" not in servers["redis"].url
            assert any(f"port {port} of Redis is in use" in line for line in reports)


class TestTheMessageStore:
    def test_is_postgresql_where_the_environment_says_so(self, start: Start) -> None:
        servers = start("postgres", "mongo", MESSAGES_URL="postgresql")

        assert servers.env["MESSAGES_URL"] == servers.env["POSTGRES_URL"]
        assert set(servers.pids()) == {"postgres"}

    def test_is_mongodb_otherwise(self, start: Start) -> None:
        servers = start("mongo")

        assert servers.env["MESSAGES_URL"].startswith("mongodb://parley:")


def test_all_state_is_in_the_state_folder_and_ports_are_on_loopback_only(
    start: Start, tmp_path: Path
) -> None:
    servers = start(*ALL)

    listening: dict[int, Any] = {}
    for name, pid in servers.pids().items():
        process = psutil.Process(pid)
        for one in [process, *process.children(recursive=True)]:
            for connection in one.net_connections("tcp"):
                if connection.status == psutil.CONN_LISTEN:
                    listening[connection.laddr.port] = (name, connection.laddr.ip)

    assert {name for name, _ in listening.values()} == set(ALL)
    assert {ip for _, ip in listening.values()} == {"127.0.0.1"}
    folders = {path.name for path in tmp_path.iterdir() if path.is_dir()}
    assert folders == {*ALL, "keys", "logs"}
