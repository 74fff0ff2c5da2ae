"""`make deploy DRY_RUN=1`: what each step would do. Needs no credentials and no network.

There is one function for each step. `Deploy.steps` names it beside the function that does the
step, so no step can be left out. A value that only AWS knows is shown as its name in brackets.
"""

from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property

from chalice.app import ScheduledEventConfig

from chalicelib.broker.pushes import PUSH_QUEUES
from infra.deploy import given
from infra.deploy.checks import readiness
from infra.deploy.cloudformation.template import Template
from infra.deploy.functions import mappings
from infra.deploy.functions.releases import KEPT
from infra.deploy.gateway.apis import API_STAGE, REST_NAME, socket_name
from infra.deploy.place import SECRETS, UNRESERVED, Place, check_target


class Planned(Place):
    """A stage, with only what this checkout says about it."""

    def __init__(self, place: Place) -> None:
        super().__init__(place.stage, place.console, place.aws, place.root)

    @cached_property
    def api_ids(self) -> tuple[str, str]:
        return "(REST API)", "(WebSocket API)"

    @property
    def secrets_versions(self) -> Mapping[str, str]:
        return {each.key: "(versions of its secrets)" for each in self.project.functions}

    def _outputs(self, what: str) -> Mapping[str, str]:
        return {name: f"({name})" for name in _template(self, what).outputs}


def head(place: Place) -> Iterator[str]:
    """The account and the region."""
    stage = place.stage
    yield f"Plan for {stage.name}: account {stage.account or '(not filled in yet)'}, {stage.region}"
    yield "Values in brackets are known during the deploy."


def check(place: Place) -> Iterator[str]:
    stage = place.stage
    check_target(stage, place.console.progress)
    yield f"python{stage.python} on {stage.architecture}"
    reserved = sum(each.concurrency or 0 for each in place.project.functions)
    needed = reserved + UNRESERVED
    otherwise = "refused" if stage.is_protected else "deployed without reservations"
    yield f"{reserved} concurrent executions are reserved; with less than {needed}: {otherwise}"


def network(place: Place) -> Iterator[str]:
    yield from _stack(place, "network")
    yield "then locks the stage, by an object in (ArtifactsBucket)"


def data(place: Place) -> Iterator[str]:
    yield from _stack(place, "data")


def secrets(place: Place) -> Iterator[str]:
    yield "makes keys for tokens if there are none, and publishes their public halves"
    yield "stores the Firebase account if FCM is given; otherwise it must be stored already"
    yield "stores RabbitMQ's administrator"
    for secret, settings in SECRETS.items():
        project = place.project
        readers = [each.key for each in project.functions if secret in project.secrets(each)]
        yield f"{secret} holds {', '.join(settings)}: read by {', '.join(readers)}"


def package(place: Place) -> Iterator[str]:
    yield f"code and dependencies into build/{place.stage.name}"


def apis(place: Place) -> Iterator[str]:
    yield f"REST API {REST_NAME}, WebSocket API {socket_name(place.stage.name)}, if missing"


def domains(place: Place) -> Iterator[str]:
    wanted = place.stage.domains
    for name in wanted.names if wanted else ():
        yield f"{name}, with {wanted.certificate if wanted else ''}"
    yield "stops if DNS does not know a name" if wanted else "none"


def log_groups(place: Place) -> Iterator[str]:
    yield f"kept {place.stage.log_retention_days} days, encrypted with {place.network['KeyArn']}:"
    for each in place.project.functions:
        yield f"  {each.log_group}"


def migrations(place: Place) -> Iterator[str]:
    maintain = place.project.function("maintain")
    found = sorted(each.stem for each in (place.root / "infra" / "migrations").glob("*.sql"))
    yield f"updates {maintain.name} alone, which then applies what is missing"
    yield f"of {len(found)} SQL migrations{f', the last one {found[-1]}' if found else ''},"
    yield "of the indexes, of the queues, and of the accounts of functions"
    yield "not on a first deploy: no function is there yet"


def functions(place: Place) -> Iterator[str]:
    yield "memory, timeout, reserved concurrency:"
    for each in place.project.functions:
        reserved = "-" if each.concurrency is None else each.concurrency
        yield f"  {each.name:34} {each.memory:5} MB {each.timeout:4} s {reserved:>5}"
    yield "environment:"
    environments = given.environments(place)
    for name, value in sorted(environments["maintain"].items()):
        same = all(each[name] == value for each in environments.values())
        yield f"  {name} = {value if same else '(its own)'}"
    yield "schedules:"
    for name, rate in _schedules():
        yield f"  {place.project.named(f'{name}-event')}: {rate}"
    yield f"layer {place.project.named('managed-layer')}, the same for all"
    yield f"keeps code and layers of {KEPT} deploys for a rollback, and deletes older ones"
    yield from _policies(place)


def answers(_: Place) -> Iterator[str]:
    yield f"a route response on $default, and a new deployment of the stage {API_STAGE}"


def connect(place: Place) -> Iterator[str]:
    wanted = place.stage.domains
    for name, api in zip(wanted.names if wanted else (), place.api_ids, strict=False):
        yield f"{name} to {api}"
    yield "deletes names that this stage made and no longer has"


def throttles(place: Place) -> Iterator[str]:
    rates = place.stage.throttles
    yield f"{rates.http_rate} requests a second, {rates.http_burst} at once"
    yield f"{rates.socket_rate} frames a second, {rates.socket_burst} at once"


def first_migrations(_: Place) -> Iterator[str]:
    yield "the migrations, on a first deploy"


def triggers(place: Place) -> Iterator[str]:
    notify = place.project.function("notify").name
    batch = f"{mappings.BATCH} at a time or after {mappings.WINDOW_SECONDS} s"
    yield f"{notify} by {', '.join(PUSH_QUEUES)}, {batch}"


def watch(place: Place) -> Iterator[str]:
    yield from _stack(place, "watch")
    template = _template(place, "watch").parameters.get("FloodRequests", {})
    most = int(place.stage.watch.get("FloodRequests", template.get("Default", 0)))
    flood = f"refuses an address after {most} requests in five minutes" if most else "none"
    yield f"WAF: {flood}"
    yield f"alarms go to {place.stage.alarm_email or 'no address'}"


def ready(place: Place) -> Iterator[str]:
    url = f"{place.addresses['ISSUER']}/v1/ready"
    yield f"calls {url} until all servers answer, for {readiness.SECONDS} s at most"


def canary(_: Place) -> Iterator[str]:
    yield f"a test record through {', '.join(PUSH_QUEUES)}; FCM only checks it"


def retire(_: Place) -> Iterator[str]:
    yield "removes accounts of earlier generations of passwords from PostgreSQL and RabbitMQ"


def _stack(place: Place, what: str) -> Iterator[str]:
    template, chosen = _template(place, what), getattr(place.stage, what)
    values = template.values(given.parameters(place, what, "(of the account)"), chosen)
    protected = what != "watch" and place.stage.is_protected
    yield f"stack {place.project.named(what)}{', protected' if protected else ''}"
    yield f"{len(template.resources)} resources at most:"
    for kind, count in template.types.items():
        yield f"  {count:3} {kind}"
    yield "parameters, where they are not the template's own:"
    for name, value in values.items():
        yield f"  {name} = {value}"


def _template(place: Place, what: str) -> Template:
    return Template.read(place.root / "infra" / f"{what}.yaml")


def _schedules() -> list[tuple[str, str]]:
    from app import app

    rates = {
        each.name: each.schedule_expression
        for each in app.event_sources
        if isinstance(each, ScheduledEventConfig)
    }
    return sorted((k, v if isinstance(v, str) else v.to_string()) for k, v in rates.items())


def _policies(place: Place) -> Iterator[str]:
    roles: dict[str, list[str]] = {}
    for function in place.project.functions:
        place.project.filled_policy(function, given.blanks(place))
        roles.setdefault(function.policy, []).append(place.project.named(function.key))
    for policy, names in roles.items():
        yield f"policy .chalice/{policy} of {', '.join(names)}:"
        function = next(each for each in place.project.functions if each.policy == policy)
        for statement in place.project.policy(function)["Statement"]:
            actions = ", ".join(_listed(statement["Action"]))
            effect = "" if statement["Effect"] == "Allow" else "never "
            limits = "".join(
                f", {_limit(each)}" for each in statement.get("Condition", {}).values()
            )
            for resource in _listed(statement["Resource"]):
                yield f"  {effect}{actions} on {resource}{limits}"


def _limit(condition: Mapping[str, str]) -> str:
    return " and ".join(f"where {name} is {value}" for name, value in condition.items())


def _listed(value: str | Iterable[str]) -> list[str]:
    return [value] if isinstance(value, str) else list(value)
