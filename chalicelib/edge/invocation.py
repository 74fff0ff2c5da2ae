"""Around each event: log lines have its ids, its metrics are printed, and a failure exposes no
secret."""

import logging
import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from chalicelib import deadline, logs, metrics
from chalicelib.config import trace_id
from chalicelib.deps import deps
from chalicelib.domain_events import written

log = logging.getLogger(__name__)


class InvocationFailed(Exception):
    """Leaves a function, so that the event counts as failed; whatever it says, Lambda prints."""


@contextmanager
def invocation(context: Any, request_id: str | None = None) -> Iterator[None]:
    """Handle one event inside. With the `request_id` of API Gateway, the answer has to come in
    time; without it, Lambda's id is used. Raises only InvocationFailed."""
    deadline.begin(_seconds(context, deadline.REQUEST_SECONDS if request_id else math.inf))
    logs.enter(
        request_id=request_id or getattr(context, "aws_request_id", None),
        trace_id=trace_id(),
        function=getattr(context, "function_name", None),
    )
    metrics.begin()
    written.noted()  # forget the note of an invocation that was cut off: the job has its events
    try:
        yield
    except InvocationFailed:
        raise
    except Exception:
        log.exception("function failed")
        # Without the message of the error that is logged: drivers quote values in theirs (G8).
        raise InvocationFailed from None
    finally:
        if written.noted():
            deps.domain_events.publish()
        deadline.end()
        # Without settings the stage is unknown, and reading them now could fail.
        if (settings := vars(deps).get("settings")) is not None:
            for line in metrics.lines(settings.stage):
                print(line)


def _seconds(context: Any, most: float) -> float:
    """What an event may take, at most as long as its function runs."""
    remaining = getattr(context, "get_remaining_time_in_millis", None)
    return min(most, remaining() / 1000 - deadline.MARGIN_SECONDS) if remaining else most
