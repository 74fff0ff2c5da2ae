"""Makes virtual environments with pinned packages."""

from __future__ import annotations

import glob
import importlib.util
import os
import shutil
import sys
from pathlib import Path

from local.bootstrap import DEBIAN, ROOT
from local.bootstrap.debian import unpack
from local.bootstrap.stamps import digest, read, stamp_name
from local.bootstrap.steps import TRIES, run


def environment(folder: Path, requirement_files: list[str]) -> bool:
    """Install the pinned files into a virtual environment. Says whether it had to."""
    stamp = f"{folder} {sys.version}"
    if read(folder / ".made-with") != stamp:
        shutil.rmtree(folder, ignore_errors=True)
    missing = [
        name for name in requirement_files if read(folder / stamp_name(name)) != digest(ROOT / name)
    ]
    if not missing:
        return False
    if not (folder / ".made-with").exists():
        run(
            [sys.executable, "-m", "venv", "--without-pip", str(folder)],
            "make a Python environment",
        )
        (folder / ".made-with").write_text(stamp)
    # Not compiled: importing compiles the few modules that are really used.
    command = [str(folder / "bin/python"), f"{pip_wheel()}/pip", "install", "--quiet"]
    command += ["--disable-pip-version-check", "--no-input", "--no-compile", "--progress-bar=off"]
    command += ["--retries=2"]
    command += ["--no-deps", "--require-hashes", "--only-binary=:all:"]
    for name in missing:
        command += ["-r", str(ROOT / name)]
    run(command, "download Python packages from PyPI", tries=TRIES)
    for name in missing:
        (folder / stamp_name(name)).write_text(digest(ROOT / name))
    return True


def pip_wheel() -> str:
    """The pip that Python ships. Debian has it in its own package, which may have to be fetched."""
    spec = importlib.util.find_spec("ensurepip")
    places = [str(DEBIAN / "usr/share/python-wheels"), "/usr/share/python-wheels"]
    if spec and spec.origin:
        places.insert(0, os.path.join(os.path.dirname(spec.origin), "_bundled"))
    for place in places:
        found = sorted(glob.glob(f"{place}/pip-*.whl"))
        if found:
            return found[-1]
    unpack("python3-pip-whl", "Install it: apt-get install python3-venv")
    return pip_wheel()
