"""Examples of schemas, made from the examples of their fields."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

_BY_FORMAT = {
    "uuid": "0199b7a2-5c1e-7d34-8f60-2b9d41c7e853",
    "date-time": "2026-03-01T09:30:00.000Z",
    "uri": "https://shop.example.org/back",
}


class NoExample(LookupError):
    """A field has no example, and none can be made up."""


def example_of(schema: Mapping[str, Any], shared: Mapping[str, Any], *, whole: bool) -> Any:
    """An example of a schema. `whole`: with the optional fields that have an example. Raises
    NoExample."""
    if "$ref" in schema:
        return example_of(shared[schema["$ref"].rpartition("/")[2]], shared, whole=whole)
    if "examples" in schema:
        return schema["examples"][0]
    for one in ("const", "default"):
        if one in schema:
            return schema[one]
    if "enum" in schema:
        return schema["enum"][0]
    for one in ("anyOf", "oneOf"):
        if one in schema:
            return example_of(schema[one][0], shared, whole=whole)
    return _by_type(schema, shared, whole=whole)


def _by_type(schema: Mapping[str, Any], shared: Mapping[str, Any], *, whole: bool) -> Any:
    match schema.get("type"):
        case "object":
            required = schema.get("required", ())
            made = {}
            for name, each in schema.get("properties", {}).items():
                if name in required:
                    made[name] = example_of(each, shared, whole=whole)
                elif whole:
                    with suppress(NoExample):
                        made[name] = example_of(each, shared, whole=whole)
            return made
        case "array":
            return [example_of(schema["items"], shared, whole=whole)]
        case "boolean":
            return True
        case "null":
            return None
        case "integer":
            return schema.get("minimum", 1)
        case "string" if schema.get("format") in _BY_FORMAT:
            return _BY_FORMAT[schema["format"]]
    raise NoExample(schema)
