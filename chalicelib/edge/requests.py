"""Reads a request: its body, its query, its path and its source. All input may be hostile."""

import re
from typing import Any, TypeVar

from pydantic import BaseModel, TypeAdapter, ValidationError

from chalicelib.edge.forms import FORM, cookies, fields
from chalicelib.errors import (
    BadRequest,
    NotFound,
    TooLarge,
    UnsupportedMediaType,
    ValidationFailed,
)
from chalicelib.identity import Source
from chalicelib.text.broken_json import has_half
from chalicelib.text.sentences import MOST_FIELDS, problem
from chalicelib.wire import Sent, parse, refusal

JSON = "application/json"
MAX_BODY = 64 * 1024

M = TypeVar("M", bound=BaseModel)

_WORD = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_PARAMETER = re.compile(rf'[ \t]*;[ \t]*(?:({_WORD})=({_WORD}|"(?:[^"\\]|\\.)*"))?')
_UTF_8 = ("utf-8", "utf8")


def body_of(model: type[M], request: Any) -> M:
    """The JSON body. Raises BadRequest, TooLarge, UnsupportedMediaType or ValidationFailed."""
    return parse(model, _text(request, JSON))


def sent_by(request: Any) -> Sent:
    """The query and form of a browser or an OAuth client. Raises BadRequest for a query that is not
    UTF-8, and for a POST what `body_of` raises."""
    given = request.query_params
    query = {name: given.getlist(name) for name in given} if given else {}
    if any(_is_broken(each) for name, values in query.items() for each in (name, *values)):
        raise BadRequest("The query is not valid UTF-8.")
    return Sent(
        query=query,
        form=fields(_text(request, FORM)) if _has_form(request) else {},
        cookies=cookies(request.headers.get("cookie", "")),
        authorization=request.headers.get("authorization", ""),
    )


def query_of(model: type[M], request: Any) -> M:
    """The query. Raises ValidationFailed."""
    parameters = request.query_params
    given = dict(parameters.items()) if parameters else {}
    broken = [name for name, value in given.items() if _is_broken(name) or _is_broken(value)]
    if broken:
        message = "This is not valid UTF-8."
        names = ["" if has_half(name) else name for name in broken[:MOST_FIELDS]]
        raise ValidationFailed([problem(name, "not_utf8", message) for name in names])
    try:
        return model.model_validate_strings(given)
    except ValidationError as error:
        raise refusal(error) from None


def path_value(adapter: TypeAdapter[Any], value: str) -> Any:
    """A path parameter, validated. Raises NotFound for an invalid one."""
    if _is_broken(value):
        raise NotFound()
    try:
        return adapter.validate_python(value)
    except ValidationError:
        raise NotFound() from None


def source_of(request: Any) -> Source:
    """Where the request comes from, as the gateway saw it."""
    return Source(
        address=request.context.get("identity", {}).get("sourceIp", ""),
        user_agent=request.headers.get("user-agent", "")[:256],
    )


def brings_token(authorization: str) -> bool:
    """Whether an Authorization header names an access token (RFC 6750, section 2.1)."""
    scheme, _, token = authorization.partition(" ")
    return scheme.lower() == "bearer" and bool(token.strip())


def _has_form(request: Any) -> bool:
    """Whether a POST has a body. Some clients, such as aiohttp, send a Content-Type without a
    body."""
    try:
        return request.method == "POST" and bool(request.raw_body)
    except ValueError:
        return True  # `_text` refuses it


def _text(request: Any, kind: str) -> str:
    """The body, if its Content-Type is `kind` in UTF-8 and its bytes are UTF-8. A body without a
    Content-Type is refused as well: any site can make a browser send it without a preflight request
    (CORS)."""
    try:
        raw: bytes = request.raw_body
    except ValueError:  # not valid base64
        raise ValidationFailed([problem("", "unreadable", "The body cannot be read.")]) from None
    content_type = request.headers.get("content-type", "")
    if (content_type or raw) and not _is_utf_8(content_type, kind):
        raise UnsupportedMediaType(f"Send the body as {kind} in UTF-8, and say so in Content-Type.")
    if len(raw) > MAX_BODY:
        raise TooLarge()
    try:
        return raw.decode()
    except UnicodeDecodeError:  # RFC 8259, section 8.1
        raise BadRequest("The body is not valid UTF-8.") from None


def _is_utf_8(content_type: str, kind: str) -> bool:
    """Whether a Content-Type (RFC 9110, section 8.3) is `kind`, and names no other charset."""
    named, semicolon, rest = content_type.partition(";")
    if named.strip().lower() != kind:
        return False
    parameters = (semicolon + rest).rstrip()
    place = 0
    while place < len(parameters):
        found = _PARAMETER.match(parameters, place)
        if found is None:
            return False
        name, value = found[1] or "", found[2] or ""
        charset = re.sub(r"\\(.)", r"\1", value.strip('"')) if value.startswith('"') else value
        if name.lower() == "charset" and charset.lower() not in _UTF_8:
            return False
        place = found.end()
    return True


def _is_broken(value: str) -> bool:
    """Whether the bytes were not UTF-8: gateways replace those by U+FFFD."""
    return "\ufffd" in value or has_half(value)
