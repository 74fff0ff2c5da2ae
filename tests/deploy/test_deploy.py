"""What a deploy makes, and what the next one changes."""

import json
import re
import shutil
import sys

import pytest

from chalicelib.auth.sessions.tokens import AccessTokens
from chalicelib.broker.pushes import PUSH_QUEUES
from chalicelib.config import SettingsInvalid
from chalicelib.identity import Identity
from infra.deploy import __main__ as commands
from infra.deploy.commands import deploy
from infra.deploy.functions import chalice
from infra.gateway import BINARY_TYPES, RESPONSES
from tests.deploy.aws.account import (
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
from tests.deploy.aws.stage import CHANGED, OneDeploy, answering_routes, mappings
from tests.unit.settings import settings, settings_without

BROKER = f"arn:aws:mq:{REGION}:{ACCOUNT}:broker:parley:b-1"


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


def own_secrets(checkout: Checkout, key: str) -> list[str]:
    """The ARNs of the secrets that a function reads its settings from."""
    return [checkout.secrets[each] for each in PROJECT.secrets(FUNCTIONS[key])]


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


def test_chalice_is_run_from_the_package() -> None:
    assert [sys.executable, "-m", "infra.package.chalice"] == chalice.COMMAND
