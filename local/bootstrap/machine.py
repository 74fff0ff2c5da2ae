"""Which machines can run the local cloud."""

from __future__ import annotations

import platform
import shutil
import subprocess
import sys
from pathlib import Path

from local.bootstrap import SetupFailed
from local.bootstrap.steps import say

HOMEBREW = [Path("/opt/homebrew"), Path("/usr/local")]


def require_supported_machine(purpose: str) -> None:
    """Raise SetupFailed where a later step would fail."""
    if not (3, 11) <= sys.version_info[:2] <= (3, 13):
        raise SetupFailed(
            f"Parley needs Python 3.11, 3.12 or 3.13, and {sys.executable} is "
            f"{platform.python_version()}. Name another one: make run PYTHON=python3.11"
        )
    if sys.platform == "linux" or purpose == "deploy":
        return
    if sys.platform != "darwin" or purpose == "tests":
        raise SetupFailed("The local cloud and its tests run on Linux only.")
    if not (docker_answers() or homebrew_rabbitmq()):
        raise SetupFailed(
            "On macOS the local cloud needs Docker, or RabbitMQ from Homebrew. Start Docker, or "
            "run: brew install rabbitmq"
        )
    say("Nobody has tried Parley on macOS yet. If something fails here, use Linux or a container.")


def docker_answers() -> bool:
    """Whether Docker's command reaches an engine."""
    if not shutil.which("docker"):
        return False
    asked = ["docker", "version", "--format", "{{.Server.Version}}"]
    return subprocess.run(asked, capture_output=True, timeout=30, check=False).returncode == 0


def homebrew_rabbitmq() -> bool:
    """Whether Homebrew has installed RabbitMQ, on either kind of Mac."""
    return any((prefix / "opt/rabbitmq/sbin/rabbitmq-server").exists() for prefix in HOMEBREW)
