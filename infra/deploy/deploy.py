"""`make deploy`: brings a stage up to date, step by step; each step may be repeated."""

import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path

from chalicelib.events import PUSH_QUEUES
from infra.deploy import answers, canary, chalice, functions, logs, maintenance, readiness
from infra.deploy.apis import Apis
from infra.deploy.mappings import Mappings
from infra.deploy.place import Place, check_concurrency, check_target
from infra.deploy.template import Template
from infra.deploy.vault import Vault

STACKS = ("network", "data", "watch")


class Deploy:
    """One run. What is under way elsewhere is kept out by a lock in the artifacts bucket."""

    def __init__(
        self,
        place: Place,
        *,
        fcm: Path | None = None,
        package: Callable[..., None] = chalice.package,
        command: list[str] = chalice.COMMAND,
        ready: Callable[..., str] = readiness.wait,
    ) -> None:
        self._place = place
        self._stage = place.stage
        self._aws = place.aws
        self._console = place.console
        self._fcm = fcm
        self._package = package
        self._command = command
        self._ready = ready
        self._folder = place.root / "build" / place.stage.name
        self._again = f"make deploy STAGE={place.stage.name}"
        self._held = ExitStack()

    def run(self) -> None:
        """Do all steps. Raises at the first that fails."""
        with self._held:
            self._console.run(self.steps)
        rest, socket = self._api_ids
        self._console.say()
        self._console.say(f"  HTTPS      {self._apis.http_url(rest)}")
        self._console.say(f"  WSS        {self._apis.socket_url(socket)}")
        if dashboard := self._place.stack("watch").outputs.get("DashboardUrl"):
            self._console.say(f"  dashboard  {dashboard}")

    @property
    def steps(self) -> list[tuple[str, Callable[[], str]]]:
        """What is done, in order."""
        return [
            ("check", self._check),
            ("network", self._network),
            ("data", self._data),
            ("secrets", self._secrets),
            ("package", self._pack),
            ("APIs", self._make_apis),
            ("log groups", self._log_groups),
            ("functions", self._functions),
            ("socket answers", self._answers),
            ("migrations", self._migrate),
            ("queue triggers", self._triggers),
            ("alarms", self._watch),
            ("ready", self._look),
            ("canary", self._canary),
        ]

    def _check(self) -> str:
        outcome = self._place.check()
        check_target(self._stage, self._console.progress)
        check_concurrency(self._place)
        return f"{outcome}, python{self._stage.python} on {self._stage.architecture}"

    def _network(self) -> str:
        outcome = self._apply("network", {"Stage": self._stage.name}, self._stage.network)
        self._held.enter_context(self._place.artifacts.locked())
        return outcome

    def _data(self) -> str:
        found = {**self._place.network, "Stage": self._stage.name}
        return self._apply("data", found, self._stage.data)

    def _secrets(self) -> str:
        vault = Vault(self._aws)
        made = vault.fill_jwt(self._place.data["JwtSecretArn"], time.time())
        stored = vault.fill_fcm(self._place.data["FcmSecretArn"], self._fcm, self._again)
        return f"{made}, {stored}"

    def _pack(self) -> str:
        self._package(
            self._folder, architecture=self._stage.architecture, python=self._stage.python
        )
        return f"in build/{self._stage.name}"

    def _make_apis(self) -> str:
        before = self._place.artifacts.read()
        after = self._apis.ensure(before)
        self._place.artifacts.write(after)
        known = all(each in before["resources"] for each in after["resources"])
        return "unchanged" if known else "created"

    def _log_groups(self) -> str:
        return logs.ensure(
            self._aws,
            [each.log_group for each in self._place.project.functions],
            days=self._stage.log_retention_days,
            key_arn=self._place.network["KeyArn"],
        )

    def _functions(self) -> str:
        stage, network = self._stage.name, self._place.network
        self._place.project.fill(
            self._folder,
            values=self._blanks(),
            environment=self._environment(),
            architecture=self._stage.architecture,
            subnet_ids=network["PrivateSubnetIds"].split(","),
            security_group_ids=[network["FunctionSecurityGroupId"]],
        )
        chalice.keep(self._folder, stage, self._place.artifacts.read())
        try:
            chalice.deploy(
                self._folder,
                stage,
                self._stage.region,
                progress=self._console.progress,
                log=self._place.root / ".local" / f"deploy-{stage}.log",
                command=self._command,
            )
        finally:
            deployed = chalice.deployed(self._folder, stage)
            self._place.artifacts.write(deployed)
        made = deployed["resources"]
        for layer in (each["layer_version_arn"] for each in made if "layer_version_arn" in each):
            functions.prune_layers(self._aws, self._place.project, keep=layer)
        return f"{sum('lambda_arn' in each for each in made)} deployed"

    def _answers(self) -> str:
        return answers.ensure(self._aws, self._api_ids[1], redeployed=True)

    def _migrate(self) -> str:
        function = self._place.project.function("maintain").name
        maintenance.invoke(self._aws, function, {"task": "migrate"})
        return "applied"

    def _triggers(self) -> str:
        function = self._place.project.function("notify").name
        return Mappings(self._aws, function, self._console.progress).ensure(
            broker_arn=self._place.data["BrokerArn"],
            secret_arn=self._place.data["BrokerSecretArn"],
            queues=PUSH_QUEUES,
        )

    def _watch(self) -> str:
        found = {
            **self._place.network,
            **self._place.data,
            "Stage": self._stage.name,
            "RestApiName": "parley",
            "WebSocketApiId": self._api_ids[1],
            "AlarmEmail": self._stage.alarm_email,
        }
        return self._apply("watch", found, self._stage.watch)

    def _look(self) -> str:
        issuer = self._apis.http_url(self._api_ids[0])
        return self._ready(self._aws, issuer, self._console.progress)

    def _canary(self) -> str:
        function = self._place.project.function("notify").name
        maintain = self._place.project.function("maintain").name
        mappings = Mappings(self._aws, function, self._console.progress)
        return canary.send(self._aws, maintain, mappings.problems)

    @property
    def _apis(self) -> Apis:
        return Apis(self._aws, self._stage.name)

    @cached_property
    def _api_ids(self) -> tuple[str, str]:
        return self._apis.ids(self._place.artifacts.read())

    def _apply(self, what: str, found: dict[str, str], chosen: dict[str, str]) -> str:
        template = Template.read(self._place.root / "infra" / f"{what}.yaml")
        upload = None if what == "network" else self._place.artifacts.upload
        return self._place.stack(what).apply(
            template, template.values(found, chosen), tags=self._place.tags, upload=upload
        )

    def _blanks(self) -> dict[str, str]:
        return {
            **self._place.network,
            **self._place.data,
            "PARTITION": self._aws.partition,
            "DOMAIN": self._aws.domain,
            "REGION": self._stage.region,
            "ACCOUNT": self._stage.account,
            "WEBSOCKET_API_ID": self._api_ids[1],
        }

    def _environment(self) -> dict[str, str]:
        rest, socket = self._api_ids
        return {
            **self._stage.settings,
            "STAGE": self._stage.name,
            "ISSUER": self._apis.http_url(rest),
            "WS_URL": self._apis.socket_url(socket),
            "WS_ENDPOINT_URL": self._apis.http_url(socket),
            "EXPORTS_BUCKET": self._place.data["ExportsBucket"],
            "SECRETS": ",".join(self._place.secret_arns),
            "SECRETS_VERSION": Vault(self._aws).version(self._place.secret_arns),
        }
