"""Invokes `maintain`: it runs in the VPC, and does what the deploy cannot do from outside."""

import json
from typing import Any

from botocore.exceptions import ClientError, ReadTimeoutError

from infra.deploy.aws import Aws, code_of
from infra.deploy.errors import Stopped


def invoke(aws: Aws, function: str, payload: dict[str, Any]) -> dict[str, Any]:
    """Have a task done and return its answer. Raises Stopped if it fails."""
    task = payload["task"]
    try:
        answer = aws.invoker.invoke(
            FunctionName=function,
            InvocationType="RequestResponse",
            Payload=json.dumps(payload).encode(),
        )
    except ReadTimeoutError:
        raise Stopped(f"{function} did not answer in time. {_look(aws, function)}") from None
    except ClientError as error:
        if code_of(error) == "TooManyRequestsException":
            raise Stopped(f"{function} is throttled. Try again in a minute.") from None
        raise
    body = json.loads(answer["Payload"].read() or b"null")
    if answer.get("FunctionError"):
        said = body.get("errorMessage") if isinstance(body, dict) else None
        raise Stopped(f"{task} failed: {said or 'no reason given'}. {_look(aws, function)}")
    if not isinstance(body, dict):
        raise Stopped(f"{task} gave an unknown answer. {_look(aws, function)}")
    return body


def _look(aws: Aws, function: str) -> str:
    return f"Its log: aws logs tail /aws/lambda/{function} --since 10m --region {aws.region}"
