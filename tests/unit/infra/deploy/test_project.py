""".chalice/ holds what docs/functions.md says, and allows no more than it must."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from app import app
from infra.deploy.errors import Stopped
from infra.deploy.place import SECRETS
from infra.deploy.project import ROOT, Project
from infra.deploy.stages import SECRET

DEV, PROD = Project("dev"), Project("prod")
DOCUMENT = (ROOT / "docs" / "functions.md").read_text()
POLICIES = sorted((ROOT / ".chalice").glob("policy-*.json"))
POSTING = {
    "api_handler", "websocket_connect", "websocket_message", "websocket_disconnect",
    "redeliver_pending",
}  # fmt: skip
PUBLISHING = {"api_handler", "websocket_message", "notify", "redeliver_pending", "push_overdue"}
USERS = {
    "SettingsSecretArn": {each.key for each in DEV.functions},
    "PublishSecretArn": PUBLISHING | {"maintain"},
    "JwtSecretArn": {"api_handler"},
    "JwtPublicSecretArn": {"websocket_connect"},
    "FcmSecretArn": {"api_handler", "notify"},
    "AdminSecretArn": {"maintain"},
    "BrokerAdminSecretArn": {"maintain"},
}
"""Which functions read which secret, and no other."""


def listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def statements(path: Path) -> list[dict[str, Any]]:
    return list(json.loads(path.read_text())["Statement"])


def blanks() -> set[str]:
    """All blanks of the policies."""
    return {each for path in POLICIES for each in re.findall(r"\$\{(\w+)\}", path.read_text())}


def rows(first: str) -> list[list[str]]:
    """The rows of the table in the document whose head begins like this."""
    table = DOCUMENT[DOCUMENT.index(f"| {first} |") :].split("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in table]


def test_every_function_of_the_app_is_configured_and_no_other() -> None:
    lambdas = {each.name for each in app.pure_lambda_functions}
    schedules = {each.name for each in app.event_sources}
    sockets = {"websocket_connect", "websocket_message", "websocket_disconnect"}

    for project in (DEV, PROD):
        configured = {each.key for each in project.functions}
        assert configured == {"api_handler", *sockets, *lambdas, *schedules}


def test_the_document_tells_what_the_configuration_says() -> None:
    told = {row[0].strip("`"): row[1:5] for row in rows("function")}

    assert told == {
        dev.key: [str(dev.memory), str(dev.timeout)]
        + ["-" if each.concurrency is None else str(each.concurrency) for each in (dev, prod)]
        for dev, prod in zip(DEV.functions, PROD.functions, strict=True)
    }
    shares = [sum(each.concurrency or 0 for each in one.functions) for one in (DEV, PROD)]
    assert "`dev` reserves {}, `prod` {}".format(*shares) in " ".join(DOCUMENT.split())


def test_the_document_tells_which_function_has_which_policy() -> None:
    told = {row[0].strip("`"): set(re.findall(r"`(\w+)`", row[1])) for row in rows("policy")}

    for project in (DEV, PROD):
        for policy, functions in told.items():
            assert {each.key for each in project.functions if each.policy == policy} == functions
    assert told.keys() == {path.name for path in POLICIES}


@pytest.mark.parametrize("path", POLICIES, ids=lambda path: path.stem)
class TestPolicy:
    def test_allows_no_action_by_a_wildcard(self, path: Path) -> None:
        actions = [action for each in statements(path) for action in listed(each["Action"])]

        assert actions
        assert not any("*" in action for action in actions)

    def test_every_resource_that_is_anything_is_explained(self, path: Path) -> None:
        told = {row[0].strip("`"): re.findall(r"`([\w:]+)`", row[1]) for row in rows("statement")}

        for each in statements(path):
            if "*" in listed(each["Resource"]):
                assert told[each["Sid"]] == listed(each["Action"])

    def test_names_each_resource_in_full_but_for_streams_and_connections(self, path: Path) -> None:
        for each in statements(path):
            for resource in listed(each["Resource"]):
                assert resource == "*" or "*" not in resource.removesuffix(":*").removesuffix("/*")

    def test_reads_only_its_own_log_group_and_the_secrets(self, path: Path) -> None:
        by_sid = {each["Sid"]: each for each in statements(path)}

        assert by_sid["OwnLogs"]["Resource"].endswith("log-group:/aws/lambda/${FUNCTION}:*")
        allowed = [
            resource
            for each in by_sid.values()
            if "secretsmanager:GetSecretValue" in listed(each["Action"])
            for resource in listed(each["Resource"])
        ]
        of_trigger = ["${BrokerUserSecretArn}"] if path.stem == "policy-notify" else []
        assert sorted(allowed) == sorted([*by_sid["OurSecrets"]["Resource"], *of_trigger])
        assert by_sid["DecryptSecrets"]["Condition"]["StringEquals"].keys() == {"kms:ViaService"}


def test_each_function_reads_only_the_secrets_that_it_uses() -> None:
    for project in (DEV, PROD):
        for secret, functions in USERS.items():
            readers = {each.key for each in project.functions if secret in project.secrets(each)}
            assert readers == functions, secret
    assert USERS.keys() == SECRETS.keys()


def test_mail_is_sent_as_our_own_identity_and_from_our_own_address() -> None:
    (statement,) = (
        each
        for each in statements(ROOT / ".chalice" / "policy-mail.json")
        if "ses:SendEmail" in listed(each["Action"])
    )

    identities = [each for each in statement["Resource"] if ":identity/" in each]
    assert [each.rpartition("/")[2] for each in identities] == ["${MAIL_FROM}", "${MAIL_DOMAIN}"]
    assert statement["Condition"] == {"StringEquals": {"ses:FromAddress": "${MAIL_FROM}"}}


def test_every_secret_setting_is_in_one_secret() -> None:
    assert sorted(setting for held in SECRETS.values() for setting in held) == sorted(SECRET)


@pytest.mark.parametrize(("project", "connections"), [(DEV, 80), (PROD, 850)])
def test_functions_of_before_and_after_a_deploy_fit_into_postgresql_together(
    project: Project, connections: int
) -> None:
    """Numbers of connections as infra/stages.toml tells them for the class of each stage."""
    reserved = {each.key: each.concurrency for each in project.functions}

    assert [key for key, share in reserved.items() if share is None] == ["maintain"]
    assert 2 * sum(share or 0 for share in reserved.values()) < connections


def test_only_functions_that_post_may_post_and_only_to_our_api() -> None:
    for function in PROD.functions:
        found = [
            resource
            for each in PROD.policy(function)["Statement"]
            if "execute-api:ManageConnections" in listed(each["Action"])
            for resource in each["Resource"]
        ]
        assert bool(found) == (function.key in POSTING), function.key
        assert all("${WEBSOCKET_API_ID}/api/" in resource for resource in found)


class TestFill:
    @pytest.fixture
    def filled(self, tmp_path: Path) -> Path:
        DEV.fill(
            tmp_path,
            values={blank: f"<{blank}>" for blank in blanks() - {"FUNCTION"}},
            environments={each.key: {"SECRETS": each.key} for each in DEV.functions},
            architecture="arm64",
            subnet_ids=["subnet-1", "subnet-2"],
            security_group_ids=["sg-1"],
        )
        return tmp_path / ".chalice"

    def test_leaves_no_blank(self, filled: Path) -> None:
        policies = list(filled.glob("policy-*.json"))

        assert len(policies) == len(DEV.functions)
        for path in policies:
            assert "${" not in path.read_text()
            json.loads(path.read_text())

    def test_gives_each_function_its_own_policy_and_the_stage_its_place(self, filled: Path) -> None:
        config = json.loads((filled / "config.json").read_text())

        assert config["stages"].keys() == {"dev"}
        stage = config["stages"]["dev"]
        assert stage["subnet_ids"] == ["subnet-1", "subnet-2"]
        assert stage["security_group_ids"] == ["sg-1"]
        assert stage["lambda_architecture"] == "arm64"
        for key, given in stage["lambda_functions"].items():
            assert given["iam_policy_file"] == f"policy-{key}.json"
            assert given["environment_variables"] == {"SECRETS": key}
        notify = (filled / "policy-notify.json").read_text()
        assert "/aws/lambda/parley-dev-notify:*" in notify

    def test_a_value_cannot_become_more_than_a_value(self) -> None:
        values = {blank: f"<{blank}>" for blank in blanks()} | {"MAIL_FROM": '", "x": "${KeyArn}'}
        policy = json.loads(DEV.filled_policy(DEV.function("send_mails"), values))

        sending = policy["Statement"][-1]
        assert sending["Condition"]["StringEquals"] == {"ses:FromAddress": '", "x": "${KeyArn}'}

    def test_a_placeholder_that_nothing_fills_in_is_reported(self, tmp_path: Path) -> None:
        with pytest.raises(Stopped, match="nothing fills in"):
            DEV.fill(
                tmp_path,
                values={},
                environments={},
                architecture="arm64",
                subnet_ids=[],
                security_group_ids=[],
            )


def test_a_stage_without_functions_is_reported() -> None:
    with pytest.raises(Stopped, match="no stage 'staging'"):
        Project("staging")
