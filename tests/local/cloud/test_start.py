"""The local cloud says why it cannot start."""

import os
import socket
from pathlib import Path

import pytest
from websockets.sync.client import connect

from local.servers import Servers
from tests.local.cloud.process import Process, Start, two_free_ports
from tests.local.stack import PATIENCE, SAMPLE_APP


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


@pytest.mark.parametrize("command", ["demo", "environment"])
def test_says_when_nothing_runs(command: str, tmp_path: Path, servers: Servers) -> None:
    done = Process(tmp_path / "state", servers, command)

    assert done.ends() == 1
    assert "No local cloud is running" in done.output
