"""Ctrl-C, a signal and the end of the terminal stop the cloud in order."""

import asyncio
import contextlib
import signal
from collections.abc import Coroutine
from typing import Any, NoReturn

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stopped(BaseException):
    """A signal asked the process to end while it was starting."""


def raise_stopped() -> None:
    """The next signal raises Stopped in the main thread; later ones are ignored."""
    _on_signals(_stopped)


def ignore() -> None:
    """No signal may interrupt what runs from now on."""
    _on_signals(signal.SIG_IGN)


def _on_signals(action: Any) -> None:
    for number in _SIGNALS:
        signal.signal(number, action)


def _stopped(*_: Any) -> NoReturn:
    ignore()  # nothing may interrupt the stopping
    raise Stopped


async def until_stopped(work: Coroutine[Any, Any, None]) -> None:
    """Run until the work ends or a signal arrives. A signal cancels it, so it can clean up."""
    task = asyncio.ensure_future(work)
    loop = asyncio.get_running_loop()

    def stop() -> None:
        if not task.cancelling():
            task.cancel()

    for number in _SIGNALS:
        loop.add_signal_handler(number, stop)
    with contextlib.suppress(asyncio.CancelledError):
        await task
