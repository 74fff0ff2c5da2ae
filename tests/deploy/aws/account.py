"""An AWS account of moto's, with a small Parley to deploy into it."""

import io
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import BotoCoreError

from infra.deploy.aws import Aws
from infra.deploy.commands.deploy import Deploy
from infra.deploy.commands.destroy import Destroy
from infra.deploy.console import Console
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
    """Starts a moto server in its own process. Returns its address."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port, number = listening.getsockname()[1], listening.fileno()
        with log.open("w") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "tests.deploy.aws.moto_server", str(number)],
                cwd=ROOT,
                pass_fds=[number],
                stdout=output,
                stderr=subprocess.STDOUT,
            )
    at = f"http://127.0.0.1:{port}"
    try:
        try:
            urllib.request.urlopen(f"{at}/moto-api/data.json", timeout=300).close()
        except OSError as error:
            raise AssertionError(f"moto does not start: {log.read_text()}") from error
        yield at
    finally:
        process.kill()
        process.wait(10)


@contextmanager
def copied(account: str) -> Iterator[str]:
    """What an account holds now, as an account that nobody else uses; answers its address."""
    with urllib.request.urlopen(f"{account}/moto-api/copy", timeout=300) as answer:
        made = json.load(answer)
    try:
        yield made["at"]
    finally:
        os.kill(made["process"], signal.SIGKILL)


@contextmanager
def signed_in(account: str) -> Iterator[None]:
    """All that is called now is called in this account."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_SESSION_TOKEN"):
            patch.delenv(name, raising=False)
        patch.setenv("AWS_CONFIG_FILE", "/nonexistent")
        patch.setenv("AWS_ENDPOINT_URL", account)
        patch.setenv("AWS_ACCESS_KEY_ID", "test")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        yield


class Checkout:
    """What the deploy reads of a checkout: small templates, .chalice/ and the app itself."""

    def __init__(self, account: str, root: Path) -> None:
        self.account = account
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
        self.fcm.write_text(json.dumps(SERVICE_ACCOUNT))

    @property
    def fcm(self) -> Path:
        return self.root / "fcm.json"

    @contextmanager
    def copied(self, root: Path) -> Iterator["Checkout"]:
        """This checkout and its account as they are now, for a test that changes them."""
        shutil.copytree(self.root, root, dirs_exist_ok=True)
        with copied(self.account) as account:
            other = copy(self)
            other.account, other.root = account, root
            yield other

    @contextmanager
    def entered(self, root: Path) -> Iterator["Checkout"]:
        """A copy, signed in to its account."""
        with self.copied(root) as own, signed_in(own.account):
            yield own

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
        aws = copy(_aws(checkout.account, stage.region))
        aws.pause = lambda seconds: None
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
    """A client of the account that is signed in to."""
    return _client(os.environ["AWS_ENDPOINT_URL"], service)


@lru_cache(maxsize=32)
def _client(account: str, service: str) -> Any:
    made: Any = boto3
    try:
        return made.client(service, region_name=REGION, endpoint_url=account)
    except BotoCoreError as error:
        raise AssertionError(f"no client of {service}") from error


@lru_cache(maxsize=4)
def _aws(account: str, region: str) -> Aws:
    """What makes clients of an account, and keeps them. It takes the account from the environment,
    as the product does."""
    assert account == os.environ["AWS_ENDPOINT_URL"]
    return Aws(region)


def configuration(name: str) -> dict[str, Any]:
    return dict(client("lambda").get_function_configuration(FunctionName=FUNCTIONS[name].name))


def rest_api() -> str:
    (api,) = client("apigateway").get_rest_apis()["items"]
    return str(api["id"])


def socket_api() -> str:
    (api,) = client("apigatewayv2").get_apis()["Items"]
    return str(api["ApiId"])
