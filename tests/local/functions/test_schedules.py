"""Scheduled functions run at their rate."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from local.functions.registered import Function
from local.functions.schedules import Schedules, ScheduleUnsupported, seconds_between
from tests.local.stack import Stack, eventually


@pytest.mark.parametrize(
    ("expression", "seconds"),
    [
        ("rate(1 minute)", 60),
        ("rate(5 minutes)", 300),
        ("rate(1 hour)", 3600),
        ("rate(2 days)", 172800),
    ],
)
def test_rates_are_understood(expression: str, seconds: float) -> None:
    assert seconds_between(expression) == seconds


@pytest.mark.parametrize(
    "expression", ["cron(0 10 * * ? *)", "rate(0 minutes)", "rate(1 second)", "rate(-1 hours)", ""]
)
def test_what_cannot_be_run_is_refused_with_a_way_out(expression: str) -> None:
    with pytest.raises(ScheduleUnsupported, match="--schedule-seconds"):
        seconds_between(expression)


@contextmanager
def running(stack: Stack, every: float | None, function: Function | None = None) -> Iterator[None]:
    wanted = stack.app.schedules
    if function is not None:
        wanted = [replace(wanted[0], function=function)]

    async def start() -> Schedules:
        made = Schedules(
            pool=stack.pool, schedules=wanted, report=stack.reports.append, every=every
        )
        made.start()
        return made

    schedules = stack.run(start())
    try:
        yield
    finally:
        stack.run(schedules.stop())


def test_the_app_s_schedules_are_found(stack: Stack) -> None:
    (schedule,) = stack.app.schedules

    assert schedule.expression == "rate(5 minutes)"
    assert schedule.function.handler == "app.tidy"


def test_runs_again_and_again_with_eventbridges_event(stack: Stack) -> None:
    with running(stack, every=0.1):
        eventually(lambda: len(stack.records("tidy")) >= 3)

    event = stack.records("tidy")[0]
    assert event["source"] == "aws.events"
    assert event["detail-type"] == "Scheduled Event"
    assert event["detail"] == {}
    assert event["time"].endswith("Z")


def test_no_run_starts_before_the_one_before_has_ended(stack: Stack) -> None:
    slow = Function("app.slow_schedule", "slow")
    with running(stack, every=0.05, function=slow):
        eventually(lambda: len(stack.records("slow-ended")) >= 3)

    marks = [kind for kind, _ in stack.marks("slow-started", "slow-ended")]
    assert marks[:6] == ["slow-started", "slow-ended"] * 3


def test_a_failed_run_is_reported_and_the_next_one_starts(stack: Stack) -> None:
    with running(stack, every=0.05, function=Function("app.failing_schedule", "failing")):
        eventually(lambda: len([r for r in stack.reports if "schedule tidy failed" in r]) >= 2)


def test_zero_turns_schedules_off(stack: Stack) -> None:
    before = len(stack.records("tidy"))
    with running(stack, every=0):
        time.sleep(0.3)

    assert len(stack.records("tidy")) == before


def test_their_own_rate_holds_where_none_is_given(stack: Stack) -> None:
    before = len(stack.records("tidy"))
    with running(stack, every=None):
        time.sleep(0.3)

    assert len(stack.records("tidy")) == before
