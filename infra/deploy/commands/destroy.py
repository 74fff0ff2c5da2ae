"""`make destroy`: deletes a stage, step by step, and skips what is already deleted."""

from collections.abc import Callable
from contextlib import ExitStack
from functools import cached_property
from typing import Any

from botocore.exceptions import ClientError

from infra.deploy.aws import code_of
from infra.deploy.errors import Stopped
from infra.deploy.functions import deployed, logs
from infra.deploy.functions.mappings import Mappings
from infra.deploy.gateway.domains import CustomDomains
from infra.deploy.place import Place
from infra.deploy.state import EMPTY, Artifacts

INTERFACE_SECONDS = 3600
"""Lambda releases network interfaces about twenty minutes after the last function is deleted."""


class Destroy:
    """One run."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._aws = place.aws
        self._console = place.console
        self._network = place.stack("network")
        self._data = place.stack("data")
        self._held = ExitStack()
        self._stays: list[str] = []

    def run(self) -> None:
        """Ask, then do all steps. Raises at the first that fails."""
        with self._held:
            self._console.run(self.steps)
        if self._stays:
            self._console.say("\n  Still there; delete them yourself:")
            for each in self._stays:
                self._console.say(f"    {each}")

    @property
    def steps(self) -> list[tuple[str, Callable[[], str]]]:
        """What is done, in order."""
        return [
            ("check", self._check),
            ("queue triggers", self._triggers),
            (
                "alarms",
                self._place.stack("watch").delete,
            ),  # with the WAF of the API, while the API exists
            ("domain names", CustomDomains(self._aws, self._place.stage.name).delete),
            ("functions", self._functions),
            ("log groups", self._log_groups),
            ("network interfaces", self._interfaces),
            ("data", self._data.delete),
            ("artifacts", self._empty),
            ("network", self._network.delete),
        ]

    def _check(self) -> str:
        outcome = self._place.check()
        stage = self._place.stage.name
        protected = self._data.parameters.get("DeletionProtection") == "true"
        if protected or self._data.is_protected or self._network.is_protected:
            raise Stopped(
                f"{stage} is protected. To delete it anyway: set DeletionProtection = false in "
                f"[{stage}.data] of infra/stages.toml, then make deploy STAGE={stage}, then this."
            )
        self._ask(outcome)
        self._stays = self._what_stays()
        if self._artifacts:
            try:
                self._held.enter_context(self._artifacts.locked())
            except ClientError as error:
                if code_of(error) != "NoSuchBucket":  # an earlier run deleted it
                    raise
        return outcome

    def _ask(self, where: str) -> None:
        """Ask about everything that will be lost, before anything is deleted."""
        name = self._place.stage.name
        self._console.confirm(
            f"This deletes all of {name} in {where}: its addresses stop working forever.",
            word=f"destroy {name}",
        )
        if self._data.status:
            self._console.confirm(
                f"{self._data.name}: the databases, the broker and the secrets are deleted. "
                "PostgreSQL keeps a final snapshot; keys, queued pushes and sessions are lost.",
                word="data",
            )
        if self._artifacts:
            self._console.confirm(
                f"The deploy's own bucket {self._artifacts.bucket} is deleted, with all versions.",
                word="empty",
            )

    def _triggers(self) -> str:
        notify = self._place.project.function("notify").name
        return Mappings(self._aws, notify, self._console.progress).delete()

    def _functions(self) -> str:
        return deployed.delete(self._aws, self._place.project, self._deployed)

    def _log_groups(self) -> str:
        return logs.delete(self._aws, [each.log_group for each in self._place.project.functions])

    def _interfaces(self) -> str:
        """Wait until Lambda has released its interfaces in the VPC. Groups and subnets cannot be
        deleted before."""
        vpc = self._network.outputs.get("VpcId")
        if not vpc:
            return "not there"
        ec2 = self._aws.client("ec2")
        vpc_only = [{"Name": "vpc-id", "Values": [vpc]}]

        def gone() -> bool:
            pages = ec2.get_paginator("describe_network_interfaces").paginate(Filters=vpc_only)
            left = [
                each
                for page in pages
                for each in page["NetworkInterfaces"]
                if each.get("InterfaceType") == "lambda"
            ]
            if left:
                self._console.progress(
                    f"{len(left)} still belong to Lambda; this takes about 20 minutes"
                )
            return not left

        self._aws.wait(
            gone,
            seconds=INTERFACE_SECONDS,
            every=30,
            late="Lambda has not given its network interfaces back yet. Run this again later.",
        )
        return "gone"

    def _empty(self) -> str:
        return self._artifacts.delete() if self._artifacts else "not there"

    @cached_property
    def _artifacts(self) -> Artifacts | None:
        return self._place.artifacts if self._network.outputs else None

    @property
    def _deployed(self) -> dict[str, Any]:
        try:
            return self._artifacts.read() if self._artifacts else EMPTY
        except ClientError as error:
            if code_of(error) != "NoSuchBucket":
                raise
            return EMPTY

    def _what_stays(self) -> list[str]:
        network, data = self._network.outputs, self._data.outputs
        stays = []
        if bucket := data.get("MediaBucket"):
            stays.append(f"media: bucket {bucket}")
            stays.append(f"archives of users' data (a week): bucket {data['ExportsBucket']}")
            stays.append("final snapshots of databases: RDS console, Snapshots, Manual")
        if key := network.get("KeyArn"):
            stays.append(f"the key that reads all of that: {key}")
        return stays
