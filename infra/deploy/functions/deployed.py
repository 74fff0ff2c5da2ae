"""What Chalice made: functions, schedules, roles, layers. Here they are changed alone, and deleted.

`chalice delete` knows only the list of its last successful deploy, and always fails if a resource
of the list is missing. Deleting a stage must work in both cases.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from botocore.exceptions import ClientError

from infra.deploy.aws import Aws, code_of
from infra.deploy.gateway.apis import Apis
from infra.deploy.project import Project

_GONE = {"ResourceNotFoundException", "NoSuchEntity", "NotFoundException"}


def delete(aws: Aws, project: Project, deployed: dict[str, Any]) -> str:
    """Delete the functions, schedules, roles, layers and APIs of the stage that exist."""
    listed = deployed["resources"]
    functions = {each.name for each in project.functions}
    functions |= {each["lambda_arn"].split(":")[-1] for each in listed if "lambda_arn" in each}
    rules = {project.named(f"{each.key}-event") for each in project.functions}
    rules |= {each["rule_name"] for each in listed if "rule_name" in each}
    roles = {project.named(each.key) for each in project.functions}
    roles |= {each["role_name"] for each in listed if "role_name" in each}
    rest, sockets = Apis(aws, project.stage).found(deployed)
    gateway, gateway2 = aws.client("apigateway"), aws.client("apigatewayv2")
    lambdas = aws.client("lambda")
    counts = {
        "APIs": _each(rest, lambda api: gateway.delete_rest_api(restApiId=api))
        + _each(sockets, lambda api: gateway2.delete_api(ApiId=api)),
        "schedules": _each(rules, lambda rule: _delete_rule(aws, rule)),
        "functions": _each(functions, lambda name: lambdas.delete_function(FunctionName=name)),
        "layers": prune_layers(aws, project, keep=()),
        "roles": _each(roles, lambda role: _delete_role(aws, role)),
    }
    return ", ".join(f"{count} {what}" for what, count in counts.items()) + " deleted"


def prune_layers(aws: Aws, project: Project, *, keep: Collection[str]) -> int:
    """Delete all other versions of the stage's layer; functions keep what they use."""
    api, name = aws.client("lambda"), project.named("managed-layer")
    pages = api.get_paginator("list_layer_versions").paginate(LayerName=name)
    count = 0
    with suppress(api.exceptions.ResourceNotFoundException):
        for version in [each for page in pages for each in page["LayerVersions"]]:
            if version["LayerVersionArn"] not in keep:
                api.delete_layer_version(LayerName=name, VersionNumber=version["Version"])
                count += 1
    return count


def layer_digest(aws: Aws, arn: str) -> str:
    """The digest of a layer version. Empty if the version is deleted."""
    try:
        found = aws.client("lambda").get_layer_version_by_arn(Arn=arn)
    except ClientError as error:
        if code_of(error) != "ResourceNotFoundException":
            raise
        return ""
    return str(found["Content"]["CodeSha256"])


def have_secrets(aws: Aws, project: Project, versions: Mapping[str, str]) -> bool:
    """Whether every function runs with this version of its secrets."""
    return all(
        variables(aws, each.name).get("SECRETS_VERSION") == versions[each.key]
        for each in project.functions
    )


def take_secrets(aws: Aws, project: Project, versions: Mapping[str, str]) -> None:
    """Change SECRETS_VERSION of functions whose secrets changed; they get new containers."""
    api = aws.client("lambda")
    for function in project.functions:
        now = variables(aws, function.name)
        if now.get("SECRETS_VERSION") != versions[function.key]:
            api.update_function_configuration(
                FunctionName=function.name,
                Environment={"Variables": {**now, "SECRETS_VERSION": versions[function.key]}},
            )
    for function in project.functions:
        api.get_waiter("function_updated_v2").wait(FunctionName=function.name)


def put(
    aws: Aws, name: str, *, code: bytes, architectures: Sequence[str], **configuration: Any
) -> None:
    """Change a function's configuration and code, and wait until both are active."""
    api = aws.client("lambda")
    updated = api.get_waiter("function_updated_v2")
    updated.wait(FunctionName=name)
    api.update_function_configuration(FunctionName=name, **configuration)
    updated.wait(FunctionName=name)
    api.update_function_code(FunctionName=name, ZipFile=code, Architectures=list(architectures))
    updated.wait(FunctionName=name)


def variables(aws: Aws, name: str) -> dict[str, str]:
    """The environment variables of a function."""
    found = aws.client("lambda").get_function_configuration(FunctionName=name)
    return dict(found.get("Environment", {}).get("Variables", {}))


def _each(names: Iterable[str], remove: Callable[[str], Any]) -> int:
    """How many there were."""
    count = 0
    for name in sorted(names):
        try:
            remove(name)
            count += 1
        except ClientError as error:
            if code_of(error) not in _GONE:
                raise
    return count


def _delete_rule(aws: Aws, rule: str) -> None:
    api = aws.client("events")
    targets = [each["Id"] for each in api.list_targets_by_rule(Rule=rule)["Targets"]]
    if targets:
        api.remove_targets(Rule=rule, Ids=targets)
    api.delete_rule(Name=rule)


def _delete_role(aws: Aws, role: str) -> None:
    api = aws.client("iam")
    for policy in api.list_role_policies(RoleName=role)["PolicyNames"]:
        api.delete_role_policy(RoleName=role, PolicyName=policy)
    api.delete_role(RoleName=role)
