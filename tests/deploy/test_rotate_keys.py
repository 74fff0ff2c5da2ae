"""Access tokens get a new key in three phases."""

import json

import pytest

from infra.deploy.commands.rotate import Rotate
from infra.deploy.errors import Stopped
from tests.deploy.aws.account import (
    FUNCTIONS,
    Checkout,
    Operator,
    client,
    configuration,
)
from tests.deploy.aws.stage import OneDeploy


class TestRotateKeys(OneDeploy):
    def test_three_phases_give_every_function_the_new_key(
        self, checkout: Checkout, output: str
    ) -> None:
        now = 2_000_000_000.0

        def kids() -> list[str]:
            held = client("secretsmanager").get_secret_value(
                SecretId=checkout.secrets["JwtSecretArn"]
            )
            keys = json.loads(json.loads(held["SecretString"])["JWT_KEYS"])["keys"]
            return [each["kid"] for each in keys]

        def rotate(later: float) -> str:
            nonlocal now
            now += later
            operator = Operator(checkout)
            Rotate(operator.place, clock=lambda: now).run()
            return operator.output.getvalue()

        def versions() -> dict[str, str]:
            """Of the functions that sign or verify tokens."""
            return {
                key: configuration(key)["Environment"]["Variables"]["SECRETS_VERSION"]
                for key in ("api_handler", "websocket_connect", "notify")
            }

        old = kids()
        assert len(old) == 2
        first = versions()
        assert "1 of 3" in rotate(0)
        assert len(kids()) == 4
        assert kids()[::2] == old
        second = versions()
        assert {key for key in first if first[key] != second[key]} == {
            "api_handler",
            "websocket_connect",
        }
        with pytest.raises(Stopped, match="Too early"):
            rotate(60)
        assert "2 of 3" in rotate(2 * 3600)
        assert kids()[1::2] == old
        with pytest.raises(Stopped, match="Too early"):
            rotate(15 * 60)
        assert "3 of 3" in rotate(3600)
        assert len(kids()) == 2
        assert not {*old} & {*kids()}
        public = client("secretsmanager").get_secret_value(
            SecretId=checkout.secrets["JwtPublicSecretArn"]
        )
        published = json.loads(json.loads(public["SecretString"])["JWT_PUBLIC_KEYS"])["keys"]
        assert [each["kid"] for each in published] == kids()

    def test_a_phase_that_a_function_did_not_take_is_finished_first(
        self, checkout: Checkout, output: str
    ) -> None:
        Rotate(Operator(checkout).place, clock=lambda: 3_000_000_000.0).run()
        api = client("lambda")
        variables = configuration("websocket_connect")["Environment"]["Variables"]
        api.update_function_configuration(
            FunctionName=FUNCTIONS["websocket_connect"].name,
            Environment={"Variables": {**variables, "SECRETS_VERSION": "old"}},
        )

        operator = Operator(checkout)
        Rotate(operator.place, clock=lambda: 3_000_100_000.0).run()

        assert "the phase before is finished" in operator.output.getvalue()
        with pytest.raises(Stopped, match="Too early"):
            Rotate(Operator(checkout).place, clock=lambda: 3_000_100_060.0).run()
