"""Updates the function `maintain` before all others, because it migrates for them.

Chalice deploys all functions at once, so new code would serve before its tables are there. This
updates the one function as Chalice then updates all.
"""

import json
from typing import Any

from botocore.exceptions import ClientError

from infra.deploy.aws import Aws, code_of
from infra.deploy.functions import deployed
from infra.deploy.project import Function
from infra.package.zips import Zips

POLICY_SECONDS = 15.0
"""How long AWS usually needs to apply a change of a role everywhere."""


def is_there(aws: Aws, function: Function) -> bool:
    """Whether an earlier deploy has made the function."""
    try:
        aws.client("lambda").get_function_configuration(FunctionName=function.name)
    except ClientError as error:
        if code_of(error) != "ResourceNotFoundException":
            raise
        return False
    return True


def update(
    aws: Aws,
    function: Function,
    *,
    zips: Zips,
    layer: str,
    role: str,
    policy: str,
    environment: dict[str, str],
    runtime: str,
    architecture: str,
) -> None:
    """Update code, dependencies, settings and rights of the function, and wait for that."""
    _permit(aws, role, json.loads(policy))
    api = aws.client("lambda")
    published = api.publish_layer_version(
        LayerName=layer,
        Content={"ZipFile": zips.layer.read_bytes()},
        CompatibleRuntimes=[runtime],
        CompatibleArchitectures=[architecture],
    )
    deployed.put(
        aws,
        function.name,
        code=zips.code.read_bytes(),
        architectures=[architecture],
        Runtime=runtime,
        Timeout=function.timeout,
        MemorySize=function.memory,
        Environment={"Variables": environment},
        Layers=[published["LayerVersionArn"]],
    )


def _permit(aws: Aws, role: str, policy: dict[str, Any]) -> None:
    api = aws.client("iam")
    known = api.get_role_policy(RoleName=role, PolicyName=role)["PolicyDocument"]
    if known != policy:
        api.put_role_policy(RoleName=role, PolicyName=role, PolicyDocument=json.dumps(policy))
        aws.pause(POLICY_SECONDS)
