"""Input that is not JSON: queries and forms whose names may repeat, and cookies."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qs

from chalicelib.errors import BadRequest, ValidationFailed
from chalicelib.text.sentences import problem

FORM = "application/x-www-form-urlencoded"
MAX_FIELDS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Takes:
    """What a view reads of a `Sent`, for the OpenAPI document: types with a member for each name.
    `basic`: the program may show its secret by HTTP Basic."""

    query: type | None = None
    form: type | None = None
    basic: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """A request of a browser or of an OAuth client. `form` is empty unless it was a POST."""

    query: Mapping[str, list[str]] = field(default_factory=dict)
    form: Mapping[str, list[str]] = field(default_factory=dict, repr=False)
    cookies: Mapping[str, str] = field(default_factory=dict, repr=False)
    authorization: str = field(default="", repr=False)

    @property
    def token(self) -> str:
        """The Authorization header; for an access token in the form, what it would be (RFC 6750,
        section 2.2). Raises BadRequest for more than one token, also in the query, where none is
        taken."""
        inside = [one for one in self.form.get("access_token", ()) if one]
        others = [self.authorization, *self.query.get("access_token", ())]
        if len(inside) + len([one for one in others if one]) > 1:
            raise BadRequest("Send one access token: in the Authorization header or in the form.")
        return f"Bearer {inside[0]}" if inside else self.authorization


def fields(text: str) -> dict[str, list[str]]:
    """A form's values by name. Raises BadRequest if it is not UTF-8, and ValidationFailed; neither
    quotes anything of it."""
    try:
        text.encode("ascii")
        return parse_qs(text, keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS)
    except UnicodeDecodeError:
        raise BadRequest("The form is not valid UTF-8.") from None
    except ValueError:
        message = f"Send a form ({FORM}) of at most {MAX_FIELDS} fields."
        raise ValidationFailed([problem("", "not_a_form", message, max=MAX_FIELDS)]) from None


def cookies(header: str) -> dict[str, str]:
    """The cookies of a request (RFC 6265, section 5.4); of two of one name, the first, whose path
    is the longer one."""
    found: dict[str, str] = {}
    for part in header.split(";"):
        name, _, value = part.strip().partition("=")
        found.setdefault(name, value)
    return found
