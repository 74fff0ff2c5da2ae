"""Finds the program that listens on a port, by Linux' `/proc`. Uses the standard library only."""

from __future__ import annotations

import os
from pathlib import Path

_TABLES = ("/proc/net/tcp", "/proc/net/tcp6")
_LISTENS = "0A"


def holder(port: int) -> str | None:
    """The program that listens on a TCP port: its name, process id and folder.

    None where the system does not say: it is not Linux, or the program is another user's.
    """
    wanted = {f"socket:[{inode}]" for inode in _inodes(port)}
    for process in Path("/proc").glob("[0-9]*") if wanted else ():
        if any(link in wanted for link in _open_files(process)):
            return _named(process)
    return None


def _inodes(port: int) -> list[str]:
    found = []
    for table in _TABLES:
        try:
            lines = Path(table).read_text().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            fields = line.split()
            if fields[3] == _LISTENS and int(fields[1].rpartition(":")[2], 16) == port:
                found.append(fields[9])
    return found


def _open_files(process: Path) -> list[str]:
    try:
        return [_link(descriptor) for descriptor in (process / "fd").iterdir()]
    except OSError:  # ended meanwhile, or not ours to see
        return []


def _link(path: Path) -> str:
    try:
        return os.readlink(path)
    except OSError:  # closed meanwhile
        return ""


def _named(process: Path) -> str:
    try:
        name = (process / "comm").read_text().strip()
    except OSError:
        name = "a program"
    folder = _link(process / "cwd")
    return f"{name} (process {process.name}{f', in {folder}' if folder else ''})"
