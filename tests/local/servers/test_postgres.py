"""PostgreSQL runs as another user than root."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from local.servers.postgres import as_nobody


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives up its identity")
def test_who_gave_up_root_still_finds_programs_below_a_home_that_is_closed(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    program = home / "program"
    program.touch(mode=0o755)
    # access(2), as initdb asks it
    script = "import os, sys; print(os.getuid(), os.access(sys.argv[1], os.X_OK))"

    done = subprocess.run(
        [*as_nobody(), sys.executable, "-c", script, str(program)],
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.stdout, done.stderr) == ("65534 True\n", "")
