"""The import rules of pyproject.toml find a module in a wrong place, whatever its name is."""

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
LINT = Path(sys.executable).parent / "lint-imports"
HEADING = re.compile(r"^(.+)\n-+\n", re.MULTILINE)
PACKAGES = ("infra", "local", "tests", "bench", "docs")


@pytest.fixture
def lint(tmp_path: Path) -> Callable[[], dict[str, str]]:
    """Each rule that a copy of the app breaks, with what is wrong. Other packages are empty."""
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    shutil.copytree(
        ROOT / "chalicelib", tmp_path / "chalicelib", ignore=shutil.ignore_patterns("__pycache__")
    )
    for package in PACKAGES:
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").touch()
    shutil.copy(ROOT / "tests/own_stores.py", tmp_path / "tests")

    def run() -> dict[str, str]:
        done = subprocess.run(
            [LINT, "--no-cache"], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.returncode in (0, 1), done.stdout + done.stderr
        _, *found = HEADING.split(done.stdout.partition("Broken contracts\n")[2])
        return dict(zip(found[::2], found[1::2], strict=True))

    return run


def test_the_app_keeps_the_rules(lint: Callable[[], dict[str, str]]) -> None:
    assert lint() == {}


@pytest.mark.parametrize(
    ("module", "code", "broken"),
    [
        ("odd", "", "Downwards only"),
        ("users/odd", "from chalicelib.messages import models", "Downwards only"),
        ("live/odd", "import chalicelib.auth.models", "Downwards only"),
        ("drivers/odd", "from chalicelib.config import Settings", "Downwards only"),
        (
            "users/odd",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n"
            "    from chalicelib.messages.models.chats import Chat",
            "Downwards only",
        ),
        ("messages/odd", "def f():\n    from chalicelib.deps import deps", "Downwards only"),
        ("notify/odd", "import chalicelib.oauth.metadata", "Downwards only"),
        ("admin/odd", "import chalicelib.users.profile_store", "A feature keeps its store"),
        ("notify/routes", "import chalicelib.messages.store", "A feature keeps its store"),
        ("notify/odd", "from chalicelib.messages import routes", "Only app imports"),
        ("messages/odd", "from chalicelib.messages.actions import ACTIONS", "Only app imports"),
        ("messages/odd", "import chalice", "Chalice"),
        ("messages/odd", "from local import keys", "What is packaged"),
    ],
)
def test_a_module_in_a_wrong_place_is_found(
    lint: Callable[[], dict[str, str]], tmp_path: Path, module: str, code: str, broken: str
) -> None:
    path = tmp_path / "chalicelib" / f"{module}.py"
    path.write_text(f"{code}\n" if not path.exists() else f"{path.read_text()}\n{code}\n")
    (tmp_path / "local" / "keys.py").touch()

    found = "".join(text for rule, text in lint().items() if broken in rule)

    assert re.search(rf"\b{module.replace('/', '.')}\b", found)


def test_two_parts_of_a_feature_that_import_each_other_are_found(
    lint: Callable[[], dict[str, str]], tmp_path: Path
) -> None:
    for here, there in (("odd", "even"), ("even", "odd")):
        path = tmp_path / "chalicelib/messages" / f"{here}.py"
        path.write_text(f"from chalicelib.messages import {there}\n")

    circles = lint()["No circles"]

    assert ".odd -> .even" in circles or ".even -> .odd" in circles
