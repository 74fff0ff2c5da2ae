"""What all commands on a stage share: its account, its stacks, its functions."""

from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path

import boto3

from infra.deploy.apis import TAG
from infra.deploy.aws import Aws
from infra.deploy.console import Console
from infra.deploy.errors import Stopped
from infra.deploy.project import ROOT, Project
from infra.deploy.stacks import Stack
from infra.deploy.stages import Stage
from infra.deploy.state import Artifacts
from infra.package import TargetRefused, bytecode
from infra.package.targets import Target

SECRETS = ("SettingsSecretArn", "JwtSecretArn", "FcmSecretArn")
"""What functions read their settings from, as outputs of the data stack."""


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
                f"infra/stages.toml: {stage.name}.account is empty. Write down the account that "
                "this stage belongs to: aws sts get-caller-identity --query Account"
            )
        chosen = boto3.Session().region_name
        if chosen and chosen != stage.region:
            raise Stopped(
                f"The environment or the profile names {chosen}, and {stage.name} is in "
                f"{stage.region}. If that is meant: AWS_REGION={stage.region}"
            )
        if self.aws.account != stage.account:
            raise Stopped(
                f"These credentials belong to account {self.aws.account}, and {stage.name} to "
                f"{stage.account}. Nothing was touched."
            )
        return f"account {stage.account}, {stage.region}"

    def stack(self, what: str) -> Stack:
        """One of the stage's stacks; what holds something is protected as the databases are."""
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
    def secret_arns(self) -> list[str]:
        """The secrets that functions read."""
        return [self.data[each] for each in SECRETS]

    def _outputs(self, what: str) -> Mapping[str, str]:
        outputs = self.stack(what).outputs
        if not outputs:
            again = f"make deploy STAGE={self.stage.name}"
            raise Stopped(f"There is no stack {self.project.named(what)}. First: {again}")
        return outputs


def check_target(stage: Stage, warn: Callable[[str], None]) -> None:
    """Refuse a runtime that nothing can be packaged for, before anything is made for it."""
    try:
        target = Target.of(stage.architecture, stage.python)
    except TargetRefused as problem:
        raise Stopped(f"infra/stages.toml, {stage.name}: {problem}") from None
    if bytecode.interpreter(target) is None:
        warn(f"There is no Python {stage.python} on this machine to compile with:")
        warn("functions will start up to four times more slowly (docs/cold-starts.md).")


def check_concurrency(place: Place) -> None:
    """Refuse reservations that the account cannot give, before anything is half done."""
    reserved = sum(each.concurrency or 0 for each in place.project.functions)
    if not reserved:
        return
    limit = place.aws.client("lambda").get_account_settings()["AccountLimit"]
    if reserved + 100 > limit["ConcurrentExecutions"]:
        raise Stopped(
            f"{place.stage.name} reserves {reserved} concurrent executions and AWS keeps 100 "
            f"unreserved; this account has {limit['ConcurrentExecutions']}. Ask for more: Service "
            "Quotas, AWS Lambda, Concurrent executions; or lower .chalice/config.json."
        )
