"""Event source mappings: the exact calls, checked against AWS's own description of them."""

from typing import Any
from uuid import NAMESPACE_URL, uuid5

import pytest

from infra.deploy.errors import Stopped
from infra.deploy.functions.mappings import Mappings
from tests.unit.infra.fakes import StubbedAws

BROKER = "arn:aws:mq:eu-central-1:123456789012:broker:parley-dev:b-1"
SECRET = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:broker-abcdef"
ACCESS = [{"Type": "BASIC_AUTH", "URI": SECRET}, {"Type": "VIRTUAL_HOST", "URI": "/"}]
WANTED: dict[str, Any] = {
    "BatchSize": 100,
    "MaximumBatchingWindowInSeconds": 1,
    "SourceAccessConfigurations": ACCESS,
}
QUEUES = ["push.0", "push.1"]


def uuid(name: str) -> str:
    return str(uuid5(NAMESPACE_URL, name))


def mapping(queue: str, **changes: Any) -> dict[str, Any]:
    return {
        "UUID": uuid(queue),
        "EventSourceArn": BROKER,
        "Queues": [queue],
        "State": "Enabled",
        **WANTED,
        **changes,
    }


class Triggers:
    def __init__(self) -> None:
        self.aws = StubbedAws("lambda")
        self.stub = self.aws.stubs["lambda"]
        self.told: list[str] = []

    def listed(self, *mappings: dict[str, Any], times: int = 1) -> None:
        for _ in range(times):
            self.stub.add_response(
                "list_event_source_mappings",
                {"EventSourceMappings": list(mappings)},
                {"FunctionName": "parley-dev-notify"},
            )

    def created(self, queue: str) -> None:
        expected = {
            "EventSourceArn": BROKER,
            "FunctionName": "parley-dev-notify",
            "Queues": [queue],
            "Enabled": True,
            **WANTED,
        }
        self.stub.add_response("create_event_source_mapping", {}, expected)

    def deleted(self, uuid: str) -> None:
        self.stub.add_response("delete_event_source_mapping", {}, {"UUID": uuid})

    def ensure(self) -> str:
        outcome = Mappings(self.aws, "parley-dev-notify", self.told.append).ensure(
            broker_arn=BROKER, secret_arn=SECRET, queues=QUEUES
        )
        self.aws.done()
        return outcome


@pytest.fixture
def triggers() -> Triggers:
    return Triggers()


def test_a_mapping_is_made_for_each_queue(triggers: Triggers) -> None:
    triggers.listed(times=2)
    for queue in QUEUES:
        triggers.created(queue)
    triggers.listed(*map(mapping, QUEUES))

    assert triggers.ensure() == "2 made, 0 changed, 0 removed"


def test_what_is_as_it_should_be_is_not_touched(triggers: Triggers) -> None:
    turned = mapping("push.1", SourceAccessConfigurations=ACCESS[::-1])
    triggers.listed(mapping("push.0"), turned, times=3)

    assert triggers.ensure() == "unchanged"


@pytest.mark.parametrize(
    "change",
    [
        {"BatchSize": 10},
        {"MaximumBatchingWindowInSeconds": 0},
        {"SourceAccessConfigurations": ACCESS[:1]},
        {"State": "Disabled"},
    ],
)
def test_what_differs_is_changed(triggers: Triggers, change: dict[str, Any]) -> None:
    triggers.listed(mapping("push.0", **change), mapping("push.1"), times=2)
    triggers.stub.add_response(
        "update_event_source_mapping", {}, {"UUID": uuid("push.0"), "Enabled": True, **WANTED}
    )
    triggers.listed(*map(mapping, QUEUES))

    assert triggers.ensure() == "0 made, 1 changed, 0 removed"


@pytest.mark.parametrize(
    "surplus",
    [
        mapping("push.0", UUID=uuid("twice")),
        mapping("push.9", UUID=uuid("no such queue")),
        mapping("push.0", UUID=uuid("old broker"), EventSourceArn=BROKER.replace("b-1", "b-0")),
    ],
    ids=["twice", "no such queue", "old broker"],
)
def test_what_is_too_much_is_removed(triggers: Triggers, surplus: dict[str, Any]) -> None:
    triggers.listed(*map(mapping, QUEUES), surplus, times=2)
    triggers.deleted(surplus["UUID"])
    triggers.listed(*map(mapping, QUEUES))

    assert triggers.ensure() == "0 made, 0 changed, 1 removed"


def test_waits_for_what_aws_is_in_the_middle_of(triggers: Triggers) -> None:
    triggers.listed(mapping("push.0", State="Updating"), mapping("push.1"))
    triggers.listed(*map(mapping, QUEUES), times=3)

    assert triggers.ensure() == "unchanged"
    assert triggers.told == ["1 of 2 mappings: Updating"]


def test_the_waiting_has_an_end(triggers: Triggers) -> None:
    triggers.listed(mapping("push.0", State="Creating"), times=120)

    with pytest.raises(Stopped, match="are not done"):
        triggers.ensure()


def test_deleting_waits_until_they_are_gone(triggers: Triggers) -> None:
    triggers.listed(mapping("push.0"), times=2)
    triggers.deleted(uuid("push.0"))
    triggers.listed(mapping("push.0", State="Deleting"))
    triggers.listed()

    assert Mappings(triggers.aws, "parley-dev-notify", triggers.told.append).delete() == "1 deleted"
    triggers.aws.done()


def test_problems_of_mappings_that_read_enabled_are_reported(triggers: Triggers) -> None:
    problem = "PROBLEM: Function call failed"
    triggers.listed(
        mapping("push.0", LastProcessingResult="No records processed"),
        mapping("push.1", LastProcessingResult=problem),
    )

    mappings = Mappings(triggers.aws, "parley-dev-notify", triggers.told.append)
    assert mappings.problems() == {"push.1": problem}
