"""Sets data aside that was made with other passwords than the current ones."""

import secrets
from collections.abc import Iterable
from pathlib import Path

from local.servers.embedded import Report

_NAME = "generation"


def generation(state: Path) -> str:
    """Names the passwords of a state folder."""
    return (state / "keys" / _NAME).read_text()


def set_aside(state: Path, folders: Iterable[str], report: Report) -> None:
    """Move data away that our passwords do not open.

    It is older than the passwords, or the keys were deleted since.
    """
    mark = state / "keys" / _NAME
    if mark.exists():
        return
    new = secrets.token_hex(4)
    found = [state / folder for folder in folders if (state / folder).exists()]
    if found:
        place = state / f"before-{new}"
        place.mkdir(mode=0o700)
        for folder in found:
            folder.rename(place / folder.name)
        report(
            f"The servers' data have no passwords of {mark.parent}. They are in {place} now, and "
            "the servers start empty. Delete that folder if you do not need it."
        )
    mark.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    mark.write_text(new)
