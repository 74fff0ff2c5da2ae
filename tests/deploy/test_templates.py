"""The templates in infra/ pass both linters, and hold what the rest of the project relies on."""

import json
import re
import ssl
import subprocess
import sys
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import Any

import pika
import pytest
import redis
from cryptography import x509
from psycopg.conninfo import conninfo_to_dict

from app import app
from chalicelib.broker import topology
from chalicelib.broker.pushes import PUSH_QUEUES
from chalicelib.config import Settings
from infra.deploy import stages
from infra.deploy.place import SECRETS
from local.bootstrap import STATE
from local.bootstrap.python import environment
from tests.deploy.cloudformation import Template

ROOT = Path(__file__).resolve().parents[2]
NETWORK, DATA, WATCH = TEMPLATES = [Template(name) for name in ("network", "data", "watch")]
SCANNER = "tests/deploy/scanner/requirements.txt"
each_template = pytest.mark.parametrize("template", TEMPLATES, ids=lambda one: one.name)

GIVEN: dict[str, dict[str, object]] = {
    "network": {"Stage": "dev"},
    "data": {
        "Stage": "dev",
        "VpcId": "vpc-1",
        "PrivateSubnetIds": "subnet-1,subnet-2",
        "FunctionSecurityGroupId": "sg-functions",
        "KeyArn": "arn:aws:kms:us-east-1:111122223333:key/1",
    },
    "watch": {
        "Stage": "dev",
        "RestApiId": "rest123",
        "AccountConcurrency": 1000,
        "FirstNatId": "nat-1",
        "WebSocketApiId": "abc123",
        "BrokerName": "parley-dev",
        "PostgresId": "parley-dev",
        "RedisId": "parley-dev",
        "KeyArn": "arn:aws:kms:us-east-1:111122223333:key/1",
    },
}
AURORA: dict[str, object] = {"PostgresKind": "aurora", "PostgresMultiAz": "true"}
MONGODB: dict[str, object] = {
    "MessagesKind": "url",
    "MessagesUrlSecretArn": "arn:aws:secretsmanager:...:mongo",
}
CHOICES: dict[str, list[dict[str, object]]] = {
    "network": [{}, {"Zones": 3, "NatGateways": "one-per-zone", "SecretsEndpoint": "true"}],
    "data": [
        {},
        AURORA,
        MONGODB,
        {"RedisNodes": 2, "BrokerMode": "CLUSTER_MULTI_AZ", "BrokerClass": "mq.m7g.large"},
        {"MediaOrigins": "https://chat.example.org", "PostgresVersion": "16.9"},
        {"PostgresVersion": "16", "PasswordGeneration": 7},
    ],
    "watch": [
        {},
        {"PostgresKind": "aurora", "BrokerVersion": "4.2"},
        {
            "AlarmEmail": "ops@example.org",
            "PostgresClass": "db.m7g.large",
            "SecondNatId": "nat-2",
            "ThirdNatId": "nat-3",
            "FloodRequests": 20000,
            "RedisNodes": 2,
        },
        {"PostgresClass": "db.t3.small"},
    ],
}
STACKS = [
    template.with_parameters(**GIVEN[template.name], **choice)
    for template in TEMPLATES
    for choice in CHOICES[template.name]
]

WATCHED = [stack for stack in STACKS if stack.template is WATCH]
OURS = {
    "MessagesStored", "LeftPending", "OutboxAge", "EventsAge", "Redelivered", "OverduePushed",
    "PushesSent", "PushesRetried", "PushesBuried", "TokensForgotten", "MailsSent", "MailsGivenUp",
    "PostsThrottled", "ExportsMade", "ExportsGivenUp", "RateLimited",
    "DependencyUnavailable",
}  # fmt: skip
FUNCTIONS = {
    "parley-dev", "parley-dev-websocket_connect", "parley-dev-websocket_message",
    "parley-dev-websocket_disconnect", "parley-dev-notify", "parley-dev-redeliver_pending",
    "parley-dev-push_overdue", "parley-dev-purge_sessions", "parley-dev-send_mails",
    "parley-dev-make_exports", "parley-dev-maintain",
}  # fmt: skip

MADE = {"PostgresPassword", "PostgresAppPassword", "RedisPassword", "BrokerUserSecret"}
"""Secrets with a password that CloudFormation makes, one for each generation."""

BROKEN = """
Resources:
  Database:
    Type: AWS::RDS::DBInstance
    Properties:
      Engine: postgres
      EngineVersion: "17.66"
      DBInstanceClass: db.t4g.micro
      AllocatedStorage: "20"
      StorageEncrypted: false
"""


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A template that both linters must complain about, or their silence means nothing."""
    path = tmp_path_factory.mktemp("broken") / "broken.yaml"
    path.write_text(BROKEN)
    return path


@pytest.fixture(scope="module")
def scanned(broken: Path) -> dict[str, Any]:
    """What checkov says. It has an environment of its own, since its pins contradict ours."""
    STATE.mkdir(exist_ok=True)
    environment(STATE / "scanner-venv", [SCANNER])
    command = [str(STATE / "scanner-venv/bin/checkov"), "--framework", "cloudformation"]
    command += ["--skip-download", "--output", "json"]
    for path in (*(template.path for template in TEMPLATES), broken):
        command += ["--file", str(path)]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    report: dict[str, Any] = json.loads(found.stdout)
    return report


class TestLinters:
    def test_cfn_lint_finds_nothing(self, broken: Path) -> None:
        command = [str(Path(sys.executable).parent / "cfn-lint"), "--include-checks", "I"]
        command += ["--regions", "us-east-1", "eu-central-1", "--"]
        paths = [*(str(template.path) for template in TEMPLATES), str(broken)]
        found = subprocess.run([*command, *paths], capture_output=True, text=True, check=False)

        assert found.stderr == ""
        assert "'17.66' is not one of" in found.stdout
        places = re.findall(r"^(\S+\.yaml):\d+:\d+$", found.stdout, re.MULTILINE)
        assert set(places) == {str(broken)}, found.stdout

    def test_the_scanner_finds_nothing_that_is_not_explained(self, scanned: dict[str, Any]) -> None:
        failed = {(one["resource"], one["check_id"]) for one in scanned["results"]["failed_checks"]}

        assert ("AWS::RDS::DBInstance.Database", "CKV_AWS_16") in failed
        assert {resource for resource, _ in failed} == {"AWS::RDS::DBInstance.Database"}
        assert scanned["summary"]["parsing_errors"] == 0
        assert scanned["summary"]["passed"] > 60
        assert scanned["summary"]["skipped"] == len(_exceptions())

    def test_every_exception_has_its_reason(self) -> None:
        assert all(len(one["comment"]) > 30 for one in _exceptions())


class TestContract:
    """What the deploy passes from one stack to the next."""

    def test_outputs_are_those_that_the_deploy_reads(self) -> None:
        assert NETWORK.outputs.keys() == {
            "VpcId", "PrivateSubnetIds", "FunctionSecurityGroupId", "ArtifactsBucket", "KeyArn",
            "FirstNatId", "SecondNatId", "ThirdNatId",
        }  # fmt: skip
        assert DATA.outputs.keys() == {
            *SECRETS, "BrokerSecretArn", "BrokerUserSecretArn", "BrokerArn", "BrokerConsoleUrl",
            "BrokerName", "BrokerVersion", "ExportsBucket", "MediaBucket", "PasswordGeneration",
            "PostgresClass", "PostgresId", "PostgresKind", "RedisId", "RedisNodes",
        }  # fmt: skip
        assert WATCH.outputs.keys() == {"DashboardUrl", "AlarmTopicArn"}

    def test_what_has_no_default_comes_from_an_output_or_the_deploy(self) -> None:
        assert _required(NETWORK) == {"Stage"}
        for_watch = {"ArtifactsBucket", "FirstNatId", "SecondNatId", "ThirdNatId"}
        assert _required(DATA) == {"Stage"} | NETWORK.outputs.keys() - for_watch
        known = {"Stage", "WebSocketApiId", "RestApiId", "AccountConcurrency"}
        assert _required(WATCH) <= known | DATA.outputs.keys() | NETWORK.outputs.keys()

    def test_an_output_means_the_same_as_the_parameter_of_its_name(self) -> None:
        assert NETWORK.outputs.keys() & DATA.parameters.keys() == _required(DATA) - {"Stage"}
        assert DATA.outputs.keys() & WATCH.parameters.keys() == {
            "BrokerName", "BrokerVersion", "PostgresClass", "PostgresId", "PostgresKind", "RedisId",
            "RedisNodes",
        }  # fmt: skip

    @each_template
    def test_every_parameter_and_output_is_described(self, template: Template) -> None:
        described = [*template.parameters.values(), *template.outputs.values()]

        assert all(len(one["Description"]) > 7 for one in described)

    @pytest.mark.parametrize("stack", STACKS, ids=lambda one: one.template.name)
    def test_every_choice_can_be_evaluated(self, stack: Any) -> None:
        assert stack.refusals() == []
        assert stack.resources()
        assert all(isinstance(value, str) for value in stack.outputs().values())

    @pytest.mark.parametrize(
        "choice",
        [
            {"BrokerVersion": "4.2"},
            {"BrokerMode": "CLUSTER_MULTI_AZ"},
            {"MessagesKind": "url"},
        ],
    )
    def test_what_cannot_work_is_refused(self, choice: dict[str, object]) -> None:
        assert DATA.with_parameters(**GIVEN["data"], **choice).refusals()


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


class TestSecrets:
    def test_no_password_is_written_down(self) -> None:
        names = ("Password", "Passwords", "MasterUserPassword", "AuthToken")
        for stack in STACKS:
            found = list(_find(stack.resources(), names))
            assert all(
                re.fullmatch(r"\{\{resolve:secretsmanager:arn:[^{}]+\}\}", one) for one in found
            )
        suspects = [n for t in TEMPLATES for n in t.parameters if re.search("(?i)pass|token", n)]
        assert suspects == ["PasswordGeneration"]

    def test_passwords_need_no_escaping_in_urls(self) -> None:
        made = [
            one["GenerateSecretString"]
            for stack in STACKS
            for one in stack.of_type("::Secret").values()
            if "GenerateSecretString" in one
        ]

        assert made
        assert all(one["ExcludePunctuation"] and one["PasswordLength"] >= 32 for one in made)
        for one in made:
            name = json.loads(one["SecretStringTemplate"])["username"]
            assert re.fullmatch(r"parley|parley_app_[17]", name)

    def test_keys_that_the_deploy_puts_in_stay(self) -> None:
        """A secret gets a new version only if its text here changes: it must depend on nothing."""
        for name in ("JwtSecret", "JwtPublicSecret", "FcmSecret", "BrokerAdminSecret"):
            assert DATA.resources[name]["Properties"]["SecretString"] == "{}"

    @pytest.mark.parametrize("choice", [{}, AURORA])
    def test_a_new_generation_changes_every_reference_to_a_password(
        self, choice: dict[str, object]
    ) -> None:
        """CloudFormation reads a secret again where the reference itself is another one."""
        old = DATA.with_parameters(**GIVEN["data"], **choice).resources()
        new = DATA.with_parameters(**GIVEN["data"], **choice, PasswordGeneration=2).resources()

        changed = {name for name in old if old[name] != new[name]}
        server = "PostgresCluster" if choice else "PostgresInstance"
        assert changed == {
            *MADE,
            "SettingsSecret",
            "PublishSecret",
            "AdminSecret",
            "RedisUser",
            server,
        }
        for name in changed - MADE:
            before, after = _references(old[name]), _references(new[name])
            assert before
            assert not before & after, name

    def test_the_brokers_first_user_never_changes(self) -> None:
        """Amazon MQ takes it once: all later ones are made over the management API."""
        old = DATA.with_parameters(**GIVEN["data"]).resources()
        new = DATA.with_parameters(**GIVEN["data"], PasswordGeneration=2).resources()

        assert old["BrokerSecret"] == new["BrokerSecret"]
        assert old["Broker"] == new["Broker"]

    def test_each_generation_is_a_secret_of_its_own_and_of_its_own_stack(self) -> None:
        names = [
            DATA.with_parameters(**GIVEN["data"], PasswordGeneration=n).resources()[name][
                "Properties"
            ]["Name"]
            for n in (1, 2)
            for name in sorted(MADE)
        ]

        assert len(set(names)) == 2 * len(MADE)
        assert all(re.fullmatch(r"parley-dev-[a-z-]+-[12]-0a1b2c3d4e5f", name) for name in names)


class TestUrls:
    """The settings secret, read by the very libraries that functions use."""

    @pytest.mark.parametrize("choice", CHOICES["data"], ids=str)
    def test_hold_what_settings_need(self, choice: dict[str, object]) -> None:
        urls = _urls(**choice)

        assert {name.lower() for name in urls} <= Settings.model_fields.keys()
        assert urls.keys() == {
            "POSTGRES_URL", "MESSAGES_URL", "REDIS_URL", "AMQP_URL", "POSTGRES_ADMIN_URL",
        }  # fmt: skip
        for secret, settings in SECRETS.items():
            text = DATA.resources[secret.removesuffix("Arn")]["Properties"]["SecretString"]
            held = re.findall(r'"([A-Z_]+)":', json.dumps(text).replace('\\"', '"'))
            assert held == ([] if text == "{}" else list(settings)), secret

    @pytest.mark.parametrize("choice", [{}, AURORA])
    def test_postgresql_is_checked_by_its_certificate(self, choice: dict[str, object]) -> None:
        url = _urls(**choice)["POSTGRES_URL"]

        read = conninfo_to_dict(url)
        owner = conninfo_to_dict(_urls(**choice)["POSTGRES_ADMIN_URL"])
        assert (read["user"], read["password"]) == ("parley_app_1", "Pa55word")
        assert owner == {**read, "user": "parley"}
        assert (read["dbname"], read["port"]) == ("parley", "5432")
        assert read["sslmode"] == "verify-full"
        assert read["sslrootcert"] == "/var/task/chalicelib/rds-ca.pem"

    def test_postgresql_is_encrypted_at_least(self) -> None:
        assert conninfo_to_dict(_urls(CaFile="")["POSTGRES_URL"])["sslmode"] == "require"

    def test_chats_in_postgresql_share_its_connection(self) -> None:
        urls = _urls()

        assert urls["MESSAGES_URL"] == urls["POSTGRES_URL"]

    def test_a_mongodb_elsewhere_is_taken_from_its_secret(self) -> None:
        assert _urls(**MONGODB)["MESSAGES_URL"] == "Pa55word"

    def test_valkey_is_checked(self) -> None:
        connection = redis.Redis.from_url(_urls()["REDIS_URL"]).connection_pool.make_connection()

        assert isinstance(connection, redis.SSLConnection)
        assert (connection.host, connection.port) == ("redis.us-east-1.amazonaws.com", 6379)
        assert connection.check_hostname
        assert connection.cert_reqs == ssl.CERT_REQUIRED
        assert (connection.username, connection.password) == ("parley", "Pa55word")

    def test_rabbitmq_is_checked(self) -> None:
        read = pika.URLParameters(_urls()["AMQP_URL"])

        assert (read.host, read.port) == ("b-1.mq.us-east-1.on.aws", 5671)
        assert read.virtual_host == "/"
        assert read.ssl_options.context.check_hostname
        assert read.credentials.username == "parley_app_1"
        assert read.credentials.password == "Pa55word"
        console = DATA.with_parameters(**GIVEN["data"]).outputs()["BrokerConsoleUrl"]
        assert console == f"https://{read.host}"

    def test_the_certificates_are_in_the_package(self) -> None:
        path = DATA.parameters["CaFile"]["Default"]
        bundle = ROOT / path.removeprefix("/var/task/")

        roots = x509.load_pem_x509_certificates(bundle.read_bytes())
        names = {
            root.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)[0].value for root in roots
        }
        assert names >= {
            f"Amazon RDS {region} Root CA RSA2048 G1" for region in ("us-east-1", "eu-central-1")
        }
        for root in roots:
            root.verify_directly_issued_by(root)
            assert root.not_valid_after_utc > datetime(2060, 1, 1, tzinfo=UTC)


class TestAlarms:
    def test_use_only_metrics_that_exist(self) -> None:
        used = {metric for stack in WATCHED for metric in _metrics(stack)}
        used |= {metric for stack in WATCHED for metric in _drawn(stack)}

        assert {name for namespace, name, _ in used if namespace == "Parley"} <= OURS
        assert {namespace for namespace, _, _ in used} == {
            "Parley", "AWS/Lambda", "AWS/ApiGateway", "AWS/AmazonMQ", "AWS/RDS", "AWS/ElastiCache",
            "AWS/NATGateway",
        }  # fmt: skip
        for namespace, name, dimensions in used:
            if namespace == "Parley":
                expected = {"Stage", "Dependency"} if "Unavailable" in name else {"Stage"}
                assert {dimension for dimension, _ in dimensions} == expected

    def test_watch_every_queue(self) -> None:
        queues = {
            dict(dimensions)["Queue"]
            for _, name, dimensions in _metrics(WATCHED[0])
            if name == "MessageCount"
        }

        assert queues == {*PUSH_QUEUES, topology.DEAD}

    def test_each_queue_has_a_consumer(self) -> None:
        for stack in WATCHED:
            alarm = stack.of_type("CloudWatch::Alarm")["PushConsumers"]
            assert (alarm["MetricName"], alarm["Threshold"]) == ("ConsumerCount", len(PUSH_QUEUES))
            assert alarm["TreatMissingData"] == "breaching"

    def test_credits_are_watched_where_there_are_some_and_every_nat_gateway_is(self) -> None:
        names = [set(stack.of_type("CloudWatch::Alarm")) for stack in WATCHED]
        nat = {"FirstNatPorts", "SecondNatPorts", "ThirdNatPorts"}

        assert ["PostgresCredits" in each for each in names] == [True, False, False, True]
        assert [len(each & nat) for each in names] == [1, 1, 3, 1]

    def test_watch_every_node_of_valkey(self) -> None:
        """Either may be the one that serves: after a failover it is the second."""
        watched = [
            sorted(
                dict(where)["CacheClusterId"][-4:]
                for space, _, where in _metrics(stack)
                if space == "AWS/ElastiCache"
            )
            for stack in WATCHED
        ]

        one, two = ["-001"] * 3, ["-001"] * 3 + ["-002"] * 3
        assert watched == [one, one, two, one]

    @pytest.mark.parametrize("metric", ["Errors", "Throttles"])
    def test_watch_every_function(self, metric: str) -> None:
        watched = {
            dict(dimensions)["FunctionName"]
            for namespace, name, dimensions in _metrics(WATCHED[0])
            if (namespace, name) == ("AWS/Lambda", metric)
        }
        jobs = {one.name for one in app.event_sources}
        others = {one.name for one in app.pure_lambda_functions}

        assert watched == FUNCTIONS
        assert {f"parley-dev-{name}" for name in jobs | others} <= FUNCTIONS

    def test_on_rabbitmq_4_pushes_are_watched_without_metrics_of_queues(self) -> None:
        used = {(name, dict(where).get("Queue")) for _, name, where in _metrics(WATCHED[1])}

        assert {("MessageReadyCount", None), ("PushesBuried", None)} <= used
        assert all(queue is None for _, queue in used)

    def test_every_alarm_says_why_and_where_to_read_on(self) -> None:
        names = [one["AlarmName"] for one in self._alarms()]

        assert len(names) == len(set(names)) > 30
        for one in self._alarms():
            section = re.search(r"\w\. See docs/operations\.md: ([a-z-]+)\.$", _text(one))
            assert section, one["AlarmName"]
            assert len(_text(one)) > 60
        assert {one["TreatMissingData"] for one in self._alarms() if "outbox" in _text(one)} == {
            "breaching"
        }

    def test_every_alarm_has_its_section_in_the_operations_manual(self) -> None:
        manual = (ROOT / "docs/operations.md").read_text()
        _, _, alarms = manual.partition("\n## Alarms\n")
        sections = re.findall(r"^### (\S+)$", alarms.partition("\n## ")[0], re.MULTILINE)

        named = re.findall(r"docs/operations\.md: ([a-z-]+)\.", WATCH.path.read_text())

        assert sorted(set(named)) == sorted(sections)

    def test_shares_in_the_manual_are_the_thresholds(self) -> None:
        manual = (ROOT / "docs/operations.md").read_text().partition("\n## Alarms\n")[2]
        told = dict(re.findall(r"^### (\S+)\n(?:(?!^###).*\n)*?.*[Oo]ver (\d+) %", manual, re.M))
        thresholds = {
            section[1]: str(one["Threshold"])
            for one in self._alarms()
            if (section := re.search(r"operations\.md: ([a-z-]+)\.$", _text(one)))
        }

        assert told.keys() >= {"postgres-cpu", "redis-memory", "redis-cpu"}
        assert told.items() <= thresholds.items()

    def test_every_alarm_is_sent_to_the_topic(self) -> None:
        for one in self._alarms():
            assert one["AlarmActions"] == one["OKActions"] == ["<Alarms>"]

    def test_the_dashboard_is_readable(self) -> None:
        for stack in WATCHED:
            [dashboard] = stack.of_type("::Dashboard").values()
            widgets = json.loads(dashboard["DashboardBody"])["widgets"]
            rows = [one for one in widgets if one["type"] == "text"]
            places = {(one["x"], one["y"]) for one in widgets}

            assert len(places) == len(widgets)
            assert 4 <= len(rows) <= 6
            assert all(one["x"] + one["width"] <= 24 for one in widgets)

    def _alarms(self) -> list[dict[str, Any]]:
        every = {
            one["AlarmName"]: one
            for stack in WATCHED
            for one in stack.of_type("CloudWatch::Alarm").values()
        }
        assert len(every) == len(
            [one for one in WATCH.resources.values() if one["Type"].endswith("::Alarm")]
        )
        return list(every.values())


def _exceptions() -> list[dict[str, str]]:
    return [
        exception
        for template in TEMPLATES
        for one in template.resources.values()
        for exception in one.get("Metadata", {}).get("checkov", {}).get("skip", [])
    ]


def _required(template: Template) -> set[str]:
    return {name for name, one in template.parameters.items() if "Default" not in one}


def _ingress(stack: Any) -> list[dict[str, Any]]:
    groups = stack.of_type("::SecurityGroup").values()
    inside = [rule for one in groups for rule in one.get("SecurityGroupIngress", [])]
    return [*inside, *stack.of_type("::SecurityGroupIngress").values()]


def _source(rule: dict[str, Any]) -> str:
    return str(rule.get("SourceSecurityGroupId") or rule.get("CidrIp") or rule.get("CidrIpv6"))


def _find(place: Any, names: tuple[str, ...]) -> list[str]:
    if isinstance(place, list):
        return [found for one in place for found in _find(one, names)]
    if not isinstance(place, dict):
        return []
    found = [v for name in names for v in [place.get(name)] if v is not None]
    texts = [t for one in found for t in (one if isinstance(one, list) else [one])]
    return texts + [one for value in place.values() for one in _find(value, names)]


def _urls(**choice: object) -> dict[str, str]:
    """What the secrets with URLs would hold, with `Pa55word` for every password."""
    stack = DATA.with_parameters(**{**GIVEN["data"], **choice})
    urls: dict[str, str] = {}
    for name in ("SettingsSecret", "PublishSecret", "AdminSecret"):
        text = stack.of_type("::Secret")[name]["SecretString"]
        urls |= json.loads(re.sub(r"\{\{resolve:[^{}]+\}\}", "Pa55word", text))
    return urls


def _references(place: Any) -> set[str]:
    """The dynamic references in a resource."""
    return set(re.findall(r"\{\{resolve:[^{}]+\}\}", json.dumps(place)))


Metric = tuple[str, str, tuple[tuple[str, str], ...]]


def _metrics(stack: Any) -> set[Metric]:
    """Metrics of alarms: namespace, name, dimensions."""
    found = set()
    for alarm in stack.of_type("CloudWatch::Alarm").values():
        inner = [
            one["MetricStat"]["Metric"] for one in alarm.get("Metrics", []) if "MetricStat" in one
        ]
        for one in inner or [alarm]:
            where = tuple((each["Name"], each["Value"]) for each in one.get("Dimensions", []))
            found.add((one["Namespace"], one["MetricName"], where))
    return found


def _drawn(stack: Any) -> set[Metric]:
    """Metrics of the dashboard."""
    [dashboard] = stack.of_type("::Dashboard").values()
    found = set()
    for widget in json.loads(dashboard["DashboardBody"])["widgets"]:
        last: list[str] = []
        for line in widget["properties"].get("metrics", []):
            parts = [one for one in line if isinstance(one, str)]
            if parts[0] == "...":
                parts = last[: len(last) - len(parts) + 1] + parts[1:]
            last = parts
            where = tuple(zip(parts[2::2], parts[3::2], strict=True))
            found.add((parts[0], parts[1], where))
    return found


def _text(alarm: dict[str, Any]) -> str:
    return str(alarm["AlarmDescription"])
