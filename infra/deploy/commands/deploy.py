"""`make deploy`: updates a stage, step by step. Each step may be repeated."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from chalicelib.broker.pushes import PUSH_QUEUES
from infra.deploy import given
from infra.deploy.checks import canary, readiness
from infra.deploy.cloudformation.template import Template
from infra.deploy.commands import plan
from infra.deploy.functions import chalice, first, logs, maintenance
from infra.deploy.functions.mappings import Mappings
from infra.deploy.functions.releases import Releases
from infra.deploy.gateway import answers, throttles
from infra.deploy.gateway.domains import CustomDomains, resolves
from infra.deploy.place import Place, check_concurrency, check_target, concurrency
from infra.deploy.vault import Vault, service_account
from infra.package import zips
from infra.package.staging import staged


class Step(NamedTuple):
    """A step of a deploy: its name, its plan, and the function that does it."""

    name: str
    plan: Callable[[Place], Iterator[str]]
    run: Callable[[], str]


class Deploy:
    """One run. A lock in the artifacts bucket prevents two runs at once."""

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
            self._console.run([(each.name, each.run) for each in self.steps])
        addresses = self._place.addresses
        self._console.say()
        self._console.say(f"  HTTPS      {addresses['ISSUER']}")
        self._console.say(f"  WSS        {addresses['WS_URL']}")
        if dashboard := self._place.stack("watch").outputs.get("DashboardUrl"):
            self._console.say(f"  dashboard  {dashboard}")

    @property
    def steps(self) -> list[Step]:
        """What is done, in order."""
        return [
            Step("check", plan.check, self._check),
            Step("network", plan.network, self._network),
            Step("data", plan.data, self._data),
            Step("secrets", plan.secrets, self._secrets),
            Step("package", plan.package, self._pack),
            Step("APIs", plan.apis, self._make_apis),
            Step("domain names", plan.domains, self._domains),
            Step("log groups", plan.log_groups, self._log_groups),
            Step("migrations", plan.migrations, self._migrate),
            Step("functions", plan.functions, self._functions),
            Step("socket answers", plan.answers, self._answers),
            Step("domain mappings", plan.connect, self._connect),
            Step("throttles", plan.throttles, self._throttle),
            Step("first migrations", plan.first_migrations, self._migrate_first),
            Step("queue triggers", plan.triggers, self._triggers),
            Step("alarms", plan.watch, self._watch),
            Step("ready", plan.ready, self._look),
            Step("canary", plan.canary, self._canary),
            Step("old accounts", plan.retire, self._retire),
        ]

    def plan(self) -> Iterator[str]:
        """What `run` would do, without credentials or network. Raises Stopped for what is wrong
        in this checkout."""
        planned = plan.Planned(self._place)
        yield from plan.head(planned)
        for number, step in enumerate(self.steps, start=1):
            yield ""
            yield f"[{number:2}/{len(self.steps)}] {step.name}"
            for line in step.plan(planned):
                yield f"  {line}"
        if self._fcm:
            service_account(self._fcm)

    def _check(self) -> str:
        outcome = self._place.check()
        check_target(self._stage, self._console.progress)
        self._reserves = check_concurrency(self._place)
        return f"{outcome}, python{self._stage.python} on {self._stage.architecture}"

    def _network(self) -> str:
        outcome = self._apply("network")
        self._held.enter_context(self._place.artifacts.locked())
        return outcome

    def _data(self) -> str:
        return self._apply("data")

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
        """Migrate with the new `maintain` while the other functions are old: old code works with
        what a migration adds, and new code needs it."""
        project = self._place.project
        maintain = project.function("maintain")
        if not first.is_there(self._aws, maintain):
            return "no function is there yet: they run after the functions"
        first.update(
            self._aws,
            maintain,
            zips=zips.build(self._folder),
            layer=project.named("managed-layer"),
            role=project.named(maintain.key),
            policy=project.filled_policy(maintain, given.blanks(self._place)),
            environment=given.environments(self._place)[maintain.key],
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
            values=given.blanks(self._place),
            environments=given.environments(self._place),
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
                self._place.addresses["ISSUER"],
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
        return answers.ensure(self._aws, self._place.api_ids[1])

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
        return self._apply("watch", str(concurrency(self._aws)))

    def _look(self) -> str:
        issuer = self._place.addresses["ISSUER"]
        return self._ready(self._aws, issuer, self._console.progress)

    def _canary(self) -> str:
        function = self._place.project.function("notify").name
        maintain = self._place.project.function("maintain").name
        mappings = Mappings(self._aws, function, self._console.progress)
        return canary.send(self._aws, maintain, mappings.problems)

    def _apply(self, what: str, concurrency: str = "") -> str:
        template = Template.read(self._place.root / "infra" / f"{what}.yaml")
        found = given.parameters(self._place, what, concurrency)
        chosen = getattr(self._stage, what)
        upload = None if what == "network" else self._place.artifacts.upload
        return self._place.stack(what).apply(
            template, template.values(found, chosen), tags=self._place.tags, upload=upload
        )

    @property
    def _runtime(self) -> str:
        about = staged(self._folder)
        assert about is not None, "packaged by a step before"
        return about.target.runtime
