"""Names for inline schemas: code generators make classes of them."""

from typing import Any


def named(schemas: dict[str, Any]) -> dict[str, Any]:
    """The schemas, with a title for each inline enum, object and union: the name of the schema and
    of the field. A field that may be null lists "null" in its types."""
    return {name: _inside(_plain(schema), name) for name, schema in schemas.items()}


def _inside(schema: dict[str, Any], name: str) -> dict[str, Any]:
    """A schema with a title for each schema in it."""
    made = dict(schema)
    if properties := schema.get("properties"):
        made["properties"] = {
            field: _titled(each, name + pascal(field)) for field, each in properties.items()
        }
    for key, suffix in (("items", "Item"), ("additionalProperties", "Value")):
        if isinstance(schema.get(key), dict):
            made[key] = _titled(schema[key], name + suffix)
    for key in _UNIONS:
        if key in schema:
            made[key] = [
                _titled(each, f"{name}{number}") for number, each in enumerate(schema[key], 1)
            ]
    return made


def _titled(schema: dict[str, Any], name: str) -> dict[str, Any]:
    found = _inside(_plain(schema), name)
    is_class = "enum" in found or found.get("type") == "object" or not _UNIONS.isdisjoint(found)
    return {"title": name, **found} if is_class else found


def _plain(schema: dict[str, Any]) -> dict[str, Any]:
    """{"anyOf": [{"type": "string"}, {"type": "null"}]} as {"type": ["string", "null"]}."""
    match schema.get("anyOf"):
        case [{"type": str(kind)} as one, {"type": "null"}]:
            others = {key: value for key, value in schema.items() if key != "anyOf"}
            return {**one, "type": [kind, "null"], **others}
    return schema


def pascal(name: str) -> str:
    """account.signed_in: AccountSignedIn."""
    return "".join(part.capitalize() for part in name.replace(".", "_").split("_"))


_UNIONS = {"anyOf", "oneOf", "allOf"}
