"""JSON Schemas of requests and answers."""

from collections.abc import Iterable
from typing import Any, Literal

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

REFS = "#/components/schemas/{model}"

Mode = Literal["validation", "serialization"]


class Generator(GenerateJsonSchema):
    """Makes schemas for generators of clients: an optional field has no `default: null`, and the
    title of a field is its name."""

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        made = super().default_schema(schema)
        if "default" in made and made["default"] is None:
            del made["default"]
        return made

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def schema_of(kind: Any, mode: Mode = "validation") -> dict[str, Any]:
    """The schema of a type that is used in one place."""
    return TypeAdapter(kind).json_schema(mode=mode, schema_generator=Generator, ref_template=REFS)


def schemas_of(
    kinds: Iterable[tuple[Any, Mode]],
) -> tuple[dict[Any, dict[str, Any]], dict[str, dict[str, Any]]]:
    """A reference for each type, and the schemas by name that they refer to."""
    found, shared = TypeAdapter.json_schemas(
        [(kind, mode, TypeAdapter(kind)) for kind, mode in dict.fromkeys(kinds)],
        schema_generator=Generator,
        ref_template=REFS,
    )
    return {kind: schema for (kind, _), schema in found.items()}, shared["$defs"]
