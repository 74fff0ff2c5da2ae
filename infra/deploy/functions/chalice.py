"""Runs Chalice on a packaged project, in its own process."""

import json
import os
import subprocess
import sys
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

from infra.deploy.errors import Stopped
from infra.deploy.project import ROOT
from infra.package import ISSUER, NotInstalled, TargetRefused, stage
from infra.package.bytecode import NotCompiled

COMMAND = [sys.executable, "-m", "infra.package.chalice"]
_TOLD = ("Creating", "Updating", "Deleting")
_DONE = "Resources deployed:"


def package(folder: Path, *, architecture: str, python: str) -> None:
    """Fill a folder with the project and all that it depends on. Raises Stopped."""
    try:
        stage(folder, architecture=architecture, python=python)
    except (TargetRefused, NotInstalled, NotCompiled) as problem:
        raise Stopped(str(problem)) from None


def deploy(
    folder: Path,
    stage: str,
    region: str,
    issuer: str,
    *,
    progress: Callable[[str], None],
    log: Path,
    command: list[str] = COMMAND,
) -> None:
    """Bring functions, roles, schedules and APIs up to date. Raises Stopped with the last lines."""
    environment = {
        **os.environ,
        "AWS_DEFAULT_REGION": region,
        "AWS_REGION": region,
        ISSUER: issuer,
        "PYTHONPATH": str(ROOT),
        "PYTHONUNBUFFERED": "1",
    }
    last: deque[str] = deque(maxlen=8)
    done = False
    log.parent.mkdir(parents=True, exist_ok=True)
    with (
        log.open("w") as kept,
        subprocess.Popen(
            [*command, "deploy", "--stage", stage, "--connection-timeout", "300"],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process,
    ):
        assert process.stdout is not None
        try:
            for line in process.stdout:
                kept.write(line)
                if line := line.strip():
                    last.append(line)
                done = done or line == _DONE
                if line.startswith(_TOLD):
                    progress(line)
        except BaseException:
            process.terminate()  # it must not continue after the lock is released
            process.wait(30)
            raise
    if process.returncode or not done:
        lines = "\n".join(f"    {line}" for line in last)
        raise Stopped(f"Chalice could not deploy the functions:\n{lines}\n  All of it is in {log}.")


def deployed(folder: Path, stage: str) -> dict[str, Any]:
    """Chalice's list of what it deployed."""
    return dict(json.loads(_list(folder, stage).read_text()))


def keep(folder: Path, stage: str, resources: dict[str, Any]) -> None:
    """Give Chalice the list of deployed resources, without the layer: Chalice would delete the
    version that it knows, and a rollback needs it."""
    others = [e for e in resources["resources"] if e["resource_type"] != "lambda_layer"]
    _list(folder, stage).parent.mkdir(parents=True, exist_ok=True)
    _list(folder, stage).write_text(json.dumps({**resources, "resources": others}))


def _list(folder: Path, stage: str) -> Path:
    return folder / ".chalice" / "deployed" / f"{stage}.json"
