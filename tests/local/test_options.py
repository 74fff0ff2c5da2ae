"""What is looked at before anything is installed."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from local.options import ROOT


def check(command: str, state: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Ask without any installed package, as a fresh clone does."""
    return subprocess.run(
        [sys.executable, "-S", "-m", "local", command, "--check", "--state", str(state), *options],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("command", ["run", "services"])
def test_needs_no_package_and_leaves_nothing(command: str, tmp_path: Path) -> None:
    done = check(command, tmp_path / "state", "--http-port", "0")

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize("command", ["run", "services"])
def test_says_which_port_to_take_instead(command: str, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = check(command, tmp_path / "state", "--http-port", str(port))

    assert done.returncode == 1
    other = done.stderr.partition("PORT=")[2].partition(" ")[0]
    assert f"Port {port} is in use by " in done.stderr
    assert check(command, tmp_path / "state", "--http-port", other).returncode == 0


@pytest.mark.parametrize("port", ["65536", "-1", "http", "", "８０００"], ids=list("abcde"))
def test_a_port_is_a_number(port: str, tmp_path: Path) -> None:
    done = check("run", tmp_path / "state", f"--http-port={port}")

    assert done.returncode == 2
    assert "a port is a number from 0 to 65535" in done.stderr


def test_the_last_port_has_none_after_it(tmp_path: Path) -> None:
    done = check("run", tmp_path / "state", "--http-port", "65535")

    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("target", ["run", "services"])
def test_make_asks_before_it_installs(target: str) -> None:
    variables = ["PYTHON=python3", "PORT=8400", "SOCKET_PORT=8500", "DEV=1"]
    plan = subprocess.check_output(
        ["make", "--no-print-directory", "-n", target, *variables], cwd=ROOT, text=True
    )
    lines = [" ".join(line.split()) for line in plan.splitlines()]
    given = '--http-port "8400"'
    if target == "run":
        given += ' --socket-port "8500" --dev'

    assert lines == [
        "python3 -m local.bootstrap --check",
        f"python3 -m local {target} --check {given}",
        "python3 -m local.bootstrap",
        f"exec .venv/bin/python -m local {target} {given}",
    ]
