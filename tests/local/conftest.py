"""A stack for the tests that change nothing of it, and a maker of stacks for the others."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from local.servers import Servers, start_all
from tests.local.stack import Stack

MakeStack = Callable[..., Stack]


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    made = Stack(tmp_path_factory.mktemp("stack")).start()
    yield made
    made.stop()


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """RabbitMQ, which takes longest to start."""
    with start_all(tmp_path_factory.mktemp("rabbitmq"), ["rabbitmq"], print) as started:
        yield started


@pytest.fixture
def make_stack(tmp_path: Path) -> Iterator[MakeStack]:
    """Makes stacks with other limits, workers or configuration."""
    made: list[Stack] = []

    def make(**given: Any) -> Stack:
        new = Stack(tmp_path, **given)
        made.append(new)
        return new.start()

    yield make
    for each in made:
        each.stop()
