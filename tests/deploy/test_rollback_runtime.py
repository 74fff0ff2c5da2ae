"""What a rollback leaves in moto's account, run as Lambda runs it: the release before, whole."""

import json
import secrets
import shutil
import sys
import urllib.request
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, NamedTuple

import psycopg
import pytest

from bench.function import failure, message
from infra.deploy.commands.rollback import Rollback
from infra.package.bytecode import compile_beside
from infra.package.staging import RECORD, code_digest, staged
from infra.package.zips import Zips, build
from tests.client import PASSWORD
from tests.deploy.aws.account import (
    FUNCTIONS,
    Checkout,
    Operator,
    client,
    configuration,
    copied,
    signed_in,
    stage,
)
from tests.deploy.conftest import Package, Start
from tests.deploy.runtime.callers import Ana, typical_events
from tests.deploy.runtime.function import HANDLERS, HERE, Unpacked, unpack

ROUTE = """

@app.route("/v1/newer")
def newer():
    return {"newer": True}
"""
MIGRATION = "ALTER TABLE users ADD COLUMN newer text NOT NULL DEFAULT 'yes';\n"


class Held(NamedTuple):
    """What the account holds: code and layer as a container has them, and what to call."""

    container: Unpacked
    handlers: dict[str, str]


class Releases(NamedTuple):
    """After the first deploy, after the second, and after the rollback."""

    first: Held
    second: Held
    back: Held


@pytest.fixture(scope="module")
def newer(here: Package, tmp_path_factory: pytest.TempPathFactory) -> Package:
    """The next commit, which has the same requirements: a route in its code, and a migration, which
    is in its layer."""
    folder = tmp_path_factory.mktemp("newer") / "dev"
    shutil.copytree(here.folder, folder, ignore=shutil.ignore_patterns(".chalice"))
    with (folder / "app.py").open("a") as code:
        code.write(ROUTE)
    compile_beside(sys.executable, folder / "app.py", place="/var/task")
    (folder / "vendor" / "infra" / "migrations" / "0099.newer.sql").write_text(MIGRATION)
    about = staged(folder)
    assert about is not None
    changed = replace(about, code=code_digest(folder))
    (folder / RECORD).write_text(json.dumps(asdict(changed)))
    return Package(folder, build(folder))


@pytest.fixture(scope="module")
def releases(
    account: str, here: Package, newer: Package, tmp_path_factory: pytest.TempPathFactory
) -> Releases:
    with copied(account) as own, signed_in(own):
        checkout = Checkout(own, tmp_path_factory.mktemp("checkout"))
        deploy(checkout, here)
        first = held(tmp_path_factory.mktemp("first"))
        deploy(checkout, newer)
        second = held(tmp_path_factory.mktemp("second"))
        Rollback(Operator(checkout).place, ready=lambda *_: "ready").run()
        return Releases(first, second, held(tmp_path_factory.mktemp("back")))


def deploy(checkout: Checkout, given: Package) -> None:
    def copied(folder: Path, **_: Any) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(given.folder, folder)

    of_here = stage(architecture=HERE, python=f"3.{sys.version_info.minor}")
    Operator(checkout, stage=of_here).deploy(package=copied)


def held(folder: Path) -> Held:
    """The zips that Lambda would run, loaded down. All functions must have the same."""
    api = client("lambda")
    locations = {
        (
            api.get_function(FunctionName=each.name)["Code"]["Location"],
            *(layer["Arn"] for layer in configuration(key)["Layers"]),
        )
        for key, each in FUNCTIONS.items()
    }
    ((code, layer),) = locations
    zips = Zips(folder / "code.zip", folder / "layer.zip")
    content = api.get_layer_version_by_arn(Arn=layer)["Content"]["Location"]
    for path, location in ((zips.code, code), (zips.layer, content)):
        with urllib.request.urlopen(location) as opened:
            path.write_bytes(opened.read())
    handlers = {key: configuration(key)["Handler"] for key in FUNCTIONS}
    return Held(unpack(zips, folder / "container"), handlers)


def columns(url: str) -> set[str]:
    query = "SELECT column_name FROM information_schema.columns WHERE table_name = 'users'"
    with psycopg.connect(url) as connection:
        return {name for (name,) in connection.execute(query)}


def test_every_function_answers_as_the_first_release(releases: Releases, start: Start) -> None:
    deployment = start(of=releases.back.container)
    assert releases.back.handlers == releases.first.handlers == HANDLERS

    events = typical_events(Ana(deployment))

    assert {name for name, _ in events.values()} == FUNCTIONS.keys()
    for what, (name, event) in events.items():
        assert failure(deployment.function(name).invoke(event)) is None, what


def test_a_route_of_the_newer_release_is_answered_with_405(
    releases: Releases, start: Start
) -> None:
    second, back = start(of=releases.second.container), start(of=releases.back.container)

    assert second.rest("GET /v1/newer").body == {"newer": True}
    assert back.rest("GET /v1/newer").status == 405
    assert back.rest("GET /v1/ready").status == 200


def test_code_and_layer_are_those_of_the_first_release(releases: Releases) -> None:
    def files(held: Held) -> dict[str, bytes]:
        folders = (held.container.task, held.container.opt)
        paths = (path for folder in folders for path in folder.rglob("*") if path.is_file())
        return {
            str(path.relative_to(held.container.task.parent)): path.read_bytes() for path in paths
        }

    first, second, back = map(files, releases)

    changed = {name for name in first.keys() | second.keys() if first.get(name) != second.get(name)}
    assert any(name.endswith("migrations/0099.newer.sql") for name in changed), "in the layer"
    assert "task/app.py" in changed
    assert back == first


def test_old_code_works_on_the_schema_that_the_newer_release_made(
    releases: Releases, start: Start, empty: dict[str, str]
) -> None:
    first = start(of=releases.first.container, **empty)
    assert first.function("maintain").invoke({"task": "migrate"}) == {"done": True}
    before = Ana(first)
    second = start(of=releases.second.container, **empty)
    assert second.function("maintain").invoke({"task": "migrate"}) == {"done": True}
    between = Ana(second)

    back = start(of=releases.back.container, **empty)
    assert back.function("maintain").invoke({"task": "migrate"}) == {"done": True}
    assert "newer" in columns(empty["POSTGRES_URL"])
    username = f"hal_{secrets.token_hex(5)}"
    back.register(username)
    signed_in = back.rest("POST /v1/auth/login", {"login": username, "password": PASSWORD})
    assert signed_in.status == 200
    before.deployment = between.deployment = back
    chat_id = before.chat_with(between.id)
    socket = before.connect()
    answer = back.ask(socket, "message.send", message(chat_id))
    assert "error" not in answer, json.dumps(answer)
    read = back.rest("GET /v1/users/me", token=between.token)
    assert (read.status, read.body["id"]) == (200, between.id)
