"""What is counted comes out in CloudWatch's embedded metric format."""

from collections.abc import Iterator

import pytest

from chalicelib import metrics
from tests.unit.embedded import Point, points

DEV = (("Stage", "dev"),)


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    metrics.begin()
    yield
    metrics.begin()


def test_nothing_counted_is_no_line() -> None:
    metrics.count("PushesSent", 0)

    assert metrics.lines("dev") == []


def test_counts_of_one_invocation_add_up_in_one_line() -> None:
    metrics.count("MessagesStored")
    metrics.count("PushesSent", 3)
    metrics.count("MessagesStored", 2)

    (line,) = metrics.lines("dev")

    assert points(line) == [
        Point("MessagesStored", 3, "Count", DEV),
        Point("PushesSent", 3, "Count", DEV),
    ]


def test_an_age_of_zero_is_written() -> None:
    metrics.count("OutboxAge", 0)

    (line,) = metrics.lines("dev")

    assert points(line) == [Point("OutboxAge", 0, "Seconds", DEV)]


def test_a_server_that_does_not_answer_is_counted() -> None:
    metrics.count("MessagesStored")
    metrics.unavailable("redis")
    metrics.unavailable("redis")

    (line,) = metrics.lines("dev")

    assert points(line) == [
        Point("MessagesStored", 1, "Count", DEV),
        Point("DependencyUnavailable", 2, "Count", DEV),
        Point("DependencyUnavailable", 2, "Count", (*DEV, ("Dependency", "redis"))),
    ]


def test_each_further_dependency_takes_a_line() -> None:
    for dependency in ("redis", "postgres", "redis"):
        metrics.unavailable(dependency)

    found = [points(line) for line in metrics.lines("dev")]

    assert [[point.value for point in line] for line in found] == [[2, 2], [1, 1]]
    assert [line[1].dimensions[1] for line in found] == [
        ("Dependency", "redis"),
        ("Dependency", "postgres"),
    ]


def test_an_invocation_that_was_cut_off_leaves_nothing_to_the_next() -> None:
    metrics.count("MessagesStored")
    metrics.unavailable("redis")

    metrics.begin()

    assert metrics.lines("dev") == []
