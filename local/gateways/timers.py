"""The timers of one connection, by name."""

import asyncio
from collections.abc import Callable


class Timers:
    """What happens to a connection later, unless it ends before."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._timers: dict[str, asyncio.TimerHandle] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._timers

    def start(self, name: str, seconds: float, call: Callable[[], None]) -> None:
        """Call something after some seconds."""
        self._timers[name] = self._loop.call_later(seconds, call)

    def stop(self, name: str) -> None:
        """Do not call what was to be called."""
        self._timers.pop(name).cancel()

    def stop_all(self) -> None:
        """The connection has ended."""
        for timer in self._timers.values():
            timer.cancel()
