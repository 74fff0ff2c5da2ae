"""What people read when a field is wrong: our own sentences, one table for all edges."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError, ValidatorFunctionWrapHandler, WrapValidator
from pydantic_core import PydanticCustomError

OURS = "sentence"
"""The kind of error whose text we wrote. Every other kind is the validator's."""

ANYTHING_ELSE = "This value is not accepted here."

SENTENCES = {
    "missing": "This is required.",
    "extra_forbidden": "There is no such field. Leave it out.",
    "invalid_key": "Use text for the name of a field.",
    "model_type": "Send an object with fields.",
    "model_attributes_type": "Send an object with fields.",
    "dict_type": "Send an object with fields.",
    "list_type": "Send a list.",
    "none_required": "Leave this out, or send null.",
    "string_type": "Send text.",
    "string_sub_type": "Send text.",
    "string_unicode": "This is not valid Unicode text.",
    "string_too_short": "Use at least {min_length} characters.",
    "string_too_long": "Use at most {max_length} characters.",
    # Of a `Token`. Another pattern needs its own sentence, by `said`.
    "string_pattern_mismatch": "Use visible ASCII characters, and no spaces.",
    "too_short": "Give at least {min_length} items.",
    "too_long": "Give at most {max_length} items.",
    "literal_error": "Use {expected}.",
    "bool_type": "Send true or false.",
    "bool_parsing": "Send true or false.",
    "int_type": "Send a whole number.",
    "int_parsing": "Send a whole number.",
    "int_parsing_size": "This number is too large.",
    "int_from_float": "Send a whole number.",
    "greater_than": "Use a number greater than {gt}.",
    "greater_than_equal": "Use a number of at least {ge}.",
    "less_than": "Use a number less than {lt}.",
    "less_than_equal": "Use a number of at most {le}.",
}
"""By kind of error. Names in braces are from the error's context. Lengths of texts are in
characters after NFC."""

_ONE = {
    "string_too_short": "This must not be empty.",
    "string_too_long": "Use at most 1 character.",
    "too_short": "Give at least 1 item.",
    "too_long": "Give at most 1 item.",
}
MOST_FIELDS = 20
"""Fields that an answer names."""

_FIELD = 100
"""The name of a field is answered up to this length: a client may have made it up."""


def wrong(sentence: str) -> PydanticCustomError:
    """What a validator raises: `sentence` is answered as it is, so it quotes no input."""
    return PydanticCustomError(OURS, sentence)


def said(sentence: str) -> WrapValidator:
    """Whatever is wrong with a field, this is what is answered. It stands last in `Annotated`: what
    comes after it is not answered by it, and counts the characters of a text as items."""

    def check(value: Any, handler: ValidatorFunctionWrapHandler) -> Any:
        try:
            return handler(value)
        except ValidationError:
            raise wrong(sentence) from None

    return WrapValidator(check)


def problems(error: ValidationError, *, limit: int = MOST_FIELDS) -> list[dict[str, str]]:
    """What is wrong where, as `ValidationFailed` has it. No input is quoted but names of fields."""
    found = error.errors(include_url=False, include_input=False)
    return [
        {
            "field": ".".join(str(one) for one in item["loc"] if one != "[key]")[:_FIELD],
            "message": sentence(item["type"], item["msg"], item.get("ctx", {})),
        }
        for item in found[:limit]
    ]


def sentence(kind: str, text: str, context: Mapping[str, Any]) -> str:
    """The sentence for an error. `text` is what the validator says, shown only if we wrote it."""
    if kind == OURS:
        return text
    if kind in _ONE and 1 in (context.get("min_length"), context.get("max_length")):
        return _ONE[kind]
    numbers = {
        name: f"{value:,}" if isinstance(value, int) else value for name, value in context.items()
    }
    return SENTENCES.get(kind, ANYTHING_ELSE).format(**numbers)


def wait(seconds: int) -> str:
    """How long to wait, in the largest unit that keeps it exact enough; rounded up."""
    for unit, name in ((3600, "hours"), (60, "minutes")):
        if seconds >= 2 * unit:
            return f"{-(-seconds // unit)} {name}"
    return "1 second" if seconds == 1 else f"{seconds} seconds"
