"""`make deploy DRY_RUN=1`."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from infra.deploy import given, stages
from infra.deploy.commands.deploy import Deploy
from infra.deploy.commands.plan import Planned
from infra.deploy.errors import Stopped
from infra.deploy.place import Place
from infra.deploy.project import ROOT, Project
from infra.deploy.stages import Stage
from tests.unit.infra.fakes import StubbedAws, Terminal


def planned(stage: Stage) -> str:
    """No service has a client here: nothing can be called."""
    return "\n".join(Deploy(Place(stage, Terminal(), StubbedAws())).plan())


@pytest.mark.parametrize("name", ["dev", "prod"])
def test_tells_stacks_functions_environment_and_policies(name: str) -> None:
    plan = planned(stages.load(name))

    for each in Project(name).functions:
        assert re.search(rf"{each.name} +{each.memory} MB +{each.timeout} s", plan)
        assert f"/aws/lambda/{each.name}\n" in plan
    for stack in ("network", "data", "watch"):
        assert f"stack parley-{name}-{stack}" in plan
    assert "AWS::AmazonMQ::Broker" in plan
    assert "LOG_LEVEL = INFO" in plan
    assert "EXPORTS_BUCKET = (ExportsBucket)" in plan
    assert "execute-api:ManageConnections" in plan
    assert "push.0, push.1, push.2, push.3" in plan


def test_every_step_says_what_it_would_do() -> None:
    place = Place(stages.load("prod"), Terminal(), StubbedAws())
    steps = Deploy(place).steps

    for step in steps:
        assert all(isinstance(line, str) and line for line in step.plan(Planned(place))), step.name
        assert list(step.plan(Planned(place))), step.name
    titles = re.findall(r"^\[ ?\d+/\d+\] (.+)$", planned(stages.load("prod")), re.MULTILINE)
    assert titles == [step.name for step in steps]


def test_shows_domain_names_throttles_guard_schedules_and_what_a_rollback_needs() -> None:
    prod = tomllib.loads(stages.FILE.read_text())["prod"]
    certificate = "arn:aws:acm:eu-central-1:123456789012:certificate/1234-abcd"
    names = {"http": "api.example.org", "socket": "ws.example.org", "certificate": certificate}
    more = {"account": "123456789012", "domains": names, "alarm_email": "ops@example.org"}

    plan = planned(Stage.model_validate({**prod, **more, "name": "prod"}))

    assert "ISSUER = https://api.example.org" in plan
    assert "api.example.org to (REST API)\n  ws.example.org to (WebSocket API)" in plan
    assert certificate in plan
    assert "1500 requests a second, 2000 at once\n  2500 frames a second, 3000 at once" in plan
    assert "WAF: refuses an address after 20000 requests in five minutes" in plan
    assert "parley-prod-send_mails-event: rate(1 minute)" in plan
    assert "code and layers of 3 deploys" in plan
    assert "alarms go to ops@example.org" in plan
    assert "WAF: none" in planned(stages.load("dev"))


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"watch": {"KeyArn": "x"}}, r"KeyArn of watch\.yaml is not to be chosen"),
        ({"data": {"Nodes": "2"}}, r"data\.yaml has no parameter Nodes"),
        ({"python": "3.11"}, r"python3\.12 or python3\.13"),
    ],
)
def test_refuses_what_the_deploy_would_refuse(changes: dict[str, Any], told: str) -> None:
    dev = tomllib.loads(stages.FILE.read_text())["dev"]

    with pytest.raises(Stopped, match=told):
        planned(Stage.model_validate({**dev, **changes, "name": "dev"}))


def test_a_stage_cannot_set_what_the_deploy_would_overwrite() -> None:
    stage = stages.load("dev")
    planned = Planned(Place(stage, Terminal(), StubbedAws()))

    told = {name for each in given.environments(planned).values() for name in each}

    assert told - stage.settings.keys() <= stages.GIVEN


def test_refuses_a_file_that_is_no_service_account(tmp_path: Path) -> None:
    place = Place(stages.load("dev"), Terminal(), StubbedAws())

    with pytest.raises(Stopped, match="cannot be read"):
        list(Deploy(place, fcm=tmp_path / "none.json").plan())


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
        (["event-consumer", "--stage", "dev", "--name", ""], "must not be empty"),
        (["event-consumer", "--stage", "dev", "--name", "board"], "account is empty"),
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
