"""Runs scheduled functions at their rate."""

import asyncio
import json
import re
from collections.abc import Callable, Sequence

from local.functions import events
from local.functions.pool import WorkerPool
from local.functions.registered import Schedule

_RATE = re.compile(r"rate\((\d+) (minute|hour|day)s?\)")
_UNIT_SECONDS = {"minute": 60.0, "hour": 3600.0, "day": 86400.0}


class ScheduleUnsupported(Exception):
    """A schedule that the local cloud cannot run."""


def seconds_between(expression: str) -> float:
    """The period of `rate(5 minutes)`. Raises ScheduleUnsupported for anything else."""
    found = _RATE.fullmatch(expression.strip())
    if found is None or int(found[1]) < 1:
        raise ScheduleUnsupported(
            f"The local cloud runs rate(...) schedules, not {expression}. "
            "Give --schedule-seconds to run every schedule at that rate."
        )
    return int(found[1]) * _UNIT_SECONDS[found[2]]


class Schedules:
    """One loop per schedule. A run that takes longer than the period delays the next."""

    def __init__(
        self,
        *,
        pool: WorkerPool,
        schedules: Sequence[Schedule],
        report: Callable[[str], None],
        every: float | None = None,
    ) -> None:
        self._pool = pool
        self._report = report
        self._periods = [
            (schedule, every if every is not None else seconds_between(schedule.expression))
            for schedule in schedules
            if every != 0
        ]
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin; the first runs are one period away."""
        self._tasks = [asyncio.create_task(self._run(*item)) for item in self._periods]

    async def stop(self) -> None:
        """Start no further run."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _run(self, schedule: Schedule, period: float) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            due = max(due + period, loop.time())
            await asyncio.sleep(due - loop.time())
            event = json.dumps(events.schedule(schedule.name)).encode()
            outcome = await self._pool.invoke(schedule.function, event, wait=None)
            if outcome.failure is not None:
                self._report(f"schedule {schedule.name} failed: {outcome.message}")
