"""What people read when a field is wrong: our own sentences, one table for all edges. Beside each
stands its kind, by which clients find a sentence of their own."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from pydantic import ValidationError, ValidatorFunctionWrapHandler, WrapValidator
from pydantic_core import PydanticCustomError

OURS = "sentence"
"""The kind of error whose text we wrote. Every other kind is the validator's."""


class Said(NamedTuple):
    """A stable `kind` and its sentence."""

    kind: str
    sentence: str


ANYTHING_ELSE = Said("not_accepted", "This value is not accepted here.")

_OBJECT = Said("not_an_object", "Send an object with fields.")
_TEXT = Said("not_text", "Send text.")
_BOOLEAN = Said("not_a_boolean", "Send true or false.")
_INTEGER = Said("not_an_integer", "Send a whole number.")

SENTENCES = {
    "missing": Said("missing", "This is required."),
    "extra_forbidden": Said("unknown_field", "There is no such field. Leave it out."),
    "invalid_key": Said("not_a_name", "Use text for the name of a field."),
    "model_type": _OBJECT,
    "model_attributes_type": _OBJECT,
    "dict_type": _OBJECT,
    "list_type": Said("not_a_list", "Send a list."),
    "none_required": Said("not_null", "Leave this out, or send null."),
    "string_type": _TEXT,
    "string_sub_type": _TEXT,
    "string_unicode": Said("not_unicode", "This is not valid Unicode text."),
    "string_too_short": Said("too_short", "Use at least {min_length} characters."),
    "string_too_long": Said("too_long", "Use at most {max_length} characters."),
    # Of a `Token`. Another pattern needs its own sentence, by `said`.
    "string_pattern_mismatch": Said(
        "not_visible_ascii", "Use visible ASCII characters, and no spaces."
    ),
    "too_short": Said("too_few", "Give at least {min_length} items."),
    "too_long": Said("too_many", "Give at most {max_length} items."),
    "literal_error": Said("not_a_choice", "Use {expected}."),
    "bool_type": _BOOLEAN,
    "bool_parsing": _BOOLEAN,
    "int_type": _INTEGER,
    "int_parsing": _INTEGER,
    "int_parsing_size": Said("number_too_large", "This number is too large."),
    "int_from_float": _INTEGER,
    "greater_than": Said("not_above", "Use a number greater than {gt}."),
    "greater_than_equal": Said("too_small", "Use a number of at least {ge}."),
    "less_than": Said("not_below", "Use a number less than {lt}."),
    "less_than_equal": Said("too_large", "Use a number of at most {le}."),
}
"""By kind of the validator's error. Names in braces are from the error's context. Lengths of texts
are in characters after NFC."""

_ONE = {
    "string_too_short": "This must not be empty.",
    "string_too_long": "Use at most 1 character.",
    "too_short": "Give at least 1 item.",
    "too_long": "Give at most 1 item.",
}
_BOUNDS = {
    "min_length": "min",
    "gt": "min",
    "ge": "min",
    "max_length": "max",
    "lt": "max",
    "le": "max",
}
MOST_FIELDS = 20
"""Fields that an answer names."""

_FIELD = 100
"""The name of a field is answered up to this length: a client may have made it up."""


def wrong(kind: str, sentence: str, **numbers: int) -> PydanticCustomError:
    """What a validator raises: `sentence` is answered as it is, so it quotes no input. `numbers`
    are the bounds that it names, as `min` or `max`."""
    return PydanticCustomError(OURS, sentence, {"kind": kind, **numbers})


def said(kind: str, sentence: str) -> WrapValidator:
    """Whatever is wrong with a field, this is what is answered. It stands last in `Annotated`: what
    comes after it is not answered by it, and counts the characters of a text as items."""

    def check(value: Any, handler: ValidatorFunctionWrapHandler) -> Any:
        try:
            return handler(value)
        except ValidationError:
            raise wrong(kind, sentence) from None

    return WrapValidator(check)


def problem(field: str, kind: str, message: str, **numbers: int) -> dict[str, Any]:
    """One thing that is wrong, as `ValidationFailed` has it."""
    return {"field": field, "kind": kind, "message": message, **numbers}


def problems(error: ValidationError, *, limit: int = MOST_FIELDS) -> list[dict[str, Any]]:
    """What is wrong where, as `ValidationFailed` has it. No input is quoted but names of fields."""
    found = error.errors(include_url=False, include_input=False)
    return [
        _problem(
            ".".join(str(one) for one in item["loc"] if one != "[key]")[:_FIELD],
            item["type"],
            item["msg"],
            item.get("ctx", {}),
        )
        for item in found[:limit]
    ]


def of_raised(field: str, error: PydanticCustomError) -> dict[str, Any]:
    """The same of what `wrong` made, caught where no validator ran."""
    return _problem(field, OURS, error.message(), error.context or {})


def _problem(field: str, kind: str, text: str, context: Mapping[str, Any]) -> dict[str, Any]:
    """`text` is what the validator says, shown only if we wrote it."""
    if kind == OURS:
        return problem(field, message=text, **context)
    found = SENTENCES.get(kind, ANYTHING_ELSE)
    bounds = {_BOUNDS[name]: value for name, value in context.items() if name in _BOUNDS}
    if kind in _ONE and 1 in bounds.values():
        return problem(field, found.kind, _ONE[kind], **bounds)
    written = {
        name: f"{value:,}" if isinstance(value, int) else value for name, value in context.items()
    }
    return problem(field, found.kind, found.sentence.format(**written), **bounds)


def wait(seconds: int) -> str:
    """How long to wait, in the largest unit that keeps it exact enough; rounded up."""
    for unit, name in ((3600, "hours"), (60, "minutes")):
        if seconds >= 2 * unit:
            return f"{-(-seconds // unit)} {name}"
    return "1 second" if seconds == 1 else f"{seconds} seconds"
