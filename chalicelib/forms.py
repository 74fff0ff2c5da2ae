"""Input that is not JSON: queries and forms whose names may repeat, and cookies."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qs

from chalicelib.errors import ValidationFailed

FORM = "application/x-www-form-urlencoded"
MAX_FIELDS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """A request of a browser or of an OAuth client. `form` is empty unless it was a POST."""

    query: Mapping[str, list[str]] = field(default_factory=dict)
    form: Mapping[str, list[str]] = field(default_factory=dict, repr=False)
    cookies: Mapping[str, str] = field(default_factory=dict, repr=False)
    authorization: str = field(default="", repr=False)


def fields(text: str) -> dict[str, list[str]]:
    """A form's values by name. Raises ValidationFailed, which quotes nothing of it."""
    try:
        text.encode("ascii")
        return parse_qs(text, keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS)
    except ValueError:
        problem = {"field": "", "message": f"The body is no {FORM}, or has too many fields."}
        raise ValidationFailed([problem]) from None


def cookies(header: str) -> dict[str, str]:
    """The cookies of a request (RFC 6265, section 5.4); of two of one name, the first, whose path
    is the longer one."""
    found: dict[str, str] = {}
    for part in header.split(";"):
        name, _, value = part.strip().partition("=")
        found.setdefault(name, value)
    return found
