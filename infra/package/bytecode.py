"""Compiles what is packaged: Lambda's folders are read-only, so it would compile at each start."""

import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

from infra.package.targets import Target

_WHICH = "import sys; print(sys.implementation.cache_tag)"


class NotCompiled(Exception):
    """A module could not be compiled."""


def interpreter(target: Target) -> str | None:
    """A Python on this machine whose bytecode the target can read."""
    if sys.implementation.cache_tag == target.cache_tag:
        return sys.executable
    # Before PATH, where pyenv has a script that may run another version, after a while.
    pyenv = sorted(Path.home().glob(f".pyenv/versions/{target.python}.*/bin/python"))
    for candidate in (*map(str, pyenv), shutil.which(f"python{target.python}")):
        if candidate and _cache_tag(candidate) == target.cache_tag:
            return candidate
    return None


def compile_beside(python: str, path: Path, *, place: str) -> None:
    """Compile a module or a folder into `__pycache__`, for code that Lambda has at `place`."""
    _compile(python, path, place)


def compile_alone(python: str, folder: Path, *, place: str) -> None:
    """Put bytecode in the place of the sources. Saves their room, and traces still name lines."""
    _compile(python, folder, place, "-b")
    for source in folder.rglob("*.py"):
        if not source.with_suffix(".pyc").exists():
            raise NotCompiled(f"{source.relative_to(folder)} has no bytecode.")
        source.unlink()


@cache
def _cache_tag(candidate: str) -> str:
    asked = subprocess.run([candidate, "-c", _WHICH], capture_output=True, text=True, check=False)
    return asked.stdout.strip()


def _compile(python: str, path: Path, place: str, *more: str) -> None:
    root = path if path.is_dir() else path.parent
    # Sets stand in bytecode in the order of their hashes, which differ from process to process.
    environment = {"PATH": os.environ.get("PATH", ""), "PYTHONHASHSEED": "0"}
    command = [python, "-s", "-m", "compileall", "-q", "-f", *more]
    command += ["--invalidation-mode", "unchecked-hash", "-s", str(root), "-p", place, str(path)]
    done = subprocess.run(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise NotCompiled(f"Not everything could be compiled:\n{done.stdout}{done.stderr}")
