"""One deadline for all that an event waits for (G9)."""

from collections.abc import Iterator
from threading import Thread
from types import SimpleNamespace

import pytest

from chalicelib import deadline
from chalicelib.edge.invocation import InvocationFailed, invocation


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[SimpleNamespace]:
    clock = SimpleNamespace(now=1000.0)
    monkeypatch.setattr("chalicelib.deadline.time.monotonic", lambda: clock.now)
    yield clock
    deadline.end()


def context(seconds: float) -> SimpleNamespace:
    return SimpleNamespace(get_remaining_time_in_millis=lambda: int(seconds * 1000))


def test_without_an_event_each_driver_has_its_own_limit() -> None:
    assert deadline.within(600) == 600
    assert not deadline.passed()


def test_g9_a_request_has_fifteen_seconds_however_long_its_function_may_run(
    clock: SimpleNamespace,
) -> None:
    with invocation(context(29), "request"):
        assert deadline.within(600) == 15
        assert deadline.within(3) == 3
        clock.now += 14
        assert deadline.within(3) == 1
        clock.now += 2
        assert 0 < deadline.within(3) < 0.01
        assert deadline.passed()
    assert deadline.within(600) == 600


def test_g9_a_request_has_at_most_what_is_left_of_its_function() -> None:
    with invocation(context(9), "request"):
        assert deadline.within(600) == 7


def test_g9_a_job_has_what_its_function_has() -> None:
    with invocation(context(58)):
        assert deadline.within(600) == 56
    with invocation(None):
        assert deadline.within(600) == 600


def test_g9_a_request_without_a_context_has_its_limit() -> None:
    with invocation(None, "request"):
        assert deadline.within(600) == 15


def test_an_event_does_not_pass_its_deadline_on() -> None:
    with pytest.raises(InvocationFailed), invocation(context(9), "request"):
        raise ValueError

    assert deadline.within(600) == 600


def test_threads_that_work_for_an_event_share_it() -> None:
    seen: list[float] = []
    with invocation(context(9), "request"):
        thread = Thread(target=lambda: seen.append(deadline.within(600)))
        thread.start()
        thread.join()

    assert seen == [7]
