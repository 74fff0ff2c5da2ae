"""Input that is not JSON: queries and forms whose names may repeat, and cookies."""

from dataclasses import dataclass
from urllib.parse import parse_qs

from chalicelib.errors import BadRequest, ValidationFailed
from chalicelib.text.sentences import problem

FORM = "application/x-www-form-urlencoded"
MAX_FIELDS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Takes:
    """The names that a view reads from a `Sent`, for the OpenAPI document: types with a member for
    each name. `basic`: the program may send its secret by HTTP Basic."""

    query: type | None = None
    form: type | None = None
    basic: bool = False


def fields(text: str) -> dict[str, list[str]]:
    """A form's values by name. Raises BadRequest if it is not UTF-8, and ValidationFailed. Neither
    quotes the input."""
    try:
        text.encode("ascii")
        return parse_qs(text, keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS)
    except UnicodeDecodeError:
        raise BadRequest("The form is not valid UTF-8.") from None
    except ValueError:
        message = f"Send a form ({FORM}) of at most {MAX_FIELDS} fields."
        raise ValidationFailed([problem("", "not_a_form", message, max=MAX_FIELDS)]) from None


def cookies(header: str) -> dict[str, str]:
    """The cookies of a request (RFC 6265, section 5.4). Of two with the same name, the first: it
    has the longer path."""
    found: dict[str, str] = {}
    for part in header.split(";"):
        name, _, value = part.strip().partition("=")
        found.setdefault(name, value)
    return found
