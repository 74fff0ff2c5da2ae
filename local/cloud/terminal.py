"""Notices that the terminal was closed, which not every shell or tool passes on; and leaves it as
it was."""

import contextlib
import os
import select
import signal
import sys
import termios
import threading
from collections.abc import Iterator


def hang_up_with_it() -> None:
    """Send ourselves SIGHUP once the terminal that we were started in is closed."""
    terminals = [stream.fileno() for stream in (sys.stdin, sys.stdout) if stream.isatty()]
    if terminals:
        threading.Thread(target=_wait, args=(terminals[0],), daemon=True).start()


@contextlib.contextmanager
def restored() -> Iterator[None]:
    """Leave the terminal as it was: a debugger that is killed at its prompt does not."""
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
    poll.register(terminal, 0)  # a hang-up is always told
    poll.poll()
    os.kill(os.getpid(), signal.SIGHUP)
