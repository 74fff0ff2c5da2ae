"""The order of a deploy's steps, and what happens when one fails or is refused."""

import json
import sys
from typing import Any

import pytest

from infra.deploy import place
from infra.deploy.commands import deploy
from infra.deploy.errors import Stopped
from infra.deploy.functions import first, maintenance
from tests.deploy.aws.account import (
    FIRST_USER,
    FUNCTIONS,
    Checkout,
    Operator,
    client,
    configuration,
    rest_api,
    socket_api,
    stage,
)
from tests.deploy.aws.stage import CHANGED, answering_routes, fail


class TestOrder:
    """New code serves only when what it relies on is there."""

    def test_migrates_with_the_new_maintain_before_any_other_function_is_new(
        self, deployed: Checkout, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        before = {key: configuration(key) for key in FUNCTIONS}
        deployed.routes = CHANGED
        seen: list[dict[str, Any]] = []
        invoke = maintenance.invoke

        def look(aws: Any, function: str, order: dict[str, Any]) -> dict[str, Any]:
            seen.append({"order": order["task"], **{k: configuration(k) for k in FUNCTIONS}})
            return invoke(aws, function, order)

        monkeypatch.setattr(maintenance, "invoke", look)
        operator = Operator(deployed, stage=stage(settings={"LOG_LEVEL": "INFO"}))
        output = operator.deploy(fcm=None)

        assert [each["order"] for each in seen] == ["migrate", "canary", "retire"]
        for key in FUNCTIONS:
            assert (seen[0][key]["CodeSha256"] == before[key]["CodeSha256"]) == (key != "maintain")
            told = seen[0][key]["Environment"]["Variables"]["LOG_LEVEL"]
            assert told == ("INFO" if key == "maintain" else "DEBUG")
            assert seen[1][key]["CodeSha256"] == seen[0]["maintain"]["CodeSha256"]
        assert seen[0]["maintain"]["Layers"] != before["maintain"]["Layers"]
        assert "] first migrations: done before" in output
        assert "] old accounts: parley_app_1" in output

    def test_a_migration_that_fails_leaves_the_functions_as_they_were(
        self, deployed: Checkout, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        before = {k: configuration(k)["CodeSha256"] for k in FUNCTIONS if k != "maintain"}
        deployed.routes = CHANGED
        monkeypatch.setattr(maintenance, "invoke", fail)

        with pytest.raises(Stopped, match="enough"):
            Operator(deployed).deploy(fcm=None)

        assert before == {k: configuration(k)["CodeSha256"] for k in before}

    def test_maintain_may_read_what_is_new_before_it_is_called(self, deployed: Checkout) -> None:
        role = "parley-dev-maintain"
        older = {"Effect": "Allow", "Action": "logs:PutLogEvents", "Resource": "*"}
        client("iam").put_role_policy(
            RoleName=role,
            PolicyName=role,
            PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [older]}),
        )
        operator = Operator(deployed)
        pauses: list[float] = []
        operator.place.aws.pause = pauses.append

        operator.deploy(fcm=None)

        policy = client("iam").get_role_policy(RoleName=role, PolicyName=role)["PolicyDocument"]
        assert deployed.secrets["AdminSecretArn"] in json.dumps(policy)
        assert first.POLICY_SECONDS in pauses


class TestPasswords:
    def test_a_new_generation_is_kept_beside_the_old_one_until_the_broker_has_taken_it(
        self, deployed: Checkout, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def passwords() -> list[str]:
            held = client("secretsmanager").get_secret_value(
                SecretId=deployed.secrets["BrokerAdminSecretArn"]
            )
            administrator = json.loads(json.loads(held["SecretString"])["BROKER_ADMIN"])
            return list(administrator["passwords"])

        newer = stage(data={"DeletionProtection": "false", "PasswordGeneration": 2})
        with monkeypatch.context() as patch:
            patch.setattr(maintenance, "invoke", fail)
            for _ in range(2):  # the second time makes no third password
                with pytest.raises(Stopped, match="enough"):
                    Operator(deployed, stage=newer).deploy(fcm=None)
        old, new = passwords()
        output = Operator(deployed, stage=newer).deploy(fcm=None)

        assert old == FIRST_USER["password"]
        assert passwords() == [new]
        assert new not in output


class TestAccountsWithFewFunctions:
    def test_a_stage_for_trying_out_does_without_reservations_and_says_so(
        self, checkout: Checkout, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for module in (place, deploy):
            monkeypatch.setattr(module, "concurrency", lambda _: 10)

        output = Operator(checkout).deploy()

        assert "This account runs only 10 functions at once. Ask for more" in output
        assert "dev reserves none of the 10" in output
        for function in FUNCTIONS.values():
            found = client("lambda").get_function_concurrency(FunctionName=function.name)
            assert "ReservedConcurrentExecutions" not in found


class TestFailure:
    @pytest.mark.parametrize("code", ["sys.exit('no such role')", "print('no such role')"])
    def test_ends_at_the_step_and_says_what_was_not_done(
        self, checkout: Checkout, code: str
    ) -> None:
        operator = Operator(checkout)

        with pytest.raises(Stopped, match="no such role"):
            operator.deploy(command=[sys.executable, "-c", f"import sys; {code}"])

        output = operator.output.getvalue()
        assert "] functions: failed" in output
        assert (
            "not done: socket answers, domain mappings, throttles, first migrations, queue triggers"
            in output
        )

    def test_goes_on_after_chalice_died_with_functions_made_and_nothing_written_down(
        self, checkout: Checkout
    ) -> None:
        dies = (
            "from chalice.awsclient import TypedAWSClient as C\n"
            "def die(*_, **__): raise SystemExit('killed')\n"
            "C.create_websocket_integration = die\n"
            "from chalice.cli import main; main()"
        )
        with pytest.raises(Stopped, match="killed"):
            Operator(checkout).deploy(command=[sys.executable, "-c", dies])
        before = (rest_api(), socket_api())
        assert configuration("notify")

        Operator(checkout).deploy()

        assert before == (rest_api(), socket_api())
        assert answering_routes() == ["$default"]
        layers = client("lambda").list_layer_versions(LayerName="parley-dev-managed-layer")
        assert len(layers["LayerVersions"]) == 1

    def test_without_fcm_credentials_it_says_how_to_give_them(self, checkout: Checkout) -> None:
        with pytest.raises(Stopped, match=r"make deploy STAGE=dev FCM=path/to/it\.json"):
            Operator(checkout).deploy(fcm=None)

    def test_somebody_else_at_work_is_left_alone(self, checkout: Checkout) -> None:
        def meanwhile(*_: Any, **__: Any) -> None:
            with pytest.raises(Stopped, match=r"works on this stage since .*\n?.*aws s3 rm"):
                Operator(checkout).deploy()
            fail()

        with pytest.raises(Stopped, match="enough"):
            Operator(checkout).deploy(package=meanwhile)
        with pytest.raises(Stopped, match=r"none\.json cannot be read"):
            Operator(checkout).deploy(fcm=checkout.root / "none.json")


class TestRefusal:
    @pytest.mark.parametrize(
        ("changes", "environment", "reason"),
        [
            ({"account": "210987654321"}, {}, "belong to account 123456789012, and dev to 2109"),
            ({"account": ""}, {}, "dev.account is empty"),
            (
                {},
                {"AWS_DEFAULT_REGION": "us-east-1"},
                "names us-east-1, and dev is in eu-central-1",
            ),
            ({"python": "3.11"}, {}, "Take python3.12 or python3.13, or the architecture x86_64"),
        ],
    )
    def test_touches_nothing_that_is_not_the_stage(
        self,
        checkout: Checkout,
        monkeypatch: pytest.MonkeyPatch,
        changes: dict[str, str],
        environment: dict[str, str],
        reason: str,
    ) -> None:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)

        with pytest.raises(Stopped, match=reason):
            Operator(checkout, stage=stage(**changes)).deploy()

        assert client("cloudformation").describe_stacks()["Stacks"] == []
        assert client("apigateway").get_rest_apis()["items"] == []

    def test_more_concurrency_than_the_account_has(
        self, checkout: Checkout, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(place, "concurrency", lambda _: 100)

        with pytest.raises(Stopped, match="this account has 100"):
            Operator(checkout, stage=stage(data={})).deploy()

        assert client("cloudformation").describe_stacks()["Stacks"] == []
