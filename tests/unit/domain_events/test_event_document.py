"""docs/events.md says what the code sends."""

import json
import re
from pathlib import Path

import jsonschema

from chalicelib.domain_events.models import TYPES
from chalicelib.edge.asyncapi import document

DOCS = Path(__file__).resolve().parents[3] / "docs"
PAGE = (DOCS / "events.md").read_text()
COMPONENTS = document("https://x.example", "wss://x.example")["components"]


def test_every_type_is_told_with_its_fields() -> None:
    rows = re.findall(r"^\| `([a-z.]+)` \|.*\| (.*) \|$", PAGE, re.MULTILINE)

    assert {name: set(re.findall(r"`(\w+)`", fields)) for name, fields in rows} == {
        name: set(data.model_fields) for name, data in TYPES.items()
    }


def test_the_example_is_of_its_schema() -> None:
    (example,) = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
    event = json.loads(example)
    schema = COMPONENTS["messages"][f"{event['type']}.published"]["payload"]

    jsonschema.validate(event, {**schema, "components": COMPONENTS})


def test_the_consumer_has_some_fifteen_lines() -> None:
    (program,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)

    assert len(program.splitlines()) <= 16
