"""`make deploy DRY_RUN=1`."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from infra.deploy import stages
from infra.deploy.place import Place
from infra.deploy.plan import lines
from infra.deploy.project import ROOT
from tests.unit.infra.fakes import StubbedAws, Terminal


@pytest.mark.parametrize("name", ["dev", "prod"])
def test_tells_stacks_functions_environment_and_policies(name: str) -> None:
    place = Place(stages.load(name), Terminal(), StubbedAws())  # no client: nothing can be called

    plan = "\n".join(lines(place))

    for each in place.project.functions:
        assert re.search(rf"{each.name} +{each.memory} MB +{each.timeout} s", plan)
    for stack in ("network", "data", "watch"):
        assert f"Stack parley-{name}-{stack}" in plan
    assert "AWS::AmazonMQ::Broker" in plan
    assert "LOG_LEVEL = INFO" in plan
    assert "execute-api:ManageConnections" in plan
    assert "push.0, push.1, push.2, push.3" in plan


def test_needs_no_credentials_and_no_network(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "infra.deploy", "deploy", "--stage", "dev", "--dry-run"],
        cwd=ROOT,
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "https_proxy": "http://127.0.0.1:1",
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )

    assert "Plan for dev" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["deploy", "--stage", "mars"], "no stage 'mars'"),
        (["deploy", "--stage", "dev"], r"dev\.account is empty"),
        (["redrive", "--stage", "dev", "--limit", "0"], "must be positive"),
        (["grant", "--stage", "dev", "--username", "", "--role", "admin"], "must not be empty"),
        (["grant", "--stage", "dev", "--username", "ana", "--role", "user"], "invalid choice"),
        (["grant", "--stage", "dev", "--username", "ana", "--role", "admin"], "account is empty"),
        (["oauth-client", "--stage", "dev", "--name", "", "--scopes", "x"], "must not be empty"),
        (["oauth-client", "--stage", "dev", "--name", "x", "--scopes", "x"], "account is empty"),
    ],
)
def test_a_mistake_ends_in_a_sentence(arguments: list[str], told: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "infra.deploy", *arguments],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode != 0
    assert re.search(told, done.stderr)
    assert "Traceback" not in done.stderr
