"""Outcomes of events: a result or a failure."""

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
    WAITED = "the caller stopped waiting"
    TOO_LARGE = "the event is too large"
    TOO_MANY = "too many events wait"


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of an event, or its failure."""

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
                # A bug of the caller must not stop the worker that brings the answer.
                self.report(f"{self.function.name}: {type(error).__name__}: {error}")
