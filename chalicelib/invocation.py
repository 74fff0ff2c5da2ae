"""Around each event: the log knows whose lines these are, and what was counted is printed."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from chalicelib import logs, metrics
from chalicelib.config import trace_id
from chalicelib.deps import deps


@contextmanager
def invocation(context: Any, request_id: str | None = None) -> Iterator[None]:
    """Everything a function does for one event happens inside. `request_id` is API Gateway's,
    where there is one; else it is Lambda's."""
    logs.enter(
        request_id=request_id or getattr(context, "aws_request_id", None),
        trace_id=trace_id(),
        function=getattr(context, "function_name", None),
    )
    metrics.begin()
    try:
        yield
    finally:
        # Without settings there is no stage to count for, and this is no time to read them.
        if (settings := vars(deps).get("settings")) is not None:
            for line in metrics.lines(settings.stage):
                print(line)
