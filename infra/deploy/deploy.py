"""`make deploy`: brings a stage up to date, step by step; each step may be repeated."""

import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from chalicelib.events import PUSH_QUEUES
from infra.deploy import (
    answers,
    canary,
    chalice,
    first,
    logs,
    maintenance,
    readiness,
    throttles,
)
from infra.deploy.domains import CustomDomains, resolves
from infra.deploy.mappings import Mappings
from infra.deploy.place import Place, check_concurrency, check_target, concurrency
from infra.deploy.releases import Releases
from infra.deploy.template import Template
from infra.deploy.vault import Vault
from infra.package import zips
from infra.package.staging import staged

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
        resolves: Callable[[str], bool] = resolves,
    ) -> None:
        self._place = place
        self._stage = place.stage
        self._aws = place.aws
        self._console = place.console
        self._fcm = fcm
        self._package = package
        self._command = command
        self._ready = ready
        self._resolves = resolves
        self._folder = place.root / "build" / place.stage.name
        self._again = f"make deploy STAGE={place.stage.name}"
        self._held = ExitStack()
        self._reserves = True
        self._migrated = False

    def run(self) -> None:
        """Do all steps. Raises at the first that fails."""
        with self._held:
            self._console.run(self.steps)
        addresses = self._place.addresses
        self._console.say()
        self._console.say(f"  HTTPS      {addresses['ISSUER']}")
        self._console.say(f"  WSS        {addresses['WS_URL']}")
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
            ("domain names", self._domains),
            ("log groups", self._log_groups),
            ("migrations", self._migrate),
            ("functions", self._functions),
            ("socket answers", self._answers),
            ("domain mappings", self._connect),
            ("throttles", self._throttle),
            ("first migrations", self._migrate_first),
            ("queue triggers", self._triggers),
            ("alarms", self._watch),
            ("ready", self._look),
            ("canary", self._canary),
            ("old accounts", self._retire),
        ]

    def _check(self) -> str:
        outcome = self._place.check()
        check_target(self._stage, self._console.progress)
        self._reserves = check_concurrency(self._place)
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
        data = self._place.data
        made = vault.fill_jwt(data["JwtSecretArn"], data["JwtPublicSecretArn"], time.time())
        stored = vault.fill_fcm(data["FcmSecretArn"], self._fcm, self._again)
        broker = vault.fill_broker(
            data["BrokerAdminSecretArn"],
            data["BrokerSecretArn"],
            data["BrokerConsoleUrl"],
            int(data["PasswordGeneration"]),
        )
        return f"{made}, {stored}, {broker}"

    def _pack(self) -> str:
        self._package(
            self._folder, architecture=self._stage.architecture, python=self._stage.python
        )
        return f"in build/{self._stage.name}"

    def _make_apis(self) -> str:
        before = self._place.artifacts.read()
        after = self._place.apis.ensure(before)
        self._place.artifacts.write(after)
        known = all(each in before["resources"] for each in after["resources"])
        return "unchanged" if known else "created"

    def _domains(self) -> str:
        domains = CustomDomains(self._aws, self._stage.name)
        return domains.ensure(self._stage.domains, *self._place.api_ids, self._resolves)

    def _connect(self) -> str:
        domains = CustomDomains(self._aws, self._stage.name)
        return domains.connect(self._stage.domains, *self._place.api_ids)

    def _log_groups(self) -> str:
        return logs.ensure(
            self._aws,
            [each.log_group for each in self._place.project.functions],
            days=self._stage.log_retention_days,
            key_arn=self._place.network["KeyArn"],
        )

    def _migrate(self) -> str:
        """With the new `maintain`, while the other functions are the old ones: they understand
        what a migration adds, and the new ones rely on it."""
        project = self._place.project
        maintain = project.function("maintain")
        if not first.is_there(self._aws, maintain):
            return "nothing serves yet: they follow the functions"
        first.update(
            self._aws,
            maintain,
            zips=zips.build(self._folder),
            layer=project.named("managed-layer"),
            role=project.named(maintain.key),
            policy=project.filled_policy(maintain, self._blanks()),
            environment=self._environments()[maintain.key],
            runtime=self._runtime,
            architecture=self._stage.architecture,
        )
        self._migrated = True
        return self._apply_migrations()

    def _migrate_first(self) -> str:
        return "done before" if self._migrated else self._apply_migrations()

    def _apply_migrations(self) -> str:
        function = self._place.project.function("maintain").name
        maintenance.invoke(self._aws, function, {"task": "migrate"})
        Vault(self._aws).settle_broker(self._place.data["BrokerAdminSecretArn"])
        return "applied"

    def _retire(self) -> str:
        function = self._place.project.function("maintain").name
        answer = maintenance.invoke(self._aws, function, {"task": "retire"})
        return ", ".join(answer["retired"]) or "none"

    def _functions(self) -> str:
        stage, network = self._stage.name, self._place.network
        self._place.project.fill(
            self._folder,
            values=self._blanks(),
            environments=self._environments(),
            architecture=self._stage.architecture,
            subnet_ids=network["PrivateSubnetIds"].split(","),
            security_group_ids=[network["FunctionSecurityGroupId"]],
            reserve=self._reserves,
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
        releases = Releases(self._aws, self._place.artifacts, self._place.project)
        releases.add(zips.build(self._folder).code.read_bytes())
        return f"{sum('lambda_arn' in each for each in made)} deployed"

    def _answers(self) -> str:
        return answers.ensure(self._aws, self._place.api_ids[1], redeployed=True)

    def _throttle(self) -> str:
        rest, socket = self._place.api_ids
        return throttles.ensure(self._aws, rest, socket, self._stage.throttles)

    def _triggers(self) -> str:
        function = self._place.project.function("notify").name
        return Mappings(self._aws, function, self._console.progress).ensure(
            broker_arn=self._place.data["BrokerArn"],
            secret_arn=self._place.data["BrokerUserSecretArn"],
            queues=PUSH_QUEUES,
        )

    def _watch(self) -> str:
        found = {
            **self._place.network,
            **self._place.data,
            "Stage": self._stage.name,
            "RestApiName": "parley",
            "RestApiId": self._place.api_ids[0],
            "WebSocketApiId": self._place.api_ids[1],
            "AccountConcurrency": str(concurrency(self._aws)),
            "AlarmEmail": self._stage.alarm_email,
        }
        return self._apply("watch", found, self._stage.watch)

    def _look(self) -> str:
        issuer = self._place.addresses["ISSUER"]
        return self._ready(self._aws, issuer, self._console.progress)

    def _canary(self) -> str:
        function = self._place.project.function("notify").name
        maintain = self._place.project.function("maintain").name
        mappings = Mappings(self._aws, function, self._console.progress)
        return canary.send(self._aws, maintain, mappings.problems)

    def _apply(self, what: str, found: dict[str, str], chosen: dict[str, str]) -> str:
        template = Template.read(self._place.root / "infra" / f"{what}.yaml")
        upload = None if what == "network" else self._place.artifacts.upload
        return self._place.stack(what).apply(
            template, template.values(found, chosen), tags=self._place.tags, upload=upload
        )

    def _blanks(self) -> dict[str, str]:
        sender = self._stage.settings.get("MAIL_FROM", "")
        return {
            **self._place.network,
            **self._place.data,
            "PARTITION": self._aws.partition,
            "DOMAIN": self._aws.domain,
            "REGION": self._stage.region,
            "ACCOUNT": self._stage.account,
            "WEBSOCKET_API_ID": self._place.api_ids[1],
            "MAIL_FROM": sender,
            "MAIL_DOMAIN": sender.rpartition("@")[2],
        }

    def _environments(self) -> dict[str, dict[str, str]]:
        """By function: what all are told, and which secrets are its own."""
        common = {
            **self._stage.settings,
            "STAGE": self._stage.name,
            **self._place.addresses,
            "EXPORTS_BUCKET": self._place.data["ExportsBucket"],
        }
        versions = self._place.secrets_versions
        return {
            each.key: {
                **common,
                "SECRETS": ",".join(self._place.secret_arns(each)),
                "SECRETS_VERSION": versions[each.key],
            }
            for each in self._place.project.functions
        }

    @property
    def _runtime(self) -> str:
        about = staged(self._folder)
        assert about is not None, "packaged by a step before"
        return about.target.runtime
