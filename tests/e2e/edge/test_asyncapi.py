"""What others make of the AsyncAPI document: the official parser, and Modelina in three
languages."""

import importlib
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from app import app
from chalicelib.edge.asyncapi import document
from local.node import NODE
from tests.cloud import ROOT

TOOLS = ROOT / ".local/npm/tools"
NEWER = "asyncapi-latest-version"
"""There is AsyncAPI 3.1. Modelina reads documents up to 3.0 only."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("asyncapi")


@pytest.fixture(scope="module")
def found(folder: Path) -> dict[str, Any]:
    assert app
    written = folder / "asyncapi.json"
    written.write_text(json.dumps(document("https://x.example/api", "wss://x.example/socket")))
    script = ROOT / "tests/clients/asyncapi.mjs"
    read: dict[str, Any] = json.loads(node(script, TOOLS.resolve(), written, folder))
    return read


def node(*given: object, cwd: Path | None = None) -> str:
    command = [str(NODE), *map(str, given)]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=300, check=False, cwd=cwd
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_parser_finds_nothing_wrong(found: dict[str, Any]) -> None:
    assert [one for one in found["diagnostics"] if one["code"] != NEWER] == []
    assert all(one["severity"] > 1 for one in found["diagnostics"])  # neither error nor warning


@pytest.mark.parametrize("language", ["typescript", "python", "java"])
def test_every_type_that_modelina_makes_has_a_name(found: dict[str, Any], language: str) -> None:
    models = found["models"][language]

    assert {"MessageSendRequestFrame", "SessionEndedReason"} <= {one["name"] for one in models}
    assert not [one["name"] for one in models if "anonym" in (one["name"] + one["code"]).lower()]


def test_its_typescript_compiles_in_strict_mode(found: dict[str, Any], folder: Path) -> None:
    assert found
    source = folder / "typescript/frames.ts"
    source.write_text((ROOT / "tests/clients/frames.ts").read_text())

    compiler = TOOLS / "node_modules/typescript/bin/tsc"
    node(compiler, "--strict", "--noEmit", "--target", "es2022", source, cwd=folder)


def test_its_python_reads_the_examples(
    found: dict[str, Any], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert found
    (folder / "python/__init__.py").touch()
    monkeypatch.syspath_prepend(str(folder))
    messages = json.loads((folder / "asyncapi.json").read_text())["components"]["messages"]

    for key in ("message.send.request", "error", "session.ended.event", "chat.created.published"):
        name = messages[key]["name"]
        module = importlib.import_module("python." + re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower())
        read = getattr(module, name)(messages[key]["examples"][0]["payload"])
        assert read
    for name in [one for one in sys.modules if one.split(".")[0] == "python"]:
        del sys.modules[name]
