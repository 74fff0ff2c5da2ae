"""The local cloud serves the app, and leaves nothing when it stops."""

import base64
import contextlib
import json
import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pika
import pytest
from websockets.sync.client import connect

from local.options import ROOT
from local.servers import Servers
from tests.local.cloud.process import START_SECONDS, Start, exported, two_free_ports
from tests.local.stack import PATIENCE, eventually


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
