"""What the README says of settings and commands is what there is."""

import re
from pathlib import Path

from chalicelib.config import Settings

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()


def test_every_setting_is_in_the_table_with_its_default() -> None:
    rows = [line for line in README.splitlines() if line.startswith("| `")]
    told: dict[str, str] = {}
    for row in rows:
        names, values = row.split("|")[1:3]
        found = re.findall(r"`([A-Z0-9_]+)`", names)
        defaults = [value.strip() for value in values.split(", ")]
        told |= dict(zip(found, defaults if len(found) == len(defaults) else [""], strict=False))
    fields = {name.upper(): field for name, field in Settings.model_fields.items()}
    given_by_aws = {name for name in fields if name.startswith("AWS_")}

    assert told.keys() == fields.keys() - given_by_aws
    for name, default in told.items():
        if isinstance(fields[name].default, int | float):
            assert float(default) == fields[name].default, name


def test_every_command_is_a_target() -> None:
    makefile = (ROOT / "Makefile").read_text()

    commands = set(re.findall(r"^make (\w+)", README, re.MULTILINE))
    assert commands
    assert all(f"\n{command}:" in makefile for command in commands)


def test_every_linked_file_is_there() -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", README)

    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []
