"""What `make destroy` removes."""

import pytest

from infra.deploy.errors import Stopped
from infra.deploy.functions import logs
from tests.deploy.aws.account import (
    FUNCTIONS,
    Checkout,
    Operator,
    client,
    stage,
)
from tests.deploy.aws.stage import fail, mappings


class TestDestroy:
    def test_destroys_everything_after_the_confirmation_and_can_be_repeated(
        self, deployed: Checkout
    ) -> None:
        for answers in (
            ["yes"],
            ["destroy prod"],
            [],
            ["destroy dev"],
            ["destroy dev", "data", ""],
        ):
            with pytest.raises(Stopped, match=r"Not confirmed|Run it in a terminal"):
                Operator(deployed, *answers).destroy()
        assert len(client("lambda").list_functions()["Functions"]) == len(FUNCTIONS)

        output = Operator(deployed, "destroy dev", "data", "empty").destroy()

        assert client("lambda").list_functions()["Functions"] == []
        assert client("lambda").list_layers()["Layers"] == []
        assert mappings() == []
        assert client("iam").list_roles()["Roles"] == []
        assert client("events").list_rules()["Rules"] == []
        assert client("apigateway").get_rest_apis()["items"] == []
        assert client("apigatewayv2").get_apis()["Items"] == []
        assert client("logs").describe_log_groups()["logGroups"] == []
        assert client("cloudformation").describe_stacks()["Stacks"] == []
        assert client("s3").list_buckets()["Buckets"] == []
        assert "bucket some-media" in output
        assert "arn:aws:kms:" in output
        assert "data: not there" in Operator(deployed, "destroy dev").destroy()

    def test_protection_comes_off_first_and_a_run_goes_on_where_one_ended(
        self, checkout: Checkout, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        Operator(checkout, stage=stage(data={})).deploy()
        with pytest.raises(Stopped, match=r"DeletionProtection = false in \[dev\.data\]"):
            Operator(checkout, "destroy dev", "data", "empty").destroy()
        Operator(checkout).deploy()

        with monkeypatch.context() as patch:
            patch.setattr(logs, "delete", fail)
            with pytest.raises(Stopped, match="enough"):
                Operator(checkout, "destroy dev", "data", "empty").destroy()
        assert client("lambda").list_functions()["Functions"] == []
        Operator(checkout, "destroy dev", "data", "empty").destroy()

        assert client("cloudformation").describe_stacks()["Stacks"] == []
