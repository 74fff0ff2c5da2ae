"""Linters find nothing in the OpenAPI document, and clients with types made from it work."""

import json
import os
import subprocess
import sys
import uuid
from pathlib import Path

import httpx
import pytest

from docs.generators.reference import REDOCLY
from local.bootstrap import STATE
from local.node import NODE
from tests.cloud import ROOT, Cloud

TOOLS = STATE / "npm/tools/node_modules"
CLIENTS = STATE / "clients-venv/bin"
PROGRAMS = ROOT / "tests/clients/typed"
SECONDS = 180
QUIET = {"REDOCLY_TELEMETRY": "off", "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true"}


@pytest.fixture(scope="module")
def document(cloud: Cloud, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The document as it is served."""
    path = tmp_path_factory.mktemp("document") / "openapi.json"
    path.write_bytes(httpx.get(f"{cloud.http_url}/v1/openapi.json").content)
    return path


def done(*command: str | Path, cwd: Path = ROOT, **environment: str) -> str:
    """What a command prints. Fails with all of that if the command does."""
    found = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env={**os.environ, **QUIET, **environment},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert found.returncode == 0, found.stdout + found.stderr
    return found.stdout


def node(package: str, script: str, *arguments: str | Path, cwd: Path = ROOT) -> str:
    return done(NODE, TOOLS / package / script, *arguments, cwd=cwd)


def names() -> tuple[str, str]:
    """Two usernames that nobody has."""
    unique = uuid.uuid4().hex[:12]
    return f"ana_{unique}", f"bo_{unique}"


def test_spectral_finds_nothing(document: Path) -> None:
    rules = ROOT / "docs/tools/spectral.yaml"

    node("@stoplight/spectral-cli", "dist/index.js", "lint", "-r", rules, "-F", "hint", document)


def test_redocly_finds_nothing(document: Path) -> None:
    rules = ROOT / "docs/tools/redocly.yaml"

    done(NODE, REDOCLY / "bin/cli.js", "lint", "--config", rules, document)


def test_linters_find_what_is_missing(document: Path, tmp_path: Path) -> None:
    poor = json.loads(document.read_text())
    del poor["paths"]["/v1/auth/login"]["post"]["summary"]
    (tmp_path / "openapi.json").write_text(json.dumps(poor))

    with pytest.raises(AssertionError, match="operation-summary"):
        test_redocly_finds_nothing(tmp_path / "openapi.json")


def test_a_client_in_typescript_compiles_and_chats(
    cloud: Cloud, document: Path, tmp_path: Path
) -> None:
    for program in PROGRAMS.iterdir():
        (tmp_path / program.name).symlink_to(program)
    (tmp_path / "node_modules").symlink_to(TOOLS)
    (tmp_path / "package.json").write_text('{"type": "module"}')
    node("openapi-typescript", "bin/cli.js", document, "-o", tmp_path / "api.d.ts")
    node("typescript", "bin/tsc", "--preserveSymlinks", "-p", tmp_path, cwd=tmp_path)

    seen = done(NODE, tmp_path / "made/chat.js", cloud.http_url, *names())

    assert json.loads(seen) == {
        "code": "invalid_credentials",
        "edited": None,
        "texts": ["Hello from TypeScript"],
        "chats": [2],
    }


def test_a_client_in_python_is_typed_and_chats(
    cloud: Cloud, document: Path, tmp_path: Path
) -> None:
    (tmp_path / "config.yaml").write_text(
        "project_name_override: parley-client\npackage_name_override: parley_client\npost_hooks: []"
    )
    made = tmp_path / "parley_client"
    done(
        *(CLIENTS / "openapi-python-client", "generate", "--path", document, "--meta", "none"),
        *("--config", tmp_path / "config.yaml", "--output-path", made, "--fail-on-warning"),
    )
    program = PROGRAMS / "chat.py"
    checked = ("--strict", "--python-executable", CLIENTS / "python", "--cache-dir", tmp_path / "c")
    done(sys.executable, "-m", "mypy", *checked, program, cwd=tmp_path)

    seen = done(CLIENTS / "python", program, cloud.http_url, *names(), PYTHONPATH=str(tmp_path))

    assert json.loads(seen) == {
        "code": "invalid_credentials",
        "edited": None,
        "texts": ["Hello from Python"],
        "chats": [2],
    }
