"""Metrics for alarms and the dashboard, in CloudWatch's embedded metric format."""

import json
import time
from typing import Any, Literal

NAMESPACE = "Parley"

Name = Literal[
    "MessagesStored",
    "LeftPending",
    "PostsThrottled",
    "OutboxAge",
    "EventsAge",
    "Redelivered",
    "OverduePushed",
    "PushesSent",
    "PushesRetried",
    "PushesBuried",
    "TokensForgotten",
    "MailsSent",
    "MailsGivenUp",
    "ExportsMade",
    "ExportsGivenUp",
    "RateLimited",
]
"""MessagesStored: new messages. LeftPending: sends whose delivery was left to the job.
PostsThrottled: frames that API Gateway refused with 429, after all tries. OutboxAge: the age of the
oldest message that a run of the job found, 0 if there was none. EventsAge: the same for events for
other services. Redelivered: messages that the job delivered. OverduePushed: messages pushed because
a socket did not acknowledge them. PushesSent: to devices, accepted by FCM. PushesRetried,
PushesBuried: records that are tried again later, and those that became dead letters.
TokensForgotten: devices that FCM no longer knows. MailsSent: mails that SES accepted. MailsGivenUp:
mails that it never accepted. ExportsMade, ExportsGivenUp: archives of a user's data. RateLimited:
requests and frames that a limit refused."""

_SECONDS = {"OutboxAge", "EventsAge"}
_UNAVAILABLE = "DependencyUnavailable"

# The counts of the current event: a process handles one at a time, and its threads count too.
_counted: list[tuple[str, float]] = []
_missed: list[str] = []


def count(name: Name, value: float = 1) -> None:
    """Add to a metric of this invocation. A count of 0 is not written, but an age of 0 is. Of
    several ages, the greatest is written."""
    if value or name in _SECONDS:
        _counted.append((name, value))


def unavailable(dependency: str) -> None:
    """Count that a server behind the API did not answer."""
    _missed.append(dependency)


def begin() -> None:
    """Drop earlier counts: an invocation that was killed may have left some."""
    _counted.clear()
    _missed.clear()


def lines(stage: str) -> list[str]:
    """The counts of this invocation: one line, and one more for each further server that did not
    answer, because a line has one value for each dimension."""
    totals: dict[str, float] = {}
    for name, value in _counted:
        before = totals.get(name, 0)
        totals[name] = max(before, value) if name in _SECONDS else before + value
    missed = {name: _missed.count(name) for name in dict.fromkeys(_missed)}
    if not totals and not missed:
        return []
    first, *others = missed.items() or [("", 0)]
    return [_line(stage, totals, *first), *(_line(stage, {}, *one) for one in others)]


def _line(stage: str, totals: dict[str, float], dependency: str, misses: int) -> str:
    directives = []
    root: dict[str, Any] = {"Stage": stage, **totals}
    if totals:
        directives.append(_directive(totals, ["Stage"]))
    if misses:
        root |= {"Dependency": dependency, _UNAVAILABLE: misses}
        directives.append(_directive([_UNAVAILABLE], ["Stage"], ["Stage", "Dependency"]))
    about = {"Timestamp": int(time.time() * 1000), "CloudWatchMetrics": directives}
    return json.dumps({"_aws": about, **root}, separators=(",", ":"))


def _directive(names: Any, *dimensions: list[str]) -> dict[str, Any]:
    return {
        "Namespace": NAMESPACE,
        "Dimensions": list(dimensions),
        "Metrics": [
            {"Name": name, "Unit": "Seconds" if name in _SECONDS else "Count"} for name in names
        ],
    }
