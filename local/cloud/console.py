"""Lines on the console, with the seconds since the start."""

import contextlib
import sys
import time
from typing import TextIO


class Console:
    """Prints progress and problems. Never fails, even after the terminal was closed."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stdout
        self._started = time.monotonic()

    def step(self, text: str) -> None:
        """Say what is done, and when."""
        self.plain(f"  {time.monotonic() - self._started:5.1f} s  {text}")

    def problem(self, text: str) -> None:
        """Say what went wrong. The cloud goes on."""
        self.plain(f"{time.strftime('%H:%M:%S')}  {text}")

    def plain(self, text: str = "") -> None:
        """Print a line as it is."""
        with contextlib.suppress(OSError, ValueError):
            print(text, file=self._stream, flush=True)
