"""What is deployed, as the account has it."""

from collections.abc import Iterator
from typing import Any

import pytest

from infra.deploy.errors import Stopped
from tests.deploy.aws.account import (
    Checkout,
    client,
    socket_api,
)
from tests.deploy.conftest import Deployed

CHANGED = '@app.route("/v1/changed")\ndef changed(): ...\n'


def answering_routes() -> list[str]:
    """The routes that can answer in what the socket's stage serves."""
    api = client("apigatewayv2")
    (found,) = api.get_stages(ApiId=socket_api())["Items"]
    assert found["StageName"] == "api"
    deployment = api.get_deployment(ApiId=socket_api(), DeploymentId=found["DeploymentId"])
    return str(deployment["DeploymentStatusMessage"]).split(",")


def fail(*_: Any, **__: Any) -> str:
    raise Stopped("enough")


def mappings() -> list[dict[str, Any]]:
    return list(client("lambda").list_event_source_mappings()["EventSourceMappings"])


class OneDeploy:
    """Tests that only read, or change secrets alone: one copy is enough for them."""

    @pytest.fixture(scope="class")
    @classmethod
    def checkout(
        cls, first_deploy: Deployed, tmp_path_factory: pytest.TempPathFactory
    ) -> Iterator[Checkout]:
        with first_deploy.checkout.entered(tmp_path_factory.mktemp("checkout")) as own:
            yield own

    @pytest.fixture(scope="class")
    @classmethod
    def output(cls, first_deploy: Deployed) -> str:
        return first_deploy.output
