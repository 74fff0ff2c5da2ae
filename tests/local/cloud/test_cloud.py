"""The whole local cloud as a process: start, serve, stop, and nothing left behind."""

import base64
import contextlib
import json
import os
import pty
import random
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import httpx
import pika
import pytest
from botocore.exceptions import ClientError
from websockets.sync.client import connect

from local.options import ROOT
from local.servers import Servers
from tests.local.stack import PATIENCE, SAMPLE_APP, eventually

START_SECONDS = 120.0


class Process:
    """`python -m local` with a state folder of its own."""

    def __init__(self, state: Path, servers: Servers, *arguments: str) -> None:
        self.state = state
        self.record_file = state.parent / "records"
        self._output = state.parent / "output"
        with self._output.open("w") as output:
            self.popen = subprocess.Popen(
                [sys.executable, "-m", "local", *arguments, "--state", str(state)],
                cwd=ROOT,
                env={
                    **os.environ,
                    "AMQP_URL": servers.env["AMQP_URL"],
                    "RECORD_FILE": str(self.record_file),
                    "AWS_PROFILE": "none-of-ours",
                },
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    @property
    def output(self) -> str:
        return self._output.read_text()

    def about(self) -> dict[str, Any]:
        """run.json, once it is there."""

        def read() -> dict[str, Any] | None:
            assert self.popen.poll() is None, self.output
            with contextlib.suppress(FileNotFoundError):
                found: dict[str, Any] = json.loads((self.state / "run.json").read_text())
                return found
            return None

        return eventually(read, START_SECONDS) or {}

    def ends(self, within: float = 60.0) -> int:
        """The exit code."""
        return self.popen.wait(within)

    def left_behind(self) -> list[str]:
        """Command lines of processes that still have to do with our state folder."""
        mine = str(self.state).encode()
        found = []
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit() or int(entry.name) == os.getpid():
                continue
            with contextlib.suppress(OSError):
                line = (entry / "cmdline").read_bytes()
                if line and mine in line + (entry / "environ").read_bytes():
                    found.append(line.replace(b"\0", b" ").decode())
        return found


Start = Callable[..., Process]


@pytest.fixture
def start(tmp_path: Path, servers: Servers) -> Iterator[Start]:
    """Starts clouds of the sample app; ends those that a test left running."""
    started: list[Process] = []

    def start(*options: str, app: Path = SAMPLE_APP, command: str = "run") -> Process:
        arguments = [command, "--http-port", "0", "--app", str(app)]
        if command == "run":
            arguments += ["--no-demo", "--workers", "1"]
        started.append(Process(tmp_path / "state", servers, *arguments, *options))
        return started[-1]

    yield start
    for process in started:
        if process.popen.poll() is None:
            process.popen.send_signal(signal.SIGTERM)
            process.ends()


def test_serves_everything_and_ctrl_c_leaves_nothing(
    start: Start, tmp_path: Path, servers: Servers
) -> None:
    cloud = start("--schedule-seconds", "0.3")
    about = cloud.about()

    assert about["pid"] == cloud.popen.pid
    assert set(about["servers"]) >= {"postgres", "mongo", "redis"}
    assert len(about["workers"]) == 1
    assert (cloud.state / "run.json").stat().st_mode & 0o777 == 0o600
    eventually(lambda: about["socket_url"] in cloud.output)  # printed after run.json is there
    assert about["http_url"].replace("127.0.0.1", "localhost") in cloud.output
    event = httpx.get(f"{about['http_url']}/v1/echo").json()
    assert event["resource"] == "/v1/echo"
    with connect(about["socket_url"], legacy=True) as client:
        client.send("hello")
        assert client.recv(PATIENCE) == "hello"
        publish(servers.env["AMQP_URL"], "sample.push.1", b"a push")
        eventually(lambda: b"a push" in pushed(cloud.record_file))
        eventually(lambda: '"kind": "tidy"' in cloud.record_file.read_text())

    printed = tmp_path / "environment"
    command = [sys.executable, "-m", "local", "environment", "--state", str(cloud.state)]
    printed.write_bytes(subprocess.check_output(command, cwd=ROOT))
    assert exported(printed).items() >= about["environment"].items()
    assert "does not print to a terminal" in on_a_terminal(command)

    cloud.popen.send_signal(signal.SIGINT)

    assert cloud.ends() == 0
    assert not (cloud.state / "run.json").exists()
    assert cloud.left_behind() == []
    assert '"kind": "disconnect"' in cloud.record_file.read_text()
    assert "Traceback" not in cloud.output


def on_a_terminal(command: list[str]) -> str:
    """What a command that fails shows there."""
    ours, theirs = pty.openpty()
    try:
        done = subprocess.run(
            command, cwd=ROOT, stdout=theirs, stderr=subprocess.PIPE, text=True, check=False
        )
        os.write(theirs, b".")
        assert (done.returncode, os.read(ours, 1024)) == (1, b".")  # and nothing else
        return done.stderr
    finally:
        os.close(ours)
        os.close(theirs)


def test_run_json_follows_replaced_workers_and_servers(start: Start) -> None:
    cloud = start()
    about = cloud.about()
    (worker,) = about["workers"]
    os.kill(worker, signal.SIGKILL)
    os.kill(about["servers"]["redis"], signal.SIGKILL)

    eventually(lambda: cloud.about()["workers"] not in ([], [worker]))
    redis = about["servers"]["redis"]
    eventually(lambda: cloud.about()["servers"].get("redis", redis) != redis, 20)

    assert httpx.get(f"{about['http_url']}/v1/echo").status_code == 200


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_other_signals_stop_it_as_well(start: Start, number: signal.Signals) -> None:
    cloud = start()
    cloud.about()
    cloud.popen.send_signal(number)

    assert cloud.ends() == 0
    assert cloud.left_behind() == []


@pytest.mark.parametrize("after", [0.3, 0.8, 1.5, 2.2])
def test_it_can_be_stopped_while_it_starts(start: Start, after: float) -> None:
    cloud = start()
    time.sleep(after)
    cloud.popen.send_signal(signal.SIGINT)

    cloud.ends()
    assert cloud.left_behind() == []
    assert not (cloud.state / "run.json").exists()


def test_a_kill_leaves_nothing_and_the_next_start_works(start: Start) -> None:
    cloud = start()
    cloud.about()
    cloud.popen.kill()
    cloud.ends()

    eventually(lambda: cloud.left_behind() == [], 60)

    (cloud.state / "run.json").unlink()
    assert start().about()["pid"] != cloud.popen.pid


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_port_in_use_is_reported_at_once(start: Start, host: str) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, 0), family=family) as taken:
        port = taken.getsockname()[1]
        cloud = start("--http-port", str(port))

        assert cloud.ends() == 1
    assert f"Port {port} is in use by " in cloud.output
    assert f"(process {os.getpid()}, in {os.getcwd()}). Stop that, or choose" in cloud.output
    assert "Traceback" not in cloud.output
    assert "ready" not in cloud.output


def test_the_sockets_take_the_port_after_that_of_http(start: Start) -> None:
    with two_free_ports() as port:
        pass
    about = start("--http-port", str(port)).about()

    assert about["http_url"] == f"http://127.0.0.1:{port}"
    assert about["socket_url"] == f"ws://127.0.0.1:{port + 1}/api"


def test_the_sockets_take_another_port_where_that_one_is_in_use(start: Start) -> None:
    with two_free_ports() as port, socket.create_server(("127.0.0.1", port + 1)):
        about = start("--http-port", str(port)).about()

    assert about["http_url"] == f"http://127.0.0.1:{port}"
    with connect(about["socket_url"], legacy=True) as client:
        client.send("hello")
        assert client.recv(PATIENCE) == "hello"


@contextlib.contextmanager
def two_free_ports() -> Iterator[int]:
    """The first of two that follow each other."""
    for port in range(random.randrange(20_000, 30_000, 2), 32_000, 2):
        with contextlib.suppress(OSError):
            socket.create_server(("127.0.0.1", port)).close()
            socket.create_server(("127.0.0.1", port + 1)).close()
            yield port
            return


def test_whoever_got_an_answer_finds_the_cloud(start: Start) -> None:
    with two_free_ports() as port:
        pass
    cloud = start("--http-port", str(port), "--demo")  # filling it takes a while

    def answered() -> bool:
        with contextlib.suppress(httpx.ConnectError):
            return httpx.get(f"http://127.0.0.1:{port}/v1/echo", timeout=60).status_code == 200
        return False

    eventually(answered, START_SECONDS)

    assert (cloud.state / "run.json").exists()


def test_a_state_folder_in_use_is_reported_at_once(start: Start) -> None:
    first = start()
    about = first.about()
    output = first.output

    second = start()

    assert second.ends() == 1
    page = about["http_url"].replace("127.0.0.1", "localhost")
    assert f"Parley already runs here (process {first.popen.pid}, {page}/)." in second.output
    assert first.popen.poll() is None
    assert "ready" in output
    assert (first.state / "run.json").exists()


def test_one_that_runs_already_is_named_before_its_port_is(start: Start) -> None:
    first = start()
    port = first.about()["http_url"].rpartition(":")[2]

    second = start("--http-port", port, "--check")

    assert second.ends() == 1
    assert f"Parley already runs here (process {first.popen.pid}, " in second.output
    assert "in use by" not in second.output


def test_an_app_that_cannot_be_imported_is_reported(start: Start, tmp_path: Path) -> None:
    broken = tmp_path / "app"
    broken.mkdir()
    (broken / "app.py").write_text("import no_such_module\n")
    (broken / "chalicelib").symlink_to(SAMPLE_APP / "chalicelib")
    cloud = start(app=broken)

    assert cloud.ends() == 1
    assert "The app could not be imported" in cloud.output
    assert "No module named 'no_such_module'" in cloud.output
    assert cloud.left_behind() == []


def test_a_schema_that_fails_is_reported(start: Start, tmp_path: Path) -> None:
    broken = tmp_path / "app"
    (broken / "chalicelib").mkdir(parents=True)
    (broken / "app.py").write_text("")
    cloud = start(app=broken)

    assert cloud.ends() == 1
    assert "The schema could not be applied" in cloud.output
    assert cloud.left_behind() == []


def test_services_keep_what_chalice_local_needs(start: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    services = start("--http-port", str(port), command="services")
    eventually(lambda: "Ctrl-C stops" in services.output, START_SECONDS)

    environment = exported(services.state / "services.env")

    assert environment["ISSUER"] == f"http://127.0.0.1:{port}"
    assert str(services.state / "services.env") in services.output
    secrets = [environment[name] for name in ("JWT_KEYS", "AWS_SECRET_ACCESS_KEY")]
    secrets += [urlsplit(environment[name]).password or "" for name in ("POSTGRES_URL", "AMQP_URL")]
    assert [secret for secret in secrets if not secret or secret in services.output] == []
    assert (services.state / "services.env").stat().st_mode & 0o777 == 0o600
    with socket.create_server(("127.0.0.1", port)):
        pass  # the port is left to `chalice local`
    api = boto3.client(
        "apigatewaymanagementapi",
        endpoint_url=environment["WS_ENDPOINT_URL"],
        region_name=environment["AWS_REGION"],
        aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
    )
    with pytest.raises(ClientError, match="GoneException"):
        api.post_to_connection(ConnectionId="nobody=", Data=b"x")
    assert httpx.post(environment["FCM_URL"].format("parley-local")).status_code == 401

    services.popen.send_signal(signal.SIGINT)
    assert services.ends() == 0
    assert services.left_behind() == []
    assert not (services.state / "services.env").exists()


def test_chalice_local_serves_http_as_the_readme_says(start: Start) -> None:
    """The line of the README, with the state folder and the port of this test."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    services = start("--http-port", str(port), command="services", app=ROOT)
    eventually(lambda: "Ctrl-C stops" in services.output, START_SECONDS)
    url = f"http://127.0.0.1:{port}"
    (line,) = re.findall(r"in another terminal: (.*)", (ROOT / "README.md").read_text())
    # What this test does not read from the README it reads from the terminal.
    assert f"local --no-autoreload --port {port}" in services.output
    command = line.replace(".local/services.env", str(services.state / "services.env"))
    chalice = subprocess.Popen(
        ["sh", "-c", f"{command} --port {port}"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"]},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    moving = ROOT / ".local" / f"moving-{port}"
    moving.parent.mkdir(exist_ok=True)
    try:

        def served() -> bool:
            with contextlib.suppress(httpx.TransportError):
                return httpx.get(f"{url}/v1/health").status_code == 200
            return False

        eventually(served, START_SECONDS)
        ready = httpx.get(f"{url}/v1/ready")
        assert (ready.status_code, ready.json()["status"]) == (200, "ok")
        account = {"email": "ana@example.org", "username": "ana", "display_name": "Ana"}
        made = httpx.post(
            f"{url}/v1/auth/register", json={**account, "password": "correct horse battery 42"}
        )
        assert made.status_code == 201
        token = made.json()["access_token"]
        me = httpx.get(f"{url}/v1/users/me", headers={"Authorization": f"Bearer {token}"})
        assert me.json()["username"] == "ana"
        assert httpx.get(f"{url}/v1/users/me").status_code == 401
        for number in range(30):
            moving.write_text(str(number))  # as the servers' data do all the time
            time.sleep(0.1)  # Chalice would look once a second
            assert httpx.get(f"{url}/v1/health").status_code == 200
    finally:
        moving.unlink(missing_ok=True)
        os.killpg(chalice.pid, signal.SIGTERM)
        chalice.wait(10)


def exported(path: Path) -> dict[str, str]:
    """What a shell has after reading the file."""
    script = f"set -a; . {shlex.quote(str(path))}; env -0"
    output = subprocess.run(
        ["sh", "-c", script], env={}, capture_output=True, text=True, check=True
    ).stdout
    return dict(pair.split("=", 1) for pair in output.split("\0") if pair)


@pytest.mark.parametrize("command", ["demo", "environment"])
def test_says_when_nothing_runs(command: str, tmp_path: Path, servers: Servers) -> None:
    done = Process(tmp_path / "state", servers, command)

    assert done.ends() == 1
    assert "No local cloud is running" in done.output


def publish(url: str, queue: str, body: bytes) -> None:
    connection = pika.BlockingConnection(pika.URLParameters(url))
    channel = connection.channel()
    channel.confirm_delivery()
    channel.basic_publish("", queue, body)
    connection.close()


def pushed(record_file: Path) -> list[bytes]:
    """The bodies that the notify function was called with."""
    if not record_file.exists():
        return []
    lines = [json.loads(line) for line in record_file.read_text().splitlines()]
    return [
        base64.b64decode(message["data"])
        for line in lines
        if line["kind"] == "notify"
        for messages in line["event"]["rmqMessagesByQueue"].values()
        for message in messages
    ]
