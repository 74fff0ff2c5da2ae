"""Workers whose clocks are wrong, by libfaketime; the servers keep the right time."""

import os
import stat
import sys
from pathlib import Path

from local.bootstrap import DEBIAN
from tests.cloud import Cloud

LIBRARY = "faketime/libfaketime.so.1"

# The workers alone are started with the library. Each looks at a file of its own whenever it asks
# for the time. Monotonic clocks stay right, as they do where a clock is set.
_PYTHON = """#!/bin/sh
case "$*" in
*local/functions/worker.py*)
    cp "{folder}/new" "{folder}/$$"
    export LD_PRELOAD="{library}" FAKETIME_TIMESTAMP_FILE="{folder}/$$"
    export FAKETIME_NO_CACHE=1 FAKETIME_DONT_FAKE_MONOTONIC=1
    export PYTHONPATH="{folder}/site" NO_FAKE_STAT=1
    ;;
esac
exec "{python}" "$@"
"""

# libfaketime 0.9.10 takes the absolute time that time.sleep waits for on the monotonic clock for
# one of the wrong clock, and answers EINVAL. select waits for as long, and it leaves that alone.
_SITE = """import select, time
time.sleep = lambda seconds: select.select((), (), (), seconds) and None
"""


def library() -> Path:
    """Where libfaketime is: Debian's, installed or unpacked."""
    for root in (Path("/"), DEBIAN):
        for found in root.glob(f"usr/lib/*/{LIBRARY}"):
            return found
    raise FileNotFoundError("libfaketime is missing: python -m local.bootstrap --for tests")


class WrongClocks:
    """What the clocks of workers show, in seconds before (-) or after the right time."""

    def __init__(self, folder: Path, seconds: int = 0) -> None:
        self._folder = folder
        (folder / "site").mkdir(parents=True)
        (folder / "site/sitecustomize.py").write_text(_SITE)
        self._next(seconds)
        self.python = folder / "python"
        self.python.write_text(
            _PYTHON.format(folder=folder, library=library(), python=sys.executable)
        )
        self.python.chmod(self.python.stat().st_mode | stat.S_IXUSR)

    def set(self, seconds: int, pids: list[int] | None = None) -> None:
        """Set the clocks of some workers, or of all and of those that replace them."""
        if pids is None:
            self._next(seconds)
            pids = [int(one.name) for one in self._folder.iterdir() if one.name.isdigit()]
        for pid in pids:
            _write(self._folder / str(pid), seconds)

    def _next(self, seconds: int) -> None:
        _write(self._folder / "new", seconds)


def _write(file: Path, seconds: int) -> None:
    """In one piece: a worker may read it at this moment."""
    whole = file.with_name(f"{file.name}.whole")
    whole.write_text(f"{seconds:+d}\n")
    os.replace(whole, file)


class WrongCloud(Cloud):
    """A cloud whose workers are started by another program than its own Python."""

    def __init__(self, state: Path, python: Path, *options: str, **environment: str) -> None:
        super().__init__(state, *options, **environment)
        self.command = (sys.executable, "-c", _LAUNCH, str(python))


_LAUNCH = """
import runpy, sys
sys.executable = sys.argv.pop(1)
runpy.run_module("local", run_name="__main__", alter_sys=True)
"""
