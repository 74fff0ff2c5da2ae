"""Every line of docs/quickstart.md runs as it is printed, and shows what the page says."""

import json
import queue
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cloud import ROOT, Cloud

PAGE = (ROOT / "docs" / "quickstart.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
ADDRESS = "http://localhost:8000"
OMITTED = "…"
SECONDS = 60.0


class Terminal:
    """A bash in a folder, and the lines that appear in it."""

    def __init__(self, folder: Path) -> None:
        (folder / ".venv").symlink_to(sys.prefix)
        self._bash = subprocess.Popen(
            ["bash"],
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._lines: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def paste(self, text: str) -> None:
        assert self._bash.stdin
        self._bash.stdin.write(text)
        self._bash.stdin.flush()

    def until_shown(self, printed: list[Any]) -> None:
        """Read lines until each of these was among them. All that comes is JSON."""
        missing = printed
        seen: list[Any] = []
        while missing:
            try:
                line = self._lines.get(timeout=SECONDS)
            except queue.Empty:
                raise AssertionError(f"{missing} is not among {seen}") from None
            seen.append(json.loads(line) if line.strip() else None)
            missing = [one for one in missing if not shows(seen[-1], one)]

    def close(self) -> None:
        assert self._bash.stdin
        self._bash.stdin.close()
        self._bash.wait(SECONDS)

    def _read(self) -> None:
        assert self._bash.stdout
        for line in self._bash.stdout:
            self._lines.put(line)


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    terminal = Terminal(tmp_path)
    yield terminal
    terminal.close()


def shows(found: Any, printed: Any) -> bool:
    """Whether an answer is what the page prints, where that leaves nothing out."""
    if isinstance(printed, str):
        pattern = ".*".join(map(re.escape, printed.split(OMITTED)))
        return printed == OMITTED or (isinstance(found, str) and bool(re.fullmatch(pattern, found)))
    if isinstance(printed, list):
        return all(any(shows(one, each) for one in found) for each in printed)
    if isinstance(printed, dict) and isinstance(found, dict):
        named = printed.keys() - {OMITTED}
        whole = OMITTED in printed or found.keys() == named
        return whole and all(name in found and shows(found[name], printed[name]) for name in named)
    return type(found) is type(printed) and found == printed


def steps() -> Iterator[tuple[str, list[Any]]]:
    """Each block of commands, with what it shows."""
    for number, (kind, text) in enumerate(BLOCKS):
        if kind == "sh":
            after, shown = (*BLOCKS, ("sh", ""))[number + 1]
            yield text, [json.loads(line) for line in shown.splitlines() if after == "json"]


def test_every_line_shows_what_the_page_says(
    cloud: Cloud, terminal: Terminal, tmp_path: Path
) -> None:
    (start, nothing), *others = steps()
    assert (start, nothing) == ("make run\n", []), "the cloud of this test stands for it"
    assert sum(ADDRESS in commands for commands, _ in others) == 1

    for commands, shown in others:
        terminal.paste(commands.replace(ADDRESS, cloud.http_url))
        terminal.until_shown(shown)
    terminal.close()
    assert [path.name for path in tmp_path.iterdir()] == [".venv"], "nothing secret stays behind"
