"""What comes of an event: a result or a failure."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from local.functions.registered import Function


class Failure(StrEnum):
    """Why an event got no result."""

    ERROR = "the handler raised"
    CRASHED = "the worker died"
    OVERRAN = "the function's timeout passed"
    WAITED = "nobody waits for the answer any more"
    TOO_LARGE = "the event is too large"
    TOO_MANY = "too many events wait"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an event: a result, or a failure."""

    result: Any = None
    failure: Failure | None = None
    message: str = ""


Done = Callable[[Outcome], None]


class Job:
    """An event on its way to an outcome."""

    __slots__ = ("done", "event", "function", "report", "timer")

    def __init__(
        self, function: Function, event: bytes, done: Done, report: Callable[[str], None]
    ) -> None:
        self.function = function
        self.event = event
        self.done: Done | None = done
        self.report = report
        self.timer: asyncio.TimerHandle | None = None

    def finish(self, outcome: Outcome) -> None:
        """Hand over the outcome, once."""
        done, self.done = self.done, None
        if self.timer is not None:
            self.timer.cancel()
        if done is not None:
            try:
                done(outcome)
            except Exception as error:
                # A caller's bug must not cost the worker that brings the answer.
                self.report(f"{self.function.name}: {type(error).__name__}: {error}")
