"""Optimistic concurrency: read, act if the data has not changed, otherwise read again."""

from collections.abc import Callable
from typing import TypeVar

from chalicelib.errors.counted import unavailable

T = TypeVar("T")


def repeat(most: int, act: Callable[[], T | None]) -> T:
    """Call `act` until it returns something. None means that another request was faster. Raises
    Unavailable after `most` calls."""
    for _ in range(most):
        if (done := act()) is not None:
            return done
    raise unavailable("postgres")
