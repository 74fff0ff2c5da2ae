"""`make deploy DRY_RUN=1`: what would be done, told without credentials or network."""

from collections.abc import Iterable, Iterator

from chalicelib.events import PUSH_QUEUES
from infra.deploy.deploy import STACKS, Deploy
from infra.deploy.place import SECRETS, Place
from infra.deploy.template import Template

GIVEN = ("STAGE", "ISSUER", "WS_URL", "WS_ENDPOINT_URL", "SECRETS", "SECRETS_VERSION")


def lines(place: Place) -> Iterator[str]:
    """The plan of a deploy, as text."""
    stage = place.stage
    yield f"Plan for {stage.name}: account {stage.account or '(not filled in yet)'}, {stage.region}"
    yield f"python{stage.python} on {stage.architecture}, logs kept {stage.log_retention_days} days"
    yield ""
    yield f"Steps: {', '.join(name for name, _ in Deploy(place).steps)}"
    for what in STACKS:
        yield from _stack(place, what)
    yield from _functions(place)
    yield ""
    yield "Environment of every function (values in brackets are known during the deploy):"
    for name in GIVEN:
        yield f"  {name} = {stage.name if name == 'STAGE' else '(...)'}"
    for name, value in sorted(stage.settings.items()):
        yield f"  {name} = {value}"
    yield "  and, read by the functions themselves, what their secrets hold:"
    for secret, settings in SECRETS.items():
        users = _users(place, secret)
        yield f"  {', '.join(settings)}: {', '.join(users)}"
    rates = stage.throttles
    yield f"Throttles: {rates.http_rate} requests, {rates.socket_rate} frames a second"
    yield ""
    yield f"Triggers of {place.project.function('notify').name}: {', '.join(PUSH_QUEUES)}"
    yield ""
    yield from _policies(place)


def _users(place: Place, secret: str) -> list[str]:
    project = place.project
    return [each.key for each in project.functions if secret in project.secrets(each)]


def _stack(place: Place, what: str) -> Iterator[str]:
    template = Template.read(place.root / "infra" / f"{what}.yaml")
    chosen = getattr(place.stage, what)
    # What the deploy finds out itself cannot be known here: it is not missing.
    later = {name: "" for name, one in template.parameters.items() if "Default" not in one}
    template.values({k: v for k, v in later.items() if k not in chosen}, chosen)
    yield ""
    yield f"Stack {place.project.named(what)}, {len(template.resources)} resources at most:"
    for kind, count in template.types.items():
        yield f"  {count:3} {kind}"
    for name, value in chosen.items():
        yield f"  {name} = {value}"


def _functions(place: Place) -> Iterator[str]:
    yield ""
    yield "Functions (memory, timeout, reserved concurrency):"
    for each in place.project.functions:
        reserved = "-" if each.concurrency is None else each.concurrency
        yield f"  {each.name:34} {each.memory:5} MB {each.timeout:4} s {reserved:>5}"


def _policies(place: Place) -> Iterator[str]:
    users: dict[str, list[str]] = {}
    for function in place.project.functions:
        users.setdefault(function.policy, []).append(function.key)
    for policy, names in users.items():
        yield f"Policy .chalice/{policy} of {', '.join(names)}:"
        for statement in place.project.policy(place.project.function(names[0]))["Statement"]:
            actions = _listed(statement["Action"])
            effect = "" if statement["Effect"] == "Allow" else "never "
            for resource in _listed(statement["Resource"]):
                yield f"  {effect}{', '.join(actions)} on {resource}"


def _listed(value: str | Iterable[str]) -> list[str]:
    return [value] if isinstance(value, str) else list(value)
