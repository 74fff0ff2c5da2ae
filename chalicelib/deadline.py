"""When the event under way has to be answered: the one limit that all waiting keeps to (G9).

A process handles one event at a time, and the threads that work for it share its limit: so this
is a plain variable, which costs a driver nothing to read.
"""

import math
import time

REQUEST_SECONDS = 15.0
"""What a request or a frame may take. API Gateway waits for 29."""

MARGIN_SECONDS = 2.0
"""What a function keeps of its time, to answer that it ran out."""

_LEAST = 0.001

_ends = math.inf


def begin(seconds: float) -> None:
    """The event that begins now has this many seconds."""
    global _ends
    _ends = time.monotonic() + seconds


def end() -> None:
    """No event is under way: each driver has its own limit only."""
    global _ends
    _ends = math.inf


def within(seconds: float) -> float:
    """How long to wait for a call that may take `seconds`: less if the event has less left.
    Never 0, which drivers take for no limit."""
    return max(_LEAST, min(seconds, _ends - time.monotonic()))


def passed() -> bool:
    """Whether the time is over: begin nothing new."""
    return time.monotonic() >= _ends
