"""When the current event must be answered: the limit for every wait (G9).

A process handles one event at a time, and its threads share the limit. So a plain variable is
enough, which is cheap to read.
"""

import math
import time

REQUEST_SECONDS = 15.0
"""Seconds for a request or a frame. API Gateway waits for 29."""

MARGIN_SECONDS = 2.0
"""Seconds that a function keeps for the answer when time runs out."""

_LEAST = 0.001

_ends = math.inf


def begin(seconds: float) -> None:
    """A new event begins, which must be answered within this many seconds."""
    global _ends
    _ends = time.monotonic() + seconds


def end() -> None:
    """The event has ended: each driver has only its own limit."""
    global _ends
    _ends = math.inf


def within(seconds: float) -> float:
    """How long to wait for a call that may take `seconds`: less if the event has less time left.
    Never 0, because drivers take 0 as no limit."""
    return max(_LEAST, min(seconds, _ends - time.monotonic()))


def passed() -> bool:
    """Whether the time is over, so that nothing new should begin."""
    return time.monotonic() >= _ends
