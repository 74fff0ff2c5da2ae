"""Stacks: the exact calls, what is confirmed first, and the messages about failures."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from botocore.stub import ANY

from infra.deploy.cloudformation.stacks import BODY_BYTES, Stack
from infra.deploy.cloudformation.template import Template
from infra.deploy.errors import Stopped
from tests.unit.infra.fakes import StubbedAws, Terminal

NAME = "parley-dev-data"
NOW = datetime(2026, 1, 1, tzinfo=UTC)
ID = f"arn:aws:cloudformation:eu-central-1:123456789012:stack/{NAME}/1"
CHANGES = {"ChangeSetName": ID, "StackName": NAME}
GONE = f"Stack with id {NAME} does not exist"
ADD = {"Action": "Add", "LogicalResourceId": "Vpc", "ResourceType": "AWS::EC2::VPC"}


def template(tmp_path: Path, text: str = "Resources: {Vpc: {Type: AWS::EC2::VPC}}\n") -> Template:
    path = tmp_path / "data.yaml"
    path.write_text(text)
    return Template.read(path)


class Cloud:
    """CloudFormation with one stack, which does what a test says next."""

    def __init__(self, *answers: str, protected: bool = False) -> None:
        self.aws = StubbedAws("cloudformation")
        self.stub = self.aws.stubs["cloudformation"]
        self.terminal = Terminal(*answers)
        self.stack = Stack(self.aws, self.terminal, NAME, protected=protected)

    def is_(self, status: str, *, protected: bool = False, times: int = 1) -> None:
        """What the next looks at the stack find; nothing where the status is empty."""
        for _ in range(times):
            if not status:
                self.stub.add_client_error("describe_stacks", "ValidationError", GONE)
                continue
            found = {
                "StackId": ID,
                "StackName": NAME,
                "CreationTime": NOW,
                "StackStatus": status,
                "EnableTerminationProtection": protected,
            }
            self.stub.add_response("describe_stacks", {"Stacks": [found]})

    def proposes(self, kind: str, *changes: dict[str, Any], reason: str = "") -> None:
        """A change set is made; with a reason, it fails for that."""
        expected = {
            "StackName": NAME,
            "ChangeSetName": ANY,
            "ChangeSetType": kind,
            "Parameters": [{"ParameterKey": "Stage", "ParameterValue": "dev"}],
            "Tags": [{"Key": "parley:stage", "Value": "dev"}],
            "Capabilities": [],
            "TemplateBody": ANY,
        }
        self.stub.add_response("create_change_set", {"Id": ID, "StackId": ID}, expected)
        self.stub.add_response("describe_change_set", {"Status": "CREATE_IN_PROGRESS"}, CHANGES)
        answer: dict[str, Any] = {
            "Status": "FAILED" if reason else "CREATE_COMPLETE",
            "Changes": [{"Type": "Resource", "ResourceChange": each} for each in changes],
        }
        if reason:
            answer["StatusReason"] = reason
        self.stub.add_response("describe_change_set", answer, CHANGES)
        if reason:
            self.stub.add_response("delete_change_set", {}, CHANGES)

    def tells(self, *events: tuple[str, str, str], to: str = NAME) -> None:
        """Events, oldest first: what, its status, why."""
        told = [
            {
                "StackId": ID,
                "StackName": NAME,
                "EventId": f"{number}",
                "Timestamp": NOW,
                "LogicalResourceId": name,
                "ResourceType": "AWS::EC2::VPC",
                "ResourceStatus": status,
                "ResourceStatusReason": why,
            }
            for number, (name, status, why) in enumerate(events)
        ]
        self.stub.add_response(
            "describe_stack_events", {"StackEvents": told[::-1]}, {"StackName": to}
        )

    def executes(self, ends: str, *events: tuple[str, str, str]) -> None:
        self.tells()
        self.stub.add_response("execute_change_set", {}, CHANGES)
        self.tells(*events)
        self.is_(ends, times=2)

    def apply(self, tmp_path: Path) -> str:
        outcome = self.stack.apply(
            template(tmp_path), {"Stage": "dev"}, tags={"parley:stage": "dev"}
        )
        self.aws.done()
        return outcome


class TestApply:
    def test_a_new_stack_is_created_and_shown(self, tmp_path: Path) -> None:
        cloud = Cloud()
        cloud.is_("")
        cloud.proposes("CREATE", ADD)
        cloud.executes("CREATE_COMPLETE", ("Vpc", "CREATE_IN_PROGRESS", ""))
        cloud.is_("CREATE_COMPLETE")

        assert cloud.apply(tmp_path) == "created"
        assert "add Vpc (AWS::EC2::VPC)" in cloud.terminal.printed
        assert "0 of 1 resources done, working on Vpc" in cloud.terminal.printed
        assert cloud.terminal.questions == []

    @pytest.mark.parametrize(
        "reason",
        [
            "The submitted information didn't contain changes. Submit different information.",
            "No updates are to be performed.",
        ],
    )
    def test_nothing_to_change_is_fine(self, tmp_path: Path, reason: str) -> None:
        cloud = Cloud()
        cloud.is_("UPDATE_COMPLETE")
        cloud.proposes("UPDATE", reason=reason)
        cloud.is_("UPDATE_COMPLETE")

        assert cloud.apply(tmp_path) == "unchanged"

    @pytest.mark.parametrize(
        ("change", "told"),
        [
            ({"Action": "Remove"}, "would be removed"),
            ({"Action": "Modify", "Replacement": "True"}, "would be replaced"),
            ({"Action": "Modify", "Replacement": "Conditional"}, "would perhaps be replaced"),
        ],
    )
    def test_asks_before_anything_is_lost(
        self, tmp_path: Path, change: dict[str, str], told: str
    ) -> None:
        lost = {"LogicalResourceId": "Db", "ResourceType": "AWS::RDS::DBInstance", **change}
        cloud = Cloud("yes")
        cloud.is_("CREATE_COMPLETE")
        cloud.proposes("UPDATE", lost, ADD)

        with pytest.raises(Stopped, match="Not confirmed"):
            cloud.apply(tmp_path)

        cloud.aws.done()
        assert told in cloud.terminal.printed
        assert "Db (AWS::RDS::DBInstance)" in cloud.terminal.printed

    def test_goes_on_once_it_was_told_to(self, tmp_path: Path) -> None:
        lost = {"Action": "Remove", "LogicalResourceId": "Db", "ResourceType": "T"}
        cloud = Cloud("replace")
        cloud.is_("CREATE_COMPLETE")
        cloud.proposes("UPDATE", lost)
        cloud.executes("UPDATE_COMPLETE")
        cloud.is_("UPDATE_COMPLETE")

        assert cloud.apply(tmp_path) == "changed"

    def test_changes_in_place_are_not_asked_about(self, tmp_path: Path) -> None:
        change = {**ADD, "Action": "Modify", "Replacement": "False"}
        cloud = Cloud()
        cloud.is_("CREATE_COMPLETE")
        cloud.proposes("UPDATE", change)
        cloud.executes("UPDATE_COMPLETE")
        cloud.is_("UPDATE_COMPLETE")

        assert cloud.apply(tmp_path) == "changed"

    def test_a_failure_names_the_resource_that_failed_first(self, tmp_path: Path) -> None:
        cloud = Cloud()
        cloud.is_("")
        cloud.proposes("CREATE", ADD)
        cloud.executes(
            "ROLLBACK_COMPLETE",
            ("Vpc", "CREATE_FAILED", "The maximum number of VPCs has been reached."),
            ("Subnet", "CREATE_FAILED", "Resource creation cancelled"),
            (NAME, "ROLLBACK_IN_PROGRESS", "The following resource(s) failed to create: [Vpc]."),
        )

        with pytest.raises(
            Stopped, match=r"ROLLBACK_COMPLETE\. First failure: Vpc .*maximum number of VPCs"
        ):
            cloud.apply(tmp_path)

    def test_what_is_left_of_a_failed_first_try_goes_away_first(self, tmp_path: Path) -> None:
        cloud = Cloud()
        cloud.is_("ROLLBACK_COMPLETE", times=2)
        cloud.tells()
        cloud.stub.add_response("delete_stack", {}, {"StackName": ID})
        cloud.tells(to=ID)
        cloud.is_("DELETE_COMPLETE", times=2)
        cloud.proposes("CREATE", ADD)
        cloud.executes("CREATE_COMPLETE")
        cloud.is_("CREATE_COMPLETE")

        assert cloud.apply(tmp_path) == "created"

    def test_waits_for_what_was_under_way_before(self, tmp_path: Path) -> None:
        cloud = Cloud()
        cloud.is_("UPDATE_IN_PROGRESS", times=2)
        cloud.is_("UPDATE_COMPLETE", times=2)
        cloud.proposes("UPDATE", reason="No updates are to be performed.")
        cloud.is_("UPDATE_COMPLETE")

        assert cloud.apply(tmp_path) == "unchanged"

    @pytest.mark.parametrize(
        ("status", "told"),
        [
            ("UPDATE_ROLLBACK_FAILED", "continue-update-rollback --stack-name parley-dev-data"),
            ("DELETE_FAILED", "make destroy"),
            ("ROLLBACK_FAILED", "CloudFormation console"),
        ],
    )
    def test_a_stack_that_cannot_be_changed_is_reported_with_the_way_out(
        self, tmp_path: Path, status: str, told: str
    ) -> None:
        cloud = Cloud()
        cloud.is_(status)

        with pytest.raises(Stopped, match=told):
            cloud.apply(tmp_path)

    @pytest.mark.parametrize("protected", [True, False])
    def test_protection_follows_the_stage(self, tmp_path: Path, protected: bool) -> None:
        cloud = Cloud(protected=protected)
        cloud.is_("CREATE_COMPLETE")
        cloud.proposes("UPDATE", reason="No updates are to be performed.")
        cloud.is_("CREATE_COMPLETE", protected=not protected)
        cloud.stub.add_response(
            "update_termination_protection",
            {"StackId": ID},
            {"StackName": NAME, "EnableTerminationProtection": protected},
        )

        assert cloud.apply(tmp_path) == "unchanged"

    def test_a_refused_template_is_reported(self, tmp_path: Path) -> None:
        cloud = Cloud()
        cloud.is_("CREATE_COMPLETE")
        cloud.proposes("UPDATE", reason="Resource Vpc has no property Foo")

        with pytest.raises(Stopped, match=r"refuses data\.yaml: Resource Vpc has no property Foo"):
            cloud.apply(tmp_path)

    def test_a_long_template_goes_by_way_of_the_bucket(self, tmp_path: Path) -> None:
        long = "# " + "x" * BODY_BYTES + "\nResources: {Vpc: {Type: AWS::EC2::VPC}}\n"
        uploaded: list[str] = []
        cloud = Cloud()
        cloud.is_("CREATE_COMPLETE")
        cloud.stub.add_client_error(
            "create_change_set",
            service_message="No updates are to be performed.",
            expected_params={
                "StackName": NAME,
                "ChangeSetName": ANY,
                "ChangeSetType": "UPDATE",
                "Parameters": [],
                "Tags": [],
                "Capabilities": [],
                "TemplateURL": "https://bucket/data.yaml",
            },
        )
        cloud.is_("CREATE_COMPLETE")

        def upload(name: str, text: str) -> str:
            uploaded.append(text)
            return f"https://bucket/{name}"

        assert (
            cloud.stack.apply(template(tmp_path, long), {}, tags={}, upload=upload) == "unchanged"
        )
        assert uploaded == [long]
        cloud.aws.done()


class TestDelete:
    def test_what_is_not_there_is_fine(self) -> None:
        cloud = Cloud()
        cloud.is_("")

        assert cloud.stack.delete() == "not there"

    def test_a_failure_names_what_could_not_be_deleted(self) -> None:
        cloud = Cloud()
        cloud.is_("CREATE_COMPLETE")
        cloud.tells()
        cloud.stub.add_response("delete_stack", {}, {"StackName": ID})
        cloud.tells(("Subnet", "DELETE_FAILED", "has dependencies"), to=ID)
        cloud.is_("DELETE_FAILED", times=2)

        with pytest.raises(Stopped, match=r"DELETE_FAILED\. First failure: Subnet .*dependencies"):
            cloud.stack.delete()
