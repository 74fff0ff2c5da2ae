"""Deploy, deploy again, destroy: against moto, through the very Chalice that deploys to AWS."""

import json
import re
import shutil
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from chalicelib.auth.sessions.tokens import AccessTokens
from chalicelib.broker.pushes import PUSH_QUEUES
from chalicelib.config import SettingsInvalid
from chalicelib.identity import Identity
from infra.deploy import __main__ as commands
from infra.deploy import chalice, deploy, first, logs, maintenance, place
from infra.deploy.errors import Stopped
from infra.deploy.rotate import Rotate
from infra.gateway import BINARY_TYPES, RESPONSES
from tests.deploy.account import (
    ACCOUNT,
    FIRST_USER,
    FUNCTIONS,
    PROJECT,
    REGION,
    SERVICE_ACCOUNT,
    Checkout,
    Operator,
    client,
    configuration,
    rest_api,
    socket_api,
    stage,
)
from tests.deploy.conftest import Deployed
from tests.unit.settings import settings, settings_without

BROKER = f"arn:aws:mq:{REGION}:{ACCOUNT}:broker:parley:b-1"
CHANGED = '@app.route("/v1/changed")\ndef changed(): ...\n'


def outputs(stack: str) -> dict[str, str]:
    found = client("cloudformation").describe_stacks(StackName=f"parley-dev-{stack}")["Stacks"][0]
    return {each["OutputKey"]: each["OutputValue"] for each in found["Outputs"]}


def routes() -> set[tuple[str, str]]:
    pages = client("apigateway").get_paginator("get_resources").paginate(restApiId=rest_api())
    return {
        (method, resource["path"])
        for page in pages
        for resource in page["items"]
        for method in resource.get("resourceMethods", {})
    }


def routes_of_the_app() -> set[tuple[str, str]]:
    from app import app

    return {(method, path) for path, methods in app.routes.items() for method in methods}


def answering_routes() -> list[str]:
    """The routes that can answer in what the socket's stage serves."""
    api = client("apigatewayv2")
    (found,) = api.get_stages(ApiId=socket_api())["Items"]
    assert found["StageName"] == "api"
    deployment = api.get_deployment(ApiId=socket_api(), DeploymentId=found["DeploymentId"])
    return str(deployment["DeploymentStatusMessage"]).split(",")


def own_secrets(checkout: Checkout, key: str) -> list[str]:
    """The ARNs of the secrets that a function reads its settings from."""
    return [checkout.secrets[each] for each in PROJECT.secrets(FUNCTIONS[key])]


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


class TestDeploy(OneDeploy):
    def test_makes_each_function_as_the_configuration_says(
        self, checkout: Checkout, output: str
    ) -> None:
        network = outputs("network")
        rest, socket = rest_api(), socket_api()
        where = f"{REGION}.amazonaws.com/api"

        for key, function in FUNCTIONS.items():
            found = configuration(key)
            assert found["MemorySize"] == function.memory, key
            assert found["Timeout"] == function.timeout, key
            assert found["Architectures"] == ["arm64"]
            assert found["Runtime"] == f"python3.{sys.version_info.minor}"  # nothing was staged
            assert found["VpcConfig"]["SubnetIds"] == [network["PrivateSubnetIds"]]
            assert found["VpcConfig"]["SecurityGroupIds"] == [network["FunctionSecurityGroupId"]]
            assert [layer["Arn"].split(":")[-2] for layer in found["Layers"]] == [
                "parley-dev-managed-layer"
            ]
            variables = found["Environment"]["Variables"]
            assert re.fullmatch(r"[0-9a-f]{16}", variables.pop("SECRETS_VERSION"))
            assert variables == {
                "STAGE": "dev",
                "LOG_LEVEL": "DEBUG",
                "ISSUER": f"https://{rest}.execute-api.{where}",
                "WS_URL": f"wss://{socket}.execute-api.{where}",
                "WS_ENDPOINT_URL": f"https://{socket}.execute-api.{where}",
                "EXPORTS_BUCKET": "some-exports",
                "SECRETS": ",".join(own_secrets(checkout, key)),
            }
            reserved = client("lambda").get_function_concurrency(FunctionName=function.name)
            assert reserved.get("ReservedConcurrentExecutions") == function.concurrency, key
        assert configuration("maintain")["Handler"].endswith("maintain")
        assert configuration("notify")["Handler"] == "chalicelib.notify.worker.notify"

    def test_makes_the_gateways_and_schedules(self, output: str) -> None:
        rest, socket = rest_api(), socket_api()
        where = f"{REGION}.amazonaws.com/api"

        assert routes() == routes_of_the_app()
        gateway = client("apigateway")
        assert gateway.get_rest_api(restApiId=rest)["binaryMediaTypes"] == BINARY_TYPES
        responses = gateway.get_gateway_responses(restApiId=rest)["items"]
        assert {each["responseType"]: int(each["statusCode"]) for each in responses} == {
            name: refusal.status for name, refusal in RESPONSES.items()
        }
        errors = f"https://{rest}.execute-api.{where}/v1/errors#"
        templates = [each["responseTemplates"]["application/json"] for each in responses]
        assert all(json.loads(each)["type"].startswith(errors) for each in templates)
        assert {
            each["RouteKey"] for each in client("apigatewayv2").get_routes(ApiId=socket)["Items"]
        } == {"$connect", "$default", "$disconnect"}
        assert answering_routes() == ["$default"]
        rules = client("events").list_rules()["Rules"]
        assert {each["Name"]: each["ScheduleExpression"] for each in rules} == {
            "parley-dev-redeliver_pending-event": "rate(1 minute)",
            "parley-dev-push_overdue-event": "rate(1 minute)",
            "parley-dev-purge_sessions-event": "rate(1 day)",
            "parley-dev-send_mails-event": "rate(1 minute)",
            "parley-dev-make_exports-event": "rate(1 minute)",
        }
        assert f"https://{rest}.execute-api.{where}" in output
        assert f"wss://{socket}.execute-api.{where}" in output

    def test_gives_each_function_its_own_filled_in_policy(
        self, checkout: Checkout, output: str
    ) -> None:
        iam, socket = client("iam"), socket_api()
        for key, function in FUNCTIONS.items():
            role = f"parley-dev-{key}"
            assert configuration(key)["Role"].endswith(f"/{role}")
            policy = iam.get_role_policy(RoleName=role, PolicyName=role)["PolicyDocument"]
            text = json.dumps(policy)
            assert "${" not in text
            assert f"{ACCOUNT}:log-group:{function.log_group}:*" in text
            named = {arn for arn in checkout.secrets.values() if arn in text}
            of_trigger = {checkout.secrets["BrokerUserSecretArn"]} if key == "notify" else set()
            assert named == {*own_secrets(checkout, key), *of_trigger}, key
            assert (f"{socket}/api/POST/@connections/*" in text) == (
                function.policy
                in (
                    "policy-api.json",
                    "policy-connect.json",
                    "policy-deliver.json",
                    "policy-disconnect.json",
                )
            )
            assert (":s3:::some-exports/exports/*" in text) == (
                function.policy in ("policy-api.json", "policy-exports.json")
            )
            assert (BROKER in text) == (key == "notify")

    def test_log_groups_end_and_are_encrypted(self, checkout: Checkout, output: str) -> None:
        groups = client("logs").describe_log_groups()["logGroups"]

        assert {each["logGroupName"] for each in groups} == {
            each.log_group for each in FUNCTIONS.values()
        }
        assert {each["retentionInDays"] for each in groups} == {14}
        assert {each["kmsKeyId"] for each in groups} == {outputs("network")["KeyArn"]}

    def test_fills_secrets_and_shows_none(self, checkout: Checkout, output: str) -> None:
        def held(name: str) -> dict[str, str]:
            arn = checkout.secrets[name]
            return dict(
                json.loads(client("secretsmanager").get_secret_value(SecretId=arn)["SecretString"])
            )

        keys = held("JwtSecretArn")["JWT_KEYS"]
        public = held("JwtPublicSecretArn")["JWT_PUBLIC_KEYS"]
        tokens = AccessTokens(settings(jwt_keys=keys))
        ana = Identity(user_id="ana", session_id="s")
        assert tokens.verify(tokens.issue(ana)) == ana
        verifier = AccessTokens(settings_without("JWT_KEYS", jwt_public_keys=public))
        assert verifier.verify(tokens.issue(ana)) == ana
        assert all(
            {"d", "p", "q", "dp", "dq", "qi"}.isdisjoint(k) for k in json.loads(public)["keys"]
        )
        with pytest.raises(SettingsInvalid, match="cannot sign"):
            verifier.issue(ana)
        assert json.loads(held("BrokerAdminSecretArn")["BROKER_ADMIN"]) == {
            "username": "parley",
            "passwords": [FIRST_USER["password"]],
            "url": "https://b-1.example",
            "generation": 1,
        }
        assert FIRST_USER["password"] not in output
        assert json.loads(held("FcmSecretArn")["FCM_CREDENTIALS"]) == SERVICE_ACCOUNT
        assert json.loads(keys)["keys"][0]["d"] not in output
        assert SERVICE_ACCOUNT["private_key"] not in output

    def test_each_push_queue_triggers_the_notify_function(
        self, checkout: Checkout, output: str
    ) -> None:
        assert sorted(queue for each in mappings() for queue in each["Queues"]) == PUSH_QUEUES
        assert {each["EventSourceArn"] for each in mappings()} == {BROKER}
        assert {
            access["URI"]
            for each in mappings()
            for access in each["SourceAccessConfigurations"]
            if access["Type"] == "BASIC_AUTH"
        } == {checkout.secrets["BrokerUserSecretArn"]}

    def test_both_apis_take_only_so_much_of_what_the_account_has(
        self, checkout: Checkout, output: str
    ) -> None:
        wanted = stage().throttles

        served = client("apigateway").get_stage(restApiId=rest_api(), stageName="api")
        (sockets,) = client("apigatewayv2").get_stages(ApiId=socket_api())["Items"]

        settings_of_all = served["methodSettings"]["*/*"]
        assert settings_of_all["throttlingRateLimit"] == wanted.http_rate
        assert settings_of_all["throttlingBurstLimit"] == wanted.http_burst
        assert sockets["DefaultRouteSettings"]["ThrottlingRateLimit"] == wanted.socket_rate
        assert sockets["DefaultRouteSettings"]["ThrottlingBurstLimit"] == wanted.socket_burst

    def test_a_dry_run_names_all_that_the_deploy_made(
        self, checkout: Checkout, output: str
    ) -> None:
        plan = "\n".join(deploy.Deploy(Operator(checkout).place).plan())

        rules = client("events").list_rules()["Rules"]
        made = {
            *(each["StackName"] for each in client("cloudformation").describe_stacks()["Stacks"]),
            *(each["FunctionName"] for each in client("lambda").list_functions()["Functions"]),
            *(each["LayerName"] for each in client("lambda").list_layers()["Layers"]),
            *(each["logGroupName"] for each in client("logs").describe_log_groups()["logGroups"]),
            *(each["RoleName"] for each in client("iam").list_roles()["Roles"]),
            *(f"{each['Name']}: {each['ScheduleExpression']}" for each in rules),
            *(each["name"] for each in client("apigateway").get_rest_apis()["items"]),
            *(each["Name"] for each in client("apigatewayv2").get_apis()["Items"]),
            *(queue for each in mappings() for queue in each["Queues"]),
            *(f"{name} = " for name in configuration("notify")["Environment"]["Variables"]),
        }
        assert {each for each in made if each not in plan} == set()
        done = re.findall(r"\[ ?\d+/\d+\] ([^:.]+) \.\.\.$", output, re.MULTILINE)
        assert re.findall(r"^\[ ?\d+/\d+\] (.+)$", plan, re.MULTILINE) == done

    def test_dead_pushes_can_be_tried_again(self, checkout: Checkout, output: str) -> None:
        operator = Operator(checkout)

        commands.redrive(operator.place, limit=5)

        assert "2 will be tried again, 1 are left" in operator.output.getvalue()

    def test_the_first_admin_is_made(self, checkout: Checkout, output: str) -> None:
        operator = Operator(checkout)

        commands.grant(operator.place, "ana", "admin")

        assert "ana has the role admin" in operator.output.getvalue()
        assert "u1" in operator.output.getvalue()

    def test_a_program_is_registered_and_its_secret_shown(
        self, checkout: Checkout, output: str
    ) -> None:
        operator = Operator(checkout)

        commands.register(operator.place, {"name": "Board"})

        assert "c1" in operator.output.getvalue()
        assert "s3cret" in operator.output.getvalue()

    def test_a_consumer_of_events_gets_an_account_until_it_is_removed(
        self, checkout: Checkout, output: str
    ) -> None:
        operator = Operator(checkout)

        commands.let_consume(operator.place, "board", ["user.deleted"], remove=False)
        commands.let_consume(operator.place, "board", [], remove=True)

        told = operator.output.getvalue()
        assert "amqps://events_board:s3cret@b" in told
        assert "events.board" in told
        assert "board cannot consume events any more" in told


class TestDeployAgain:
    def test_changes_what_changed_and_repeats_nothing(self, deployed: Checkout) -> None:
        before = (rest_api(), socket_api(), sorted(each["UUID"] for each in mappings()))
        (served,) = client("apigatewayv2").get_stages(ApiId=socket_api())["Items"]
        deployed.routes = CHANGED

        output = Operator(deployed, stage=stage(log_retention_days=30)).deploy(fcm=None)

        assert before == (rest_api(), socket_api(), sorted(each["UUID"] for each in mappings()))
        assert routes() == {*routes_of_the_app(), ("GET", "/v1/changed")}
        assert answering_routes() == ["$default"]
        (serves,) = client("apigatewayv2").get_stages(ApiId=socket_api())["Items"]
        assert serves["DeploymentId"] != served["DeploymentId"]
        groups = client("logs").describe_log_groups()["logGroups"]
        assert {each["retentionInDays"] for each in groups} == {30}
        for unchanged in ("network", "data", "APIs", "queue triggers", "alarms"):
            assert f"] {unchanged}: unchanged" in output
        assert "JWT keys kept, FCM credentials kept" in output

    def test_another_machine_can_do_it_even_when_the_list_of_what_is_deployed_is_lost(
        self, deployed: Checkout
    ) -> None:
        before = (rest_api(), socket_api())
        shutil.rmtree(deployed.root / "build")
        client("s3").delete_object(
            Bucket=outputs("network")["ArtifactsBucket"], Key="deployed/dev.json"
        )

        Operator(deployed).deploy()

        assert before == (rest_api(), socket_api())
        layers = client("lambda").list_layer_versions(LayerName="parley-dev-managed-layer")
        assert len(layers["LayerVersions"]) == 1  # nothing changed: it took the first one's place


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
            with pytest.raises(Stopped, match=r"Not confirmed|Nobody is there"):
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


def test_chalice_is_run_from_the_package() -> None:
    assert [sys.executable, "-m", "infra.package.chalice"] == chalice.COMMAND
