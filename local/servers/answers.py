"""Waits until a server answers."""

import time
from collections.abc import Callable


class NoAnswer(Exception):
    """The server did not answer in time."""

    def __init__(self, reason: Exception) -> None:
        super().__init__(str(reason))
        self.reason = reason
        """What the last question raised."""


def wait_for_answer(
    ask: Callable[[], None],
    *,
    within: float,
    pause: float,
    give_up: Callable[[], None] = lambda: None,
) -> None:
    """Ask until it raises nothing, for `within` seconds, with pauses of `pause` seconds.

    `give_up` may raise after each question to end the waiting. Raises NoAnswer.
    """
    deadline = time.monotonic() + within
    while True:
        try:
            ask()
            return
        except Exception as error:  # each driver has its own for "not yet"
            reason = error
        give_up()
        if time.monotonic() > deadline:
            raise NoAnswer(reason) from reason
        time.sleep(pause)
