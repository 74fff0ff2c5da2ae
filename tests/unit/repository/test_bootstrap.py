"""On which machines the installation begins."""

from pathlib import Path

import pytest

from local.bootstrap import SetupFailed
from local.bootstrap.machine import docker_answers, require_supported_machine

Machine = tuple[str, bool, bool]
LINUX, BARE_MAC = ("linux", False, False), ("darwin", False, False)
MAC_WITH_DOCKER, MAC_WITH_RABBITMQ = ("darwin", True, False), ("darwin", False, True)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, request: pytest.FixtureRequest) -> str:
    """A machine of a kind, perhaps with Docker, perhaps with RabbitMQ from Homebrew."""
    platform, docker, rabbitmq = request.param
    programs = tmp_path / "programs"
    programs.mkdir()
    if docker:
        (programs / "docker").write_text("#!/bin/sh\nexit 0\n")
        (programs / "docker").chmod(0o755)
    if rabbitmq:
        (tmp_path / "brew/opt/rabbitmq/sbin").mkdir(parents=True)
        (tmp_path / "brew/opt/rabbitmq/sbin/rabbitmq-server").touch()
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin" if docker else str(programs))
    monkeypatch.setattr("local.bootstrap.machine.HOMEBREW", [tmp_path / "brew"])
    monkeypatch.setattr("sys.platform", platform)
    return str(platform)


@pytest.mark.parametrize(
    "machine",
    [LINUX, MAC_WITH_DOCKER, MAC_WITH_RABBITMQ],
    ids=["linux", "docker", "rabbitmq"],
    indirect=True,
)
@pytest.mark.parametrize("purpose", ["run", "checks", "deploy"])
def test_goes_on_where_the_servers_can_run(
    machine: str, purpose: str, capsys: pytest.CaptureFixture[str]
) -> None:
    require_supported_machine(purpose)

    warned = "Nobody has tried Parley on macOS yet." in capsys.readouterr().out
    assert warned == (machine == "darwin" and purpose != "deploy")


@pytest.mark.parametrize("machine", [BARE_MAC], ids=["bare"], indirect=True)
def test_says_what_a_mac_needs(machine: str) -> None:
    with pytest.raises(SetupFailed, match="Start Docker, or run: brew install rabbitmq"):
        require_supported_machine("run")
    require_supported_machine("deploy")


@pytest.mark.parametrize(
    "machine",
    [("win32", True, False), ("freebsd14", True, True)],
    ids=["win", "bsd"],
    indirect=True,
)
def test_refuses_other_systems(machine: str) -> None:
    with pytest.raises(SetupFailed, match="on Linux only"):
        require_supported_machine("run")


@pytest.mark.parametrize("machine", [MAC_WITH_DOCKER], ids=["docker"], indirect=True)
def test_refuses_the_tests_on_a_mac(machine: str) -> None:
    with pytest.raises(SetupFailed, match="on Linux only"):
        require_supported_machine("tests")


def test_a_docker_without_an_engine_does_not_answer(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "docker").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "docker").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    assert not docker_answers()
