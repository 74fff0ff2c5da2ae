"""The templates are valid, described, and without findings of the linters."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from infra.deploy.place import SECRETS
from local.bootstrap import STATE
from local.bootstrap.python import environment
from tests.deploy.aws.cloudformation import Template
from tests.deploy.templates.stacks import (
    DATA,
    GIVEN,
    NETWORK,
    STACKS,
    TEMPLATES,
    WATCH,
    each_template,
)

SCANNER = "tests/deploy/scanner/requirements.txt"
BROKEN = """
Resources:
  Database:
    Type: AWS::RDS::DBInstance
    Properties:
      Engine: postgres
      EngineVersion: "17.66"
      DBInstanceClass: db.t4g.micro
      AllocatedStorage: "20"
      StorageEncrypted: false
"""


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A template that both linters must complain about, or their silence means nothing."""
    path = tmp_path_factory.mktemp("broken") / "broken.yaml"
    path.write_text(BROKEN)
    return path


@pytest.fixture(scope="module")
def scanned(broken: Path) -> dict[str, Any]:
    """What checkov says. It has an environment of its own, since its pins contradict ours."""
    STATE.mkdir(exist_ok=True)
    environment(STATE / "scanner-venv", [SCANNER])
    command = [str(STATE / "scanner-venv/bin/checkov"), "--framework", "cloudformation"]
    command += ["--skip-download", "--output", "json"]
    for path in (*(template.path for template in TEMPLATES), broken):
        command += ["--file", str(path)]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    report: dict[str, Any] = json.loads(found.stdout)
    return report


class TestLinters:
    def test_cfn_lint_finds_nothing(self, broken: Path) -> None:
        command = [str(Path(sys.executable).parent / "cfn-lint"), "--include-checks", "I"]
        command += ["--regions", "us-east-1", "eu-central-1", "--"]
        paths = [*(str(template.path) for template in TEMPLATES), str(broken)]
        found = subprocess.run([*command, *paths], capture_output=True, text=True, check=False)

        assert found.stderr == ""
        assert "'17.66' is not one of" in found.stdout
        places = re.findall(r"^(\S+\.yaml):\d+:\d+$", found.stdout, re.MULTILINE)
        assert set(places) == {str(broken)}, found.stdout

    def test_the_scanner_finds_nothing_that_is_not_explained(self, scanned: dict[str, Any]) -> None:
        failed = {(one["resource"], one["check_id"]) for one in scanned["results"]["failed_checks"]}

        assert ("AWS::RDS::DBInstance.Database", "CKV_AWS_16") in failed
        assert {resource for resource, _ in failed} == {"AWS::RDS::DBInstance.Database"}
        assert scanned["summary"]["parsing_errors"] == 0
        assert scanned["summary"]["passed"] > 60
        assert scanned["summary"]["skipped"] == len(_exceptions())

    def test_every_exception_has_its_reason(self) -> None:
        assert all(len(one["comment"]) > 30 for one in _exceptions())


class TestContract:
    """What the deploy passes from one stack to the next."""

    def test_outputs_are_those_that_the_deploy_reads(self) -> None:
        assert NETWORK.outputs.keys() == {
            "VpcId", "PrivateSubnetIds", "FunctionSecurityGroupId", "ArtifactsBucket", "KeyArn",
            "FirstNatId", "SecondNatId", "ThirdNatId",
        }  # fmt: skip
        assert DATA.outputs.keys() == {
            *SECRETS, "BrokerSecretArn", "BrokerUserSecretArn", "BrokerArn", "BrokerConsoleUrl",
            "BrokerName", "BrokerVersion", "ExportsBucket", "MediaBucket", "PasswordGeneration",
            "PostgresClass", "PostgresId", "PostgresKind", "RedisId", "RedisNodes",
        }  # fmt: skip
        assert WATCH.outputs.keys() == {"DashboardUrl", "AlarmTopicArn"}

    def test_what_has_no_default_comes_from_an_output_or_the_deploy(self) -> None:
        assert _required(NETWORK) == {"Stage"}
        for_watch = {"ArtifactsBucket", "FirstNatId", "SecondNatId", "ThirdNatId"}
        assert _required(DATA) == {"Stage"} | NETWORK.outputs.keys() - for_watch
        known = {"Stage", "WebSocketApiId", "RestApiId", "AccountConcurrency"}
        assert _required(WATCH) <= known | DATA.outputs.keys() | NETWORK.outputs.keys()

    def test_an_output_means_the_same_as_the_parameter_of_its_name(self) -> None:
        assert NETWORK.outputs.keys() & DATA.parameters.keys() == _required(DATA) - {"Stage"}
        assert DATA.outputs.keys() & WATCH.parameters.keys() == {
            "BrokerName", "BrokerVersion", "PostgresClass", "PostgresId", "PostgresKind", "RedisId",
            "RedisNodes",
        }  # fmt: skip

    @each_template
    def test_every_parameter_and_output_is_described(self, template: Template) -> None:
        described = [*template.parameters.values(), *template.outputs.values()]

        assert all(len(one["Description"]) > 7 for one in described)

    @pytest.mark.parametrize("stack", STACKS, ids=lambda one: one.template.name)
    def test_every_choice_can_be_evaluated(self, stack: Any) -> None:
        assert stack.refusals() == []
        assert stack.resources()
        assert all(isinstance(value, str) for value in stack.outputs().values())

    @pytest.mark.parametrize(
        "choice",
        [
            {"BrokerVersion": "4.2"},
            {"BrokerMode": "CLUSTER_MULTI_AZ"},
            {"MessagesKind": "url"},
        ],
    )
    def test_what_cannot_work_is_refused(self, choice: dict[str, object]) -> None:
        assert DATA.with_parameters(**GIVEN["data"], **choice).refusals()


def _exceptions() -> list[dict[str, str]]:
    return [
        exception
        for template in TEMPLATES
        for one in template.resources.values()
        for exception in one.get("Metadata", {}).get("checkov", {}).get("skip", [])
    ]


def _required(template: Template) -> set[str]:
    return {name for name, one in template.parameters.items() if "Default" not in one}
