"""An AWS account of moto's, with a small Parley to deploy into it."""

import io
import json
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError

from infra.deploy.aws import Aws
from infra.deploy.console import Console
from infra.deploy.deploy import Deploy
from infra.deploy.destroy import Destroy
from infra.deploy.place import SECRETS, Place
from infra.deploy.project import ROOT, Project
from infra.deploy.stages import Stage
from infra.package.staging import RECORD, Staged, code_digest

ACCOUNT, REGION = "123456789012", "eu-central-1"
PROJECT = Project("dev")
FUNCTIONS = {each.key: each for each in PROJECT.functions}

NETWORK = """
Parameters: {Stage: {Type: String}}
Resources:
  Key: {Type: AWS::KMS::Key, Properties: {KeyPolicy: {Version: "2012-10-17", Statement: []}}}
  Vpc: {Type: AWS::EC2::VPC, Properties: {CidrBlock: 10.0.0.0/16}}
  Subnet: {Type: AWS::EC2::Subnet, Properties: {VpcId: !Ref Vpc, CidrBlock: 10.0.0.0/24}}
  Group: {Type: AWS::EC2::SecurityGroup, Properties: {VpcId: !Ref Vpc, GroupDescription: theirs}}
  Artifacts:
    Type: AWS::S3::Bucket
    DeletionPolicy: Retain
    Properties: {VersioningConfiguration: {Status: Enabled}}
Outputs:
  VpcId: {Value: !Ref Vpc}
  PrivateSubnetIds: {Value: !Ref Subnet}
  FunctionSecurityGroupId: {Value: !GetAtt Group.GroupId}
  ArtifactsBucket: {Value: !Ref Artifacts}
  KeyArn: {Value: !GetAtt Key.Arn}
"""

DATA = """
Parameters:
  Stage: {Type: String}
  KeyArn: {Type: String}
  DeletionProtection: {Type: String, Default: "true"}
  PasswordGeneration: {Type: String, Default: "1"}
Resources: {Database: {Type: AWS::SNS::Topic}}
Outputs:
  BrokerArn: {Value: "arn:aws:mq:eu-central-1:123456789012:broker:parley:b-1"}
  BrokerConsoleUrl: {Value: "https://b-1.example"}
  PasswordGeneration: {Value: !Ref PasswordGeneration}
  MediaBucket: {Value: some-media}
  ExportsBucket: {Value: some-exports}
"""
"""moto's CloudFormation makes no secrets: they are made beforehand, and told as outputs."""

FIRST_USER = {"username": "parley", "password": "not-to-be-shown-either"}

WATCH = """
Parameters: {Stage: {Type: String}, WebSocketApiId: {Type: String}, AlarmEmail: {Type: String}}
Resources: {Topic: {Type: AWS::SNS::Topic}}
Outputs: {DashboardUrl: {Value: "https://dashboard.example"}}
"""

SERVICE_ACCOUNT = {
    "type": "service_account",
    "project_id": "p",
    "private_key": "not-to-be-shown",
    "client_email": "push@p.example",
    "token_uri": "https://token.example",
}


def stage(**changes: Any) -> Stage:
    """A stage in moto's account."""
    given = {
        "name": "dev",
        "account": ACCOUNT,
        "region": REGION,
        "python": "3.13",
        "data": {"DeletionProtection": "false"},
        "settings": {"LOG_LEVEL": "DEBUG"},
    }
    return Stage.model_validate({**given, **changes})


@contextmanager
def serve(log: Path) -> Iterator[str]:
    """A moto server, as a process of its own; answers its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.deploy.moto_server", "-p", str(port)],
            cwd=ROOT,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        _wait(process, port, log)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait(10)


def _wait(process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, "moto does not start"
            time.sleep(0.1)


class Checkout:
    """What the deploy reads of a checkout: small templates, .chalice/ and the app itself."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.routes = ""
        shutil.copytree(ROOT / ".chalice", root / ".chalice")
        (root / "infra").mkdir()
        self.secrets = {
            name: client("secretsmanager").create_secret(Name=name, SecretString=text)["ARN"]
            for name, text in (
                *((name, "{}") for name in (*SECRETS, "BrokerUserSecretArn")),
                ("BrokerSecretArn", json.dumps(FIRST_USER)),
            )
        }
        outputs = "".join(f'  {name}: {{Value: "{arn}"}}\n' for name, arn in self.secrets.items())
        for name, text in (("network", NETWORK), ("data", DATA + outputs), ("watch", WATCH)):
            (root / "infra" / f"{name}.yaml").write_text(text)
        self.fcm = root / "fcm.json"
        self.fcm.write_text(json.dumps(SERVICE_ACCOUNT))

    def package(self, folder: Path, *, architecture: str, python: str) -> None:
        """The app with a dependency that weighs nothing: what it needs, the tests have. For the
        Python that runs the tests, whatever the stage wants."""
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(
            ROOT / "chalicelib", folder / "chalicelib", ignore=shutil.ignore_patterns("__pycache__")
        )
        (folder / "app.py").write_text((ROOT / "app.py").read_text() + self.routes)
        (folder / "requirements.txt").write_text("")
        (folder / "vendor" / "tiny").mkdir(parents=True)
        (folder / "vendor" / "tiny" / "__init__.py").write_text("TINY = True\n")
        here = f"3.{sys.version_info.minor}"
        about = Staged(architecture, here, False, code_digest(folder), {})
        (folder / RECORD).write_text(json.dumps(asdict(about)))


class Operator:
    """Somebody at a terminal."""

    def __init__(self, checkout: Checkout, *answers: str, stage: Stage = stage()) -> None:  # noqa: B008
        self.output = io.StringIO()
        self._answers = list(answers)
        console = Console(self.output, ask=self._answer)
        # moto does at once what AWS takes minutes for.
        aws = Aws(stage.region, pause=lambda seconds: None)
        self.place = Place(stage, console, aws, checkout.root)
        self._checkout = checkout

    def deploy(self, **changes: Any) -> str:
        """Run `make deploy`; answers what it printed."""
        given = {
            "fcm": self._checkout.fcm,
            "package": self._checkout.package,
            "ready": lambda *_: "ready",
            "resolves": lambda _: True,
            **changes,
        }
        Deploy(self.place, **given).run()
        return self.output.getvalue()

    def destroy(self) -> str:
        """Run `make destroy`; answers what it printed."""
        Destroy(self.place).run()
        return self.output.getvalue()

    def _answer(self, question: str) -> str:
        self.output.write(question)
        if not self._answers:
            raise EOFError
        return self._answers.pop(0)


def client(service: str) -> Any:
    """A client of moto's account."""
    made: Any = boto3
    try:
        return made.client(service, region_name=REGION)
    except BotoCoreError as error:
        raise AssertionError(f"no client of {service}") from error


def new(account: str, root: Path) -> Checkout:
    """A checkout, and nothing in the account."""
    urllib.request.urlopen(
        urllib.request.Request(f"{account}/reset", method="POST"), timeout=30
    ).close()
    return Checkout(root)


def configuration(name: str) -> dict[str, Any]:
    return dict(client("lambda").get_function_configuration(FunctionName=FUNCTIONS[name].name))


def rest_api() -> str:
    (api,) = client("apigateway").get_rest_apis()["items"]
    return str(api["id"])


def socket_api() -> str:
    (api,) = client("apigatewayv2").get_apis()["Items"]
    return str(api["ApiId"])
