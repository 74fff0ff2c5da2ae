"""Notices that the terminal was closed, which not every shell or tool passes on."""

import os
import select
import signal
import sys
import threading


def hang_up_with_it() -> None:
    """Send ourselves SIGHUP once the terminal that we were started in is closed."""
    terminals = [stream.fileno() for stream in (sys.stdin, sys.stdout) if stream.isatty()]
    if terminals:
        threading.Thread(target=_wait, args=(terminals[0],), daemon=True).start()


def _wait(terminal: int) -> None:
    poll = select.poll()
    poll.register(terminal, 0)  # a hang-up is always told
    poll.poll()
    os.kill(os.getpid(), signal.SIGHUP)
