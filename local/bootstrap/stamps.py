"""Remembers which pinned files a folder was installed from."""

from __future__ import annotations

import hashlib
from pathlib import Path


def stamp_name(requirement_file: str) -> str:
    return ".installed-" + requirement_file.replace("/", "-")


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def read(path: Path) -> str:
    return path.read_text() if path.exists() else ""
