"""The functions' log groups. The deploy makes them, with retention and key from the start."""

from collections.abc import Iterable
from typing import Any

from infra.deploy.aws import Aws


def ensure(aws: Aws, groups: Iterable[str], *, days: int, key_arn: str) -> str:
    """Make each group, and set its retention and its key."""
    api = aws.client("logs")
    names = list(groups)
    changed = 0
    for name in names:
        found = _find(api, name)
        if found is None:
            api.create_log_group(logGroupName=name, kmsKeyId=key_arn)
        elif found.get("kmsKeyId") != key_arn:
            api.associate_kms_key(logGroupName=name, kmsKeyId=key_arn)
        if found is None or found.get("retentionInDays") != days:
            api.put_retention_policy(logGroupName=name, retentionInDays=days)
        elif found.get("kmsKeyId") == key_arn:
            continue
        changed += 1
    return f"{changed} of {len(names)} changed" if changed else "unchanged"


def delete(aws: Aws, groups: Iterable[str]) -> str:
    """Delete the groups that exist."""
    api = aws.client("logs")
    doomed = [name for name in groups if _find(api, name) is not None]
    for name in doomed:
        api.delete_log_group(logGroupName=name)
    return f"{len(doomed)} deleted"


def _find(api: Any, name: str) -> dict[str, Any] | None:
    pages = api.get_paginator("describe_log_groups").paginate(logGroupNamePrefix=name)
    groups = (each for page in pages for each in page["logGroups"])
    return next((each for each in groups if each["logGroupName"] == name), None)
