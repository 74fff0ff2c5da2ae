"""Installs what the local cloud and the tests need. Uses the standard library only."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
STATE = ROOT / ".local"
DEBIAN = STATE / "debian"
"""Debian packages are unpacked here. That needs no root, and starts no service."""
LOG = STATE / "bootstrap.log"


class SetupFailed(Exception):
    """Something could not be installed. The text says what to do about it."""
