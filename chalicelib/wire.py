"""Input and output: strict models in, plain JSON out; and forms of browsers."""

import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Any, Generic, Self, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    StringConstraints,
    ValidationError,
    WithJsonSchema,
)
from pydantic_core import from_json

from chalicelib.errors import BadRequest, ValidationFailed
from chalicelib.text.broken_json import look
from chalicelib.text.characters import printable, visible
from chalicelib.text.sentences import problem, problems, said, wrong


class Model(BaseModel):
    """Base of models that we send, store and pass on: immutable."""

    # Fields with a default are sent as well.
    model_config = ConfigDict(frozen=True, json_schema_serialization_defaults_required=True)


class Input(BaseModel):
    """Base of models that clients send: wrong types and unknown fields are refused."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")


UUID = r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}"
"""A UUID as clients may write it: in either case (RFC 9562, section 4)."""
_OURS = {
    "type": "string",
    "format": "uuid",
    "pattern": r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$",
}


def _printable(value: str) -> str:
    if not printable(value):
        raise wrong(
            "control_characters",
            "Remove the control characters. Pasted text can have some that nobody sees.",
        )
    return value


def _visible(value: str) -> str:
    if not visible(value):
        raise wrong("not_visible", "Write something that can be seen.")
    return value


def _strip(value: Any) -> Any:
    return value.strip() if isinstance(value, str) else value


def _nfc(value: Any) -> Any:
    return unicodedata.normalize("NFC", value) if isinstance(value, str) else value


def _rfc3339(value: datetime) -> str:
    return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


Id = Annotated[
    str,
    StringConstraints(pattern=f"^{UUID}$", to_lower=True),
    said("not_an_id", "This is not an id. An id is a UUID, as the server gave it."),
    WithJsonSchema({"type": "string", "format": "uuid", "pattern": f"^{UUID}$"}, mode="validation"),
    WithJsonSchema(_OURS, mode="serialization"),
]
"""A UUID. It may be sent in either case, and is stored and answered in lower case."""

OurId = Annotated[str, WithJsonSchema(_OURS)]
"""A UUID in an answer. It is not checked again."""

Utc = Annotated[
    datetime,
    PlainSerializer(_rfc3339, when_used="json"),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
"""An aware time; on the wire RFC 3339 in UTC, to the millisecond."""

STRIPPED = BeforeValidator(_strip)
"""Without white space around it."""

NFC = BeforeValidator(_nfc)
"""Text is measured, stored and compared in NFC."""

PRINTABLE = AfterValidator(_printable)
"""Refuses control characters and noncharacters."""

VISIBLE = AfterValidator(_visible)
"""Refuses text without a visible character, such as only spaces, marks, or U+200B."""

Token = Annotated[str, StringConstraints(pattern=r"^[\x21-\x7e]+$")]
"""Visible ASCII, as opaque identifiers of clients are; add a `Field(max_length=…)`."""

CURSOR = Field(description="The `next` of the page before; leave it out for the first page.")
NEXT = Field(description="Send it as `cursor` for the next page; null on the last one.")

PageSize = Annotated[int, Field(ge=1, le=200, description="How many items to answer at most.")]
"""How many items a page of a list may have."""

Item = TypeVar("Item")
Cursor = TypeVar("Cursor")


class Page(Model, Generic[Item, Cursor]):
    """A part of a list, and where the next part begins."""

    items: list[Item]
    next: Annotated[Cursor | None, NEXT]

    @classmethod
    def of(cls, found: Sequence[Item], limit: int, cursor: Callable[[Item], Cursor]) -> Self:
        """A page of `limit` items at most, from up to `limit` + 1 that were found. If one was left
        over, `next` is the cursor of the page's last item."""
        items = list(found[:limit])
        return cls(items=items, next=cursor(items[-1]) if len(found) > limit else None)


M = TypeVar("M", bound=BaseModel)


def parse(model: type[M], text: str) -> M:
    """Read JSON into `model`. Raises BadRequest or ValidationFailed, neither quoting the input.

    A byte order mark, NaN and Infinity are not JSON (RFC 8259, sections 6 and 8.1).
    """
    try:
        if "NaN" in text or "Infinity" in text:
            from_json(text, allow_inf_nan=False)
        return model.model_validate_json(text)
    except ValidationError as error:
        found = refusal(error)
    except ValueError:
        found = BadRequest()
    if isinstance(found, BadRequest) and (fields := look(text).unpaired):
        found = unpaired(fields)
    raise found


def unpaired(fields: list[str]) -> ValidationFailed:
    """The error for text with half of a surrogate pair, which UTF-8 cannot represent."""
    message = "Send whole characters: this holds half of a surrogate pair."
    return ValidationFailed([problem(field, "half_character", message) for field in fields])


def refusal(error: ValidationError) -> BadRequest | ValidationFailed:
    """The error for the client about a failed validation."""
    if any(item["type"] == "json_invalid" for item in error.errors(include_context=False)):
        return BadRequest()
    return ValidationFailed(problems(error))


def now() -> datetime:
    """The time in UTC, cut to what every store and the wire can keep: milliseconds."""
    time = datetime.now(UTC)
    return time.replace(microsecond=time.microsecond // 1000 * 1000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """A request of a browser or of an OAuth client. `form` is empty unless it was a POST."""

    query: Mapping[str, list[str]] = field(default_factory=dict)
    form: Mapping[str, list[str]] = field(default_factory=dict, repr=False)
    cookies: Mapping[str, str] = field(default_factory=dict, repr=False)
    authorization: str = field(default="", repr=False)

    @property
    def token(self) -> str:
        """The Authorization header. If the access token is in the form (RFC 6750, section 2.2), the
        header that it would be in. Raises BadRequest for more than one token. A token in the query
        is not accepted, but counts."""
        inside = [one for one in self.form.get("access_token", ()) if one]
        others = [self.authorization, *self.query.get("access_token", ())]
        if len(inside) + len([one for one in others if one]) > 1:
            raise BadRequest("Send one access token: in the Authorization header or in the form.")
        return f"Bearer {inside[0]}" if inside else self.authorization
