"""The servers of the local cloud: real ones, started, killed and started again."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pika
import psutil
import psycopg
import pymongo
import pytest
import redis

from chalicelib.drivers.sigv4 import Signer
from local import keys
from local.options import ROOT
from local.servers import Servers, ServerUnavailable, StateInUse, start_all
from local.servers.containers import engine_answers
from local.servers.ports import free_port, taken_by
from local.servers.postgres import Postgres, as_nobody
from local.servers.rabbitmq import RabbitMQ
from tests.local.stack import eventually

ALL = ["postgres", "mongo", "redis", "rabbitmq", "s3"]
STOPS_WITHIN = 30.0

PARENT = """
import sys, time
from pathlib import Path
from local.servers import start_all

servers = start_all(Path(sys.argv[1]), sys.argv[2:], lambda line: None, given={})
print("ready", flush=True)
time.sleep(300)
"""

Start = Callable[..., Servers]


@pytest.fixture
def reports() -> list[str]:
    return []


@pytest.fixture
def failures() -> list[str]:
    return []


@pytest.fixture
def start(tmp_path: Path, reports: list[str], failures: list[str]) -> Iterator[Start]:
    """Starts servers on the test's state folder; they are stopped when it ends."""
    running = []

    def start(*wanted: str, **given: str) -> Servers:
        servers = start_all(
            tmp_path, wanted, reports.append, given=given, on_failure=lambda: failures.append("!")
        )
        running.append(servers)
        return servers

    yield start
    for servers in running:
        servers.stop()


@pytest.fixture
def in_a_parent(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts servers on the test's state folder in a process that can be killed."""
    parents = []

    def run(*wanted: str) -> subprocess.Popen[str]:
        parent = subprocess.Popen(
            [sys.executable, "-c", PARENT, str(tmp_path), *wanted],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        parents.append(parent)
        assert parent.stdout
        assert parent.stdout.readline() == "ready\n"
        return parent

    yield run
    for parent in parents:
        parent.kill()
        parent.wait()
        if parent.stdout:
            parent.stdout.close()


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


class TestGivenServers:
    def test_are_used_and_left_running(self, start: Start, tmp_path: Path) -> None:
        own = start_all(tmp_path / "own", ["redis"], print, given={})
        try:
            url = own["redis"].url
            servers = start("redis", REDIS_URL=url)
            assert servers.env["REDIS_URL"] == url
            assert servers.pids() == {}

            servers.stop()

            with redis.Redis.from_url(url) as client:
                assert client.ping()
        finally:
            own.stop()

    def test_that_do_not_answer_are_named_without_their_password(
        self, start: Start, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("local.servers.given.ANSWERS_WITHIN", 0.1)

        with pytest.raises(ServerUnavailable, match="REDIS_URL") as refusal:
            start("redis", REDIS_URL="redis://someone:hunter2@127.0.0.1:1/0")

        assert "127.0.0.1:1" in str(refusal.value)
        assert "hunter2" not in str(refusal.value)


class TestADockerEngine:
    @pytest.mark.parametrize(("status", "is_there"), [(200, True), (500, False)])
    def test_is_there_when_its_socket_answers(
        self, status: int, is_there: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = tmp_path / "docker.sock"
        monkeypatch.setenv("DOCKER_HOST", f"unix://{path}")
        with socket.socket(socket.AF_UNIX) as engine:
            engine.bind(str(path))
            engine.listen()

            def answer() -> None:
                client, _ = engine.accept()
                with client:
                    assert client.recv(1000).startswith(b"GET /_ping ")
                    client.sendall(f"HTTP/1.1 {status} So\r\nContent-Length: 0\r\n\r\n".encode())

            thread = threading.Thread(target=answer)
            thread.start()
            assert engine_answers() is is_there
            thread.join()

    def test_is_not_there_when_nobody_listens(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/docker.sock")

        assert not engine_answers()


class TestTheMessageStore:
    def test_is_postgresql_where_the_environment_says_so(self, start: Start) -> None:
        servers = start("postgres", "mongo", MESSAGES_URL="postgresql")

        assert servers.env["MESSAGES_URL"] == servers.env["POSTGRES_URL"]
        assert set(servers.pids()) == {"postgres"}

    def test_is_mongodb_otherwise(self, start: Start) -> None:
        servers = start("mongo")

        assert servers.env["MESSAGES_URL"].startswith("mongodb://parley:")


@pytest.fixture(scope="module")
def all_servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    with start_all(tmp_path_factory.mktemp("strangers"), ALL, print, given={}) as servers:
        yield servers


@pytest.fixture(scope="module")
def export(all_servers: Servers) -> str:
    """The path of a file that lies in S3."""
    url = all_servers["s3"].url
    known = keys.aws(state_of(all_servers) / "keys")
    signer = Signer(
        "s3",
        "us-east-1",
        access_key=known.access_key,
        secret_key=known.secret_key,
        token=None,
    )
    path = "/exports/ana.zip"
    query = signer.query("PUT", urlsplit(url).netloc, path, {}, seconds=60)
    assert httpx.put(f"{url}{path}?{query}", content=b"her messages").status_code == 200
    query = signer.query("GET", urlsplit(url).netloc, path, {}, seconds=60)
    assert httpx.get(f"{url}{path}?{query}").content == b"her messages"
    return path


class TestStrangers:
    """All that can reach the ports: other accounts of the machine, and pages in a browser."""

    @pytest.mark.parametrize("scheme", ["http", "https"])
    def test_see_nothing_at_any_port_of_s3(
        self, all_servers: Servers, export: str, scheme: str
    ) -> None:
        ports = listening(all_servers.pids()["s3"])
        assert len(ports) >= 8
        paths = [f"/buckets{export}", export, "/", "/dir/status", "/dir/assign", "/vol/status"]
        for port in ports:
            for path in [*paths, "/status", "/cluster/status", "/ui/index.html", "/1,01"]:
                try:
                    answer = httpx.get(
                        f"{scheme}://127.0.0.1:{port}{path}",
                        headers={"Origin": "https://evil.example"},
                        verify=False,
                    )
                except httpx.TransportError:
                    continue
                said = (port, path, answer.status_code, answer.text)
                assert b"her messages" not in answer.content, said
                healthy = urlsplit(all_servers["s3"].url).port == port and not answer.content
                assert healthy or answer.status_code >= 400, said

    @pytest.mark.parametrize("kind", ["postgres", "mongo", "redis", "rabbitmq"])
    @pytest.mark.parametrize("account", ["", "{user}:wrong@", "guest:guest@", "postgres:postgres@"])
    def test_do_not_get_in_without_the_password(
        self, all_servers: Servers, kind: str, account: str
    ) -> None:
        parts = urlsplit(all_servers[kind].url)
        host = f"{account.format(user=parts.username)}127.0.0.1:{parts.port}"

        with pytest.raises(REFUSALS):
            try_out(kind, parts._replace(netloc=host).geturl())

        try_out(kind, all_servers[kind].url)

    def test_find_no_password_in_a_command_line_or_a_file(self, all_servers: Servers) -> None:
        passwords = {urlsplit(all_servers[kind].url).password for kind in ALL if kind != "s3"}
        assert len(passwords) == 4
        for pid in all_servers.pids().values():
            for process in [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]:
                assert not any(str(password) in str(process.cmdline()) for password in passwords)
        open_to_all = [
            path
            for path in (state_of(all_servers)).iterdir()
            if path.is_dir() and path.stat().st_mode & 0o077 and path.name != "postgres"
        ]
        assert open_to_all == []

    def test_of_the_app_cannot_use_postgresql_as_a_superuser(self, all_servers: Servers) -> None:
        with psycopg.connect(all_servers.env["POSTGRES_URL"], autocommit=True) as connection:
            may = "SELECT rolsuper OR rolcreaterole OR rolreplication FROM pg_roles"
            asked = connection.execute(f"{may} WHERE rolname = current_user")
            assert asked.fetchone() == (False,)
            for statement in (
                "COPY (SELECT 1) TO PROGRAM 'id'",
                "SELECT pg_read_file('/etc/passwd')",
                "CREATE ROLE mine SUPERUSER",
                "ALTER SYSTEM SET listen_addresses = '*'",
            ):
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    connection.execute(statement)

    def test_of_another_folder_have_other_passwords(
        self, all_servers: Servers, start: Start
    ) -> None:
        assert (
            urlsplit(start("redis")["redis"].url).password
            != urlsplit(all_servers["redis"].url).password
        )


REFUSALS = (
    psycopg.OperationalError,
    pymongo.errors.OperationFailure,
    pymongo.errors.ConfigurationError,
    redis.RedisError,
    pika.exceptions.AMQPError,
)


def state_of(servers: Servers) -> Path:
    return servers._state


def try_out(kind: str, url: str) -> None:
    """Do something that needs a right."""
    if kind == "postgres":
        psycopg.connect(url, connect_timeout=5).close()
    elif kind == "redis":
        with redis.Redis.from_url(url) as connection:
            connection.ping()
    elif kind == "mongo":
        client: pymongo.MongoClient[dict[str, Any]] = pymongo.MongoClient(
            url, serverSelectionTimeoutMS=5000
        )
        with client:
            client.parley.chats.find_one()
    else:
        RabbitMQ.check(url)


def listening(pid: int) -> set[int]:
    """The ports of a process and of those that it started."""
    processes = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    return {
        connection.laddr.port
        for process in processes
        for connection in process.net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN
    }


class TestDataWithoutPasswords:
    """Of an older checkout, or whose keys somebody deleted."""

    @pytest.mark.parametrize("how", ["older", "keys deleted"])
    def test_is_set_aside_and_reported(
        self, start: Start, tmp_path: Path, reports: list[str], how: str
    ) -> None:
        if how == "older":
            (tmp_path / "postgres/cluster").mkdir(parents=True)
            (tmp_path / "postgres/cluster/PG_VERSION").write_text("18\n")
        else:
            start("postgres").stop()
            shutil.rmtree(tmp_path / "keys")

        servers = start("postgres")

        psycopg.connect(servers.env["POSTGRES_URL"]).close()
        (told,) = [report for report in reports if "set aside" in report or "start empty" in report]
        (place,) = tmp_path.glob("before-*")
        assert str(place) in told
        assert (place / "postgres/cluster/PG_VERSION").exists()

    def test_is_not_set_aside_where_it_has_passwords(
        self, start: Start, tmp_path: Path, reports: list[str]
    ) -> None:
        servers = start("postgres", "redis")
        with psycopg.connect(servers.env["POSTGRES_URL"]) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 7 AS value")
        servers.stop()

        with psycopg.connect(start("postgres").env["POSTGRES_URL"]) as connection:
            assert connection.execute("SELECT value FROM kept").fetchone() == (7,)
        assert not list(tmp_path.glob("before-*"))


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


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives up its identity")
def test_who_gave_up_root_still_finds_programs_below_a_home_that_is_closed(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    program = home / "program"
    program.touch(mode=0o755)
    # access(2), as initdb asks it
    script = "import os, sys; print(os.getuid(), os.access(sys.argv[1], os.X_OK))"

    done = subprocess.run(
        [*as_nobody(), sys.executable, "-c", script, str(program)],
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.stdout, done.stderr) == ("65534 True\n", "")
