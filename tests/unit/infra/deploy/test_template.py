"""Templates: what they hold, and which parameters they are given."""

from pathlib import Path

import pytest

from infra.deploy.cloudformation.template import Template
from infra.deploy.errors import Stopped

TEXT = """
Parameters:
  Stage: {Type: String}
  KeyArn: {Type: String}
  Size: {Type: Number, Default: 1}
Resources:
  Role: {Type: AWS::IAM::Role}
  First: {Type: AWS::EC2::Subnet, Properties: {VpcId: !Ref Vpc, Name: !Sub "${Stage}-1"}}
  Second: {Type: AWS::EC2::Subnet, Properties: {Zone: !Select [0, !GetAZs ""]}}
"""


@pytest.fixture
def template(tmp_path: Path) -> Template:
    path = tmp_path / "data.yaml"
    path.write_text(TEXT)
    return Template.read(path)


def test_tells_its_resources_and_that_it_makes_roles(template: Template) -> None:
    assert template.types == {"AWS::EC2::Subnet": 2, "AWS::IAM::Role": 1}
    assert template.capabilities == ["CAPABILITY_NAMED_IAM"]


def test_takes_what_it_knows_of_what_was_found_and_all_that_was_chosen(template: Template) -> None:
    found = {"Stage": "dev", "KeyArn": "arn:1", "VpcId": "vpc-1"}

    assert template.values(found, {"Size": "2"}) == {"Stage": "dev", "KeyArn": "arn:1", "Size": "2"}


@pytest.mark.parametrize(
    ("found", "chosen", "told"),
    [
        ({"Stage": "dev", "KeyArn": "a"}, {"Sise": "2"}, "no parameter Sise"),
        ({"Stage": "dev", "KeyArn": "a"}, {"KeyArn": "b"}, "KeyArn .* is not to be chosen"),
        ({"Stage": "dev"}, {}, r"must say KeyArn for data\.yaml"),
    ],
)
def test_a_mistake_is_reported_by_its_name(
    template: Template, found: dict[str, str], chosen: dict[str, str], told: str
) -> None:
    with pytest.raises(Stopped, match=told):
        template.values(found, chosen)
