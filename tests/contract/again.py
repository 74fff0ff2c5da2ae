"""The contract tests of stores once more, in a process of their own, on another PostgreSQL."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

HERE = Path(__file__).parent
SECONDS = 900


def run_again(places: Sequence[str], variable: str) -> None:
    """Run these files and folders in one process; `variable` says how its PostgreSQL differs.

    Message stores that are not PostgreSQL are left out: the plain run has tried them.
    """
    chosen = ["-k", "not mongo and not fake", *(str(HERE / place) for place in places)]
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *chosen],
        env={**os.environ, variable: "1"},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )

    assert run.returncode == 0, run.stdout[-5000:]
