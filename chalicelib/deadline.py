"""When the event under way has to be answered: the one limit that all waiting keeps to (G9).

A process handles one event at a time, and the threads that work for it share its limit: so this
is a plain variable, which costs a driver nothing to read.
"""

import math
import time

REQUEST_SECONDS = 15.0
"""What a request or a frame may take. API Gateway waits for 29."""

MARGIN_SECONDS = 2.0
"""What a function keeps of its time, to say that it ran out of it."""

_LEAST = 0.001  # no driver takes a timeout of nothing for one

_ends = math.inf


def begin(seconds: float) -> None:
    """The event that begins now has so much time."""
    global _ends
    _ends = time.monotonic() + seconds


def end() -> None:
    """No event is under way: nothing but their own limits bounds what waits."""
    global _ends
    _ends = math.inf


def within(seconds: float) -> float:
    """How long to wait for what may take so many seconds, or less where the event has less left.
    Never nothing: who waits a moment fails as whoever waited in vain."""
    return max(_LEAST, min(seconds, _ends - time.monotonic()))


def passed() -> bool:
    """Whether nothing new is to be begun."""
    return time.monotonic() >= _ends
