"""What keeps data is protected, and only what should be reached can be."""

from itertools import chain
from typing import Any

from infra.deploy import stages
from tests.deploy.aws.cloudformation import Template
from tests.deploy.templates.stacks import (
    DATA,
    GIVEN,
    NETWORK,
    STACKS,
    TEMPLATES,
    WATCHED,
    each_template,
)


class TestState:
    HOLDS_STATE = (
        "::Secret", "::DBInstance", "::DBCluster", "::ReplicationGroup", "::Broker", "::Bucket",
        "::LogGroup", "KMS::Key",
    )  # fmt: skip

    @each_template
    def test_what_holds_state_says_what_becomes_of_it(self, template: Template) -> None:
        for name, one in template.resources.items():
            if one["Type"].endswith(self.HOLDS_STATE):
                assert {"DeletionPolicy", "UpdateReplacePolicy"} <= one.keys(), name

    def test_nothing_that_cannot_be_made_again_is_deleted_with_its_stack(self) -> None:
        kept = {
            name: one["DeletionPolicy"]
            for name, one in chain(*(template.resources.items() for template in TEMPLATES))
            if one.get("DeletionPolicy", "Delete") != "Delete"
        }

        assert kept == {
            "Key": "Retain",
            "Artifacts": "Retain",
            "Exports": "Retain",
            "Media": "Retain",
            "PostgresInstance": "Snapshot",
            "PostgresCluster": "Snapshot",
        }

    @each_template
    def test_everything_that_can_be_tagged_is(self, template: Template) -> None:
        untagged = {
            "Alarm", "Alias", "VPCGatewayAttachment", "Route", "SubnetRouteTableAssociation",
            "BucketPolicy", "SecurityGroupIngress", "SecurityGroupEgress", "TopicPolicy",
            "Subscription", "Dashboard", "VPCEndpoint", "WebACLAssociation",
        }  # fmt: skip
        for name, one in template.resources.items():
            if one["Type"].rpartition("::")[2] not in untagged:
                tags = {tag["Key"] for tag in one["Properties"]["Tags"]}
                assert "stage" in tags, name


class TestDoors:
    def test_nothing_is_open_to_the_world(self) -> None:
        sources = [_source(one) for stack in STACKS for one in _ingress(stack)]

        assert sources
        assert {"0.0.0.0/0", "::/0"}.isdisjoint(sources)

    def test_data_stores_let_in_functions_and_lambda_polling_the_broker(self) -> None:
        for stack in STACKS:
            if stack.template is DATA:
                sources = {_source(one) for one in _ingress(stack)}
                assert sources == {"sg-functions", "<BrokerSecurityGroup.GroupId>"}

    def test_the_brokers_management_answers_functions(self) -> None:
        stack = DATA.with_parameters(**GIVEN["data"])
        rules = stack.of_type("::SecurityGroup")["BrokerSecurityGroup"]["SecurityGroupIngress"]

        assert {(rule["FromPort"], rule["SourceSecurityGroupId"]) for rule in rules} == {
            (5671, "sg-functions"),
            (443, "sg-functions"),
        }

    def test_floods_from_one_address_are_refused_where_a_stage_wants_that(self) -> None:
        without, _, guarded, _ = WATCHED
        assert without.of_type("::WebACL", "::WebACLAssociation") == {}

        found = guarded.of_type("::WebACL", "::WebACLAssociation")

        (rule,) = found["Guard"]["Rules"]
        assert rule["Statement"] == {
            "RateBasedStatement": {"AggregateKeyType": "IP", "Limit": 20000}
        }
        assert rule["Action"] == {"Block": {"CustomResponse": {"ResponseCode": 429}}}
        assert found["GuardOfTheApi"]["ResourceArn"] == (
            "arn:aws:apigateway:us-east-1::/restapis/rest123/stages/api"
        )
        assert int(stages.load("prod").watch["FloodRequests"]) > 0
        assert "FloodRequests" not in stages.load("dev").watch

    def test_functions_go_out_to_https_and_to_the_data_stores_alone(self) -> None:
        stack = NETWORK.with_parameters(Stage="dev")
        group = stack.of_type("::SecurityGroup")["FunctionSecurityGroup"]

        assert {(rule["FromPort"], rule["CidrIp"]) for rule in group["SecurityGroupEgress"]} == {
            (443, "0.0.0.0/0"),
            *((port, "10.64.0.0/16") for port in (5432, 6379, 5671, 27017)),
        }

    def test_nothing_is_publicly_accessible(self) -> None:
        for stack in STACKS:
            for name, one in stack.resources().items():
                assert one["Properties"].get("PubliclyAccessible", False) is False, name
            for bucket in stack.of_type("::Bucket").values():
                assert all(bucket["PublicAccessBlockConfiguration"].values())

    def test_every_private_subnet_has_a_way_out_in_its_own_zone_if_paid_for(self) -> None:
        one = NETWORK.with_parameters(Stage="dev", Zones=3)
        three = NETWORK.with_parameters(Stage="dev", Zones=3, NatGateways="one-per-zone")

        for stack, gateways in ((one, 1), (three, 3)):
            routes = stack.of_type("::Route").values()
            assert len(stack.of_type("::NatGateway")) == gateways
            assert len({r["NatGatewayId"] for r in routes if "NatGatewayId" in r}) == gateways
            assert len(stack.outputs()["PrivateSubnetIds"].split(",")) == 3


def _ingress(stack: Any) -> list[dict[str, Any]]:
    groups = stack.of_type("::SecurityGroup").values()
    inside = [rule for one in groups for rule in one.get("SecurityGroupIngress", [])]
    return [*inside, *stack.of_type("::SecurityGroupIngress").values()]


def _source(rule: dict[str, Any]) -> str:
    return str(rule.get("SourceSecurityGroupId") or rule.get("CidrIp") or rule.get("CidrIpv6"))
