"""The README is short, and has commands and promises that exist."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
README = (ROOT / "README.md").read_text()
LINES = 90


def test_it_is_read_in_a_minute_or_two() -> None:
    assert len(README.splitlines()) <= LINES


def test_every_command_is_a_target() -> None:
    makefile = (ROOT / "Makefile").read_text()

    commands = set(re.findall(r"^make ([\w-]+)", README, re.MULTILINE))
    assert commands
    assert all(f"\n{command}:" in makefile for command in commands)


def test_every_promise_is_in_the_names_of_three_tests_or_more() -> None:
    promises = re.findall(r"^\| \*\*(G\d) ", README, re.MULTILINE)
    names = [
        name
        for file in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"^ *(?:async )?def (test_\w+)", file.read_text(), re.MULTILINE)
    ]
    carried = {
        promise: sum(f"_{promise.lower()}_" in name for name in names) for promise in promises
    }

    assert promises == [f"G{n}" for n in range(1, 10)]
    assert {promise: count for promise, count in carried.items() if count < 3} == {}
