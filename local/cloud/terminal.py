"""Notices when the terminal is closed, and leaves the terminal as it was.

Not every shell or tool tells its programs that the terminal was closed.
"""

import contextlib
import os
import select
import signal
import sys
import termios
import threading
from collections.abc import Iterator


def hang_up_with_it() -> None:
    """Send this process SIGHUP once its terminal is closed."""
    terminals = [stream.fileno() for stream in (sys.stdin, sys.stdout) if stream.isatty()]
    if terminals:
        threading.Thread(target=_wait, args=(terminals[0],), daemon=True).start()


@contextlib.contextmanager
def restored() -> Iterator[None]:
    """Restore the terminal. A debugger that is killed at its prompt leaves it changed."""
    terminal = sys.stdin.fileno() if sys.stdin.isatty() else None
    before = termios.tcgetattr(terminal) if terminal is not None else None
    try:
        yield
    finally:
        if terminal is not None and before is not None:
            with contextlib.suppress(termios.error):  # it was closed
                if termios.tcgetattr(terminal) != before:
                    signal.signal(signal.SIGTTOU, signal.SIG_IGN)  # we may be in the background
                    termios.tcsetattr(terminal, termios.TCSADRAIN, before)


def _wait(terminal: int) -> None:
    poll = select.poll()
    poll.register(terminal, 0)  # a hang-up is always reported
    poll.poll()
    os.kill(os.getpid(), signal.SIGHUP)
