"""Settings in AWS Secrets Manager: all secrets are read in one call."""

import json
import time
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from chalicelib.drivers.http import KeptConnections
from chalicelib.drivers.sigv4 import Signer
from chalicelib.errors.counted import unavailable

TRIES = 2
PAUSE_SECONDS = 0.1

_HEADERS = {
    "content-type": "application/x-amz-json-1.1",
    "x-amz-target": "secretsmanager.BatchGetSecretValue",
}


class SecretsUnreadable(Exception):
    """Names the secret that cannot be read and the reason, never its content."""


def read(ids: Sequence[str], *, url: str, signer: Signer) -> dict[str, Any]:
    """The members of all these secrets, each of which holds a JSON object.

    Without boto3, which takes longer to load than everything else at a cold start (docs/decisions).
    Raises SecretsUnreadable, or Unavailable if Secrets Manager does not answer in time.
    """
    text = _ask(json.dumps({"SecretIdList": list(ids)}).encode(), url, signer)
    try:
        answer = json.loads(text)
        errors = [f"{_name(one['SecretId'])}: {one['ErrorCode']}" for one in answer["Errors"]]
        found = {_name(one["ARN"]): one.get("SecretString") for one in answer["SecretValues"]}
    except (ValueError, KeyError, TypeError):
        raise SecretsUnreadable("the answer is not one of Secrets Manager") from None
    if errors:
        raise SecretsUnreadable("; ".join(errors))
    if len(found) < len(ids):
        raise SecretsUnreadable(f"{len(found)} secrets came, and {len(ids)} were asked for")
    members: dict[str, Any] = {}
    for name, value in found.items():
        members |= _object(name, value)
    return members


def _ask(body: bytes, url: str, signer: Signer) -> bytes:
    client = KeptConnections(url)
    path = urlsplit(url).path or "/"
    try:
        for attempt in range(TRIES):
            if attempt:
                time.sleep(PAUSE_SECONDS)
            ahead = signer.ahead
            headers = signer.headers("POST", client.host, path, body, _HEADERS)
            try:
                answer = client.exchange("POST", path, headers, body, new=attempt > 0)
            except OSError:
                continue
            status, text = answer.status, answer.body
            if status == 200:
                return text
            if signer.corrected(answer.date, ahead):
                continue
            reason = _reason(text)
            if status < 500 and "Throttl" not in reason:
                raise SecretsUnreadable(f"Secrets Manager refuses: {reason or status}")
    finally:
        client.close()
    raise unavailable("secrets")


def _reason(text: bytes) -> str:
    """The error's type. Its message would name our account and rights."""
    try:
        return str(json.loads(text)["__type"]).rpartition("#")[2]
    except (ValueError, KeyError, TypeError):
        return ""


def _object(name: str, text: str | None) -> dict[str, Any]:
    try:
        value = json.loads(text or "")
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise SecretsUnreadable(f"{name}: its value is not a JSON object")
    return value


def _name(secret_id: str) -> str:
    """The name of the secret in an ARN."""
    return secret_id.rpartition(":secret:")[2]
