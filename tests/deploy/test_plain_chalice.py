"""The manual's lines for plain pip and plain Chalice work as they are printed (half a minute)."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from infra.deploy.project import ROOT
from infra.package.dependencies import pins

(BLOCK,) = re.findall(
    r"^```sh\n(export PIP_NO_DEPS.*?)^```$",
    (ROOT / "docs/operations.md").read_text(),
    re.M | re.DOTALL,
)
ENVIRONMENT, INSTALL, PACKAGE = (line.partition("#")[0].strip() for line in BLOCK.splitlines())


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """What Git has of the app, and nothing that our own commands make."""
    for name in ("app.py", "chalicelib", ".chalice", "requirements.txt"):
        copied = tmp_path / name
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, copied, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copyfile(ROOT / name, copied)
    return tmp_path


def shell(line: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a line with the manual's variables and this environment's programs."""
    programs = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return subprocess.run(
        ["sh", "-ec", f"{ENVIRONMENT}\n{line}"],
        cwd=folder,
        env={**kept, "PATH": programs},
        capture_output=True,
        text=True,
        check=False,
    )


def test_pip_finds_every_requirement_and_asks_for_nothing_else(checkout: Path) -> None:
    assert INSTALL == "pip install -r requirements.txt"
    done = shell(f"python -m {INSTALL} --dry-run --ignore-installed --quiet --report=-", checkout)

    assert done.returncode == 0, done.stderr
    found = {one["metadata"]["name"] for one in json.loads(done.stdout)["install"]}
    wanted = pins(checkout / "requirements.txt").keys()
    assert {_normal(name) for name in found} == {_normal(name) for name in wanted}


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_chalice_packages_the_functions_with_their_libraries(checkout: Path) -> None:
    done = shell(PACKAGE, checkout)

    assert done.returncode == 0, done.stdout + done.stderr
    assert {path.name for path in (checkout / "out").iterdir()} == {
        "deployment.zip",
        "layer-deployment.zip",
        "sam.json",
    }
    assert (checkout / "out/layer-deployment.zip").stat().st_size < 50_000_000  # Lambda's limit
