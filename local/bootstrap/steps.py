"""Runs the steps of an installation, and says how they go."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from local.bootstrap import LOG, ROOT, SetupFailed

TRIES = 3
STEP_TIMEOUT = 900
STILL_EVERY = 15


def announced(name: str, step: Callable[[], bool]) -> None:
    """Run a step. Say when it starts, that it goes on, and how long it took."""
    started = time.monotonic()
    done = threading.Event()

    def seconds() -> str:
        return f"{time.monotonic() - started:.0f} s"

    def reassure() -> None:
        # A step with nothing to do ends before that, and says nothing.
        wait = 1.0
        while not done.wait(wait):
            say(f"installing {name}" + (f": {seconds()}" if wait > 1 else " ..."))
            wait = STILL_EVERY

    threading.Thread(target=reassure, daemon=True).start()
    try:
        changed = step()
    finally:
        done.set()
    if changed:
        say(f"installed {name} in {seconds()}")


def say(text: str) -> None:
    sys.stdout.write(f"  {text}\n")  # in one piece: steps run side by side
    sys.stdout.flush()


def run(command: list[str], purpose: str, *, tries: int = 1, cwd: Path = ROOT) -> str:
    """Run a command and return what it printed. Raises SetupFailed with its last lines."""
    output = ""
    for attempt in range(tries):
        if attempt:
            time.sleep(2**attempt)
        try:
            result = subprocess.run(
                command,
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=STEP_TIMEOUT,
                check=False,
            )
        except subprocess.TimeoutExpired:
            output = f"no end after {STEP_TIMEOUT} s"
            continue
        output = result.stdout
        with LOG.open("a") as log:
            log.write(f"$ {' '.join(command)}\n{output}\n")
        if result.returncode == 0:
            return output
    last = "\n".join(f"    {line}" for line in output.strip().splitlines()[-8:])
    raise SetupFailed(
        f"Could not {purpose}\n{last}\n"
        f"The whole output is in {LOG}. Remove the cause, then run the same command again."
    )
