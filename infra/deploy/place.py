"""What all commands on a stage share: its account, its stacks, its functions."""

from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path

import boto3

from infra.deploy.aws import Aws
from infra.deploy.cloudformation.stacks import Stack
from infra.deploy.console import Console
from infra.deploy.errors import Stopped
from infra.deploy.gateway.apis import TAG, Apis
from infra.deploy.project import ROOT, Function, Project
from infra.deploy.stages import Stage
from infra.deploy.state import Artifacts
from infra.deploy.vault import Vault, digest
from infra.package import TargetRefused, bytecode
from infra.package.targets import Target

SECRETS = {
    "SettingsSecretArn": ("POSTGRES_URL", "MESSAGES_URL", "REDIS_URL"),
    "PublishSecretArn": ("AMQP_URL",),
    "JwtSecretArn": ("JWT_KEYS",),
    "JwtPublicSecretArn": ("JWT_PUBLIC_KEYS",),
    "FcmSecretArn": ("FCM_CREDENTIALS",),
    "AdminSecretArn": ("POSTGRES_ADMIN_URL",),
    "BrokerAdminSecretArn": ("BROKER_ADMIN",),
}
"""The secrets that functions read: outputs of the data stack, and the settings in each. A function
reads those that its policy allows."""


class Place:
    """A stage in its account."""

    def __init__(
        self, stage: Stage, console: Console, aws: Aws | None = None, root: Path = ROOT
    ) -> None:
        self.stage = stage
        self.console = console
        self.aws = aws or Aws(stage.region)
        self.root = root
        self.project = Project(stage.name, root)
        self.tags = {TAG: stage.name}

    def check(self) -> str:
        """Refuse another account or region than the stage's."""
        stage = self.stage
        if not stage.account:
            raise Stopped(
                f"infra/stages.toml: {stage.name}.account is empty. Write the account of "
                "this stage there: aws sts get-caller-identity --query Account"
            )
        chosen = boto3.Session().region_name
        if chosen and chosen != stage.region:
            raise Stopped(
                f"The environment or the profile names {chosen}, and {stage.name} is in "
                f"{stage.region}. To use that region: AWS_REGION={stage.region}"
            )
        if self.aws.account != stage.account:
            raise Stopped(
                f"These credentials belong to account {self.aws.account}, and {stage.name} to "
                f"{stage.account}. Nothing was changed."
            )
        return f"account {stage.account}, {stage.region}"

    def stack(self, what: str) -> Stack:
        """One of the stage's stacks. Stacks with data are protected if the databases are."""
        protected = what != "watch" and self.stage.is_protected
        return Stack(self.aws, self.console, self.project.named(what), protected=protected)

    @cached_property
    def network(self) -> Mapping[str, str]:
        """Outputs of the network stack."""
        return self._outputs("network")

    @cached_property
    def data(self) -> Mapping[str, str]:
        """Outputs of the data stack."""
        return self._outputs("data")

    @property
    def artifacts(self) -> Artifacts:
        return Artifacts(self.aws, self.network["ArtifactsBucket"], self.stage.name)

    @property
    def apis(self) -> Apis:
        return Apis(self.aws, self.stage.name)

    @cached_property
    def api_ids(self) -> tuple[str, str]:
        """The ids of the REST API and the WebSocket API, once they are made."""
        return self.apis.ids(self.artifacts.read())

    @property
    def addresses(self) -> dict[str, str]:
        """The settings that hold addresses. Events are posted to the API's own address: only
        functions use it, and it needs no DNS."""
        rest, socket = self.api_ids
        domains = self.stage.domains
        return {
            "ISSUER": f"https://{domains.http}" if domains else self.apis.http_url(rest),
            "WS_URL": f"wss://{domains.socket}" if domains else self.apis.socket_url(socket),
            "WS_ENDPOINT_URL": self.apis.http_url(socket),
        }

    def secret_arns(self, function: Function) -> list[str]:
        """The secrets that a function reads."""
        return [self.data[each] for each in self.project.secrets(function)]

    @property
    def secrets_versions(self) -> Mapping[str, str]:
        """For each function a text that changes when one of its secrets changes."""
        vault = Vault(self.aws)
        versions = {arn: vault.version(arn) for each in SECRETS if (arn := self.data[each])}
        return {
            each.key: digest([versions[arn] for arn in self.secret_arns(each)])
            for each in self.project.functions
        }

    def _outputs(self, what: str) -> Mapping[str, str]:
        outputs = self.stack(what).outputs
        if not outputs:
            again = f"make deploy STAGE={self.stage.name}"
            raise Stopped(f"There is no stack {self.project.named(what)}. First: {again}")
        return outputs


def check_target(stage: Stage, warn: Callable[[str], None]) -> None:
    """Refuse a runtime that cannot be packaged for, before anything is made."""
    try:
        target = Target.of(stage.architecture, stage.python)
    except TargetRefused as problem:
        raise Stopped(f"infra/stages.toml, {stage.name}: {problem}") from None
    if bytecode.interpreter(target) is None:
        warn(f"There is no Python {stage.python} on this machine to compile with:")
        warn("functions will start up to four times more slowly (docs/cold-starts.md).")


FEW = 50
"""With less than this, an account refuses requests in daily use."""

UNRESERVED = 100
"""AWS keeps this much of an account's concurrency unreserved."""


def concurrency(aws: Aws) -> int:
    """How many functions the account may run at once."""
    limit = aws.client("lambda").get_account_settings()["AccountLimit"]
    return int(limit["ConcurrentExecutions"])


def check_concurrency(place: Place) -> bool:
    """Whether the account has the concurrency that .chalice/config.json reserves.

    If it has not, a protected stage is refused before anything is changed. Another stage is
    deployed without reservations.
    """
    reserved = sum(each.concurrency or 0 for each in place.project.functions)
    limit = concurrency(place.aws)
    ask = "Ask for more: Service Quotas, AWS Lambda, Concurrent executions"
    if limit < FEW:
        place.console.progress(f"This account runs only {limit} functions at once. {ask}.")
    if reserved + UNRESERVED <= limit:
        return True
    if place.stage.is_protected:
        raise Stopped(
            f"{place.stage.name} reserves {reserved} concurrent executions and AWS keeps "
            f"{UNRESERVED} unreserved; this account has {limit}. {ask}; or lower "
            ".chalice/config.json."
        )
    place.console.progress(
        f"{place.stage.name} reserves none of the {limit}: AWS wants {UNRESERVED} to stay "
        "unreserved."
    )
    return False
