"""Wraps each event: log lines have its ids, its metrics are printed, and a failure exposes no
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
    """Makes the event count as failed. Lambda prints its text."""


@contextmanager
def invocation(context: Any, request_id: str | None = None) -> Iterator[None]:
    """Handle one event in the block. With API Gateway's `request_id`, the time limit of a request
    applies; without it, Lambda's id is used. Raises only InvocationFailed."""
    deadline.begin(_seconds(context, deadline.REQUEST_SECONDS if request_id else math.inf))
    logs.enter(
        request_id=request_id or getattr(context, "aws_request_id", None),
        trace_id=trace_id(),
        function=getattr(context, "function_name", None),
    )
    metrics.begin()
    written.noted()  # drop the note of an invocation that was killed: the job publishes its events
    try:
        yield
    except InvocationFailed:
        raise
    except Exception:
        log.exception("function failed")
        # Without the error's message: drivers quote values in their messages (G8).
        raise InvocationFailed from None
    finally:
        if written.noted():
            deps.domain_events.publish()
        deadline.end()
        # Without settings the stage is unknown, and reading them here could fail.
        if (settings := vars(deps).get("settings")) is not None:
            for line in metrics.lines(settings.stage):
                print(line)


def _seconds(context: Any, most: float) -> float:
    """The time limit of an event, at most the time that its function has left."""
    remaining = getattr(context, "get_remaining_time_in_millis", None)
    return min(most, remaining() / 1000 - deadline.MARGIN_SECONDS) if remaining else most
