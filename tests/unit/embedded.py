"""Reads the embedded metric format as CloudWatch's specification has it."""

import json
import time
from typing import Any, NamedTuple

import jsonschema

_NAME = {"type": "string", "minLength": 1, "maxLength": 1024}
_DIMENSIONS = {"type": "array", "minItems": 1, "maxItems": 30, "items": _NAME}
_METRIC = {
    "type": "object",
    "required": ["Name"],
    "additionalProperties": False,
    "properties": {
        "Name": _NAME,
        "Unit": {"enum": ["Count", "Seconds"]},
        "StorageResolution": {"enum": [1, 60]},
    },
}
_DIRECTIVE = {
    "type": "object",
    "required": ["Namespace", "Dimensions", "Metrics"],
    "additionalProperties": False,
    "properties": {
        "Namespace": _NAME,
        "Dimensions": {"type": "array", "minItems": 1, "items": _DIMENSIONS},
        "Metrics": {"type": "array", "minItems": 1, "maxItems": 100, "items": _METRIC},
    },
}
_SCHEMA = {
    "type": "object",
    "required": ["_aws"],
    "properties": {
        "_aws": {
            "type": "object",
            "required": ["Timestamp", "CloudWatchMetrics"],
            "additionalProperties": False,
            "properties": {
                "Timestamp": {"type": "integer"},
                "CloudWatchMetrics": {"type": "array", "minItems": 1, "items": _DIRECTIVE},
            },
        }
    },
}


class Point(NamedTuple):
    """A value that CloudWatch would take from a line."""

    name: str
    value: float
    unit: str
    dimensions: tuple[tuple[str, str], ...]


def points(line: str) -> list[Point]:
    """What CloudWatch would take from a line. Fails where it would take nothing."""
    document: dict[str, Any] = json.loads(line)
    jsonschema.validate(document, _SCHEMA)
    assert abs(document["_aws"]["Timestamp"] / 1000 - time.time()) < 60
    assert "\n" not in line
    found = []
    mentioned = {"_aws"}
    for directive in document["_aws"]["CloudWatchMetrics"]:
        assert directive["Namespace"] == "Parley"
        for names in directive["Dimensions"]:
            values = tuple((name, document[name]) for name in names)
            assert all(isinstance(value, str) and value for _, value in values)
            mentioned |= {*names}
            for metric in directive["Metrics"]:
                mentioned.add(metric["Name"])
                value = document[metric["Name"]]
                assert isinstance(value, int | float)
                found.append(Point(metric["Name"], value, metric["Unit"], values))
    assert document.keys() == mentioned, "nothing else goes along"
    return found
