"""The sentences that people read when a field is wrong: one table for HTTP and sockets. Each has a
kind, by which clients can find their own sentence."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from pydantic import ValidationError, ValidatorFunctionWrapHandler, WrapValidator
from pydantic_core import PydanticCustomError

OURS = "sentence"
"""The validator's type of errors with our own text. Every other type is the validator's."""


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
    # The pattern of `Token`. Another pattern needs its own sentence, by `said`.
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
"""How many fields an answer names at most."""

_FIELD = 100
"""The longest name of a field in an answer: the client may have invented it."""


def wrong(kind: str, sentence: str, **numbers: int) -> PydanticCustomError:
    """The error for a validator to raise. `sentence` is answered unchanged, so it must not quote
    input. `numbers`: the bounds in it, as `min` or `max`."""
    return PydanticCustomError(OURS, sentence, {"kind": kind, **numbers})


def said(kind: str, sentence: str) -> WrapValidator:
    """An annotation: every error of a field gets this sentence. It must be last in `Annotated`:
    errors of later annotations do not get it, and length limits after it count a text's characters
    as items."""

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
    """The problems by field, as `ValidationFailed` has them. Only names of fields are quoted from
    the input."""
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
    """The same for an error from `wrong` that was raised outside a validator."""
    return _problem(field, OURS, error.message(), error.context or {})


def _problem(field: str, kind: str, text: str, context: Mapping[str, Any]) -> dict[str, Any]:
    """`text`: the validator's text. It is shown only if it is ours."""
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
