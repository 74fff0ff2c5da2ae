"""Event source mappings: which queues trigger the notify function."""

from collections.abc import Callable, Sequence
from typing import Any

from infra.deploy.aws import Aws

BATCH = 100
WINDOW_SECONDS = 1
SETTLE_SECONDS = 600  # AWS makes network interfaces for the first mappings
EVERY = 5.0
_SETTLED = ("Enabled", "Disabled")


class Mappings:
    """The mappings of one function. No other code makes mappings for it."""

    def __init__(self, aws: Aws, function: str, progress: Callable[[str], None]) -> None:
        self._aws = aws
        self._api = aws.client("lambda")
        self._function = function
        self._progress = progress

    def ensure(self, *, broker_arn: str, secret_arn: str, queues: Sequence[str]) -> str:
        """Have exactly one mapping for each queue: made, changed or removed as needed."""
        wanted = {
            "BatchSize": BATCH,
            "MaximumBatchingWindowInSeconds": WINDOW_SECONDS,
            "SourceAccessConfigurations": [
                {"Type": "BASIC_AUTH", "URI": secret_arn},
                {"Type": "VIRTUAL_HOST", "URI": "/"},
            ],
        }
        self._settle()
        kept: dict[str, dict[str, Any]] = {}
        surplus = []
        for found in self._all():
            queue = found.get("Queues", [""])[0]
            ours = found.get("EventSourceArn") == broker_arn and queue in queues
            if ours and queue not in kept:
                kept[queue] = found
            else:
                surplus.append(found)
        for found in surplus:
            self._api.delete_event_source_mapping(UUID=found["UUID"])
        changed = [found for found in kept.values() if _differs(found, wanted)]
        for found in changed:
            self._api.update_event_source_mapping(UUID=found["UUID"], Enabled=True, **wanted)
        missing = [queue for queue in queues if queue not in kept]
        for queue in missing:
            self._api.create_event_source_mapping(
                EventSourceArn=broker_arn,
                FunctionName=self._function,
                Queues=[queue],
                Enabled=True,
                **wanted,
            )
        self._settle()
        if not (missing or changed or surplus):
            return "unchanged"
        return f"{len(missing)} made, {len(changed)} changed, {len(surplus)} removed"

    def problems(self) -> dict[str, str]:
        """AWS's message about the last batch of each queue that had a problem.

        A mapping that cannot connect may read `Enabled` all the same.
        """
        results = {each["Queues"][0]: each.get("LastProcessingResult", "") for each in self._all()}
        return {queue: said for queue, said in results.items() if said.startswith("PROBLEM")}

    def delete(self) -> str:
        """Delete all, and wait until they are deleted, because they hold network interfaces."""
        self._settle()
        found = self._all()
        for each in found:
            self._api.delete_event_source_mapping(UUID=each["UUID"])
        self._settle()
        return f"{len(found)} deleted"

    def _settle(self) -> None:
        """Wait until no mapping is being changed: AWS refuses further changes until then."""

        def settled() -> bool:
            found = self._all()
            busy = [each for each in found if each.get("State") not in _SETTLED]
            if busy:
                states = sorted({str(each.get("State")) for each in busy})
                self._progress(f"{len(busy)} of {len(found)} mappings: {', '.join(states)}")
            return not busy

        self._aws.wait(
            settled,
            seconds=SETTLE_SECONDS,
            every=EVERY,
            late=f"The event source mappings of {self._function} are not done. Run this again.",
        )

    def _all(self) -> list[dict[str, Any]]:
        pages = self._api.get_paginator("list_event_source_mappings").paginate(
            FunctionName=self._function
        )
        return [each for page in pages for each in page["EventSourceMappings"]]


def _differs(found: dict[str, Any], wanted: dict[str, Any]) -> bool:
    def order(access: list[dict[str, str]]) -> list[tuple[str, str]]:
        return sorted((each["Type"], each["URI"]) for each in access)

    access = "SourceAccessConfigurations"
    return (
        found.get("State") == "Disabled"
        or any(found.get(key) != value for key, value in wanted.items() if key != access)
        or order(found.get(access, [])) != order(wanted[access])
    )
