"""Bodies and queries as bytes: what is not UTF-8 is refused, whatever it claims to be."""

import base64
import json
import time
from typing import Any

import pytest
from chalice.app import Request
from pydantic import TypeAdapter

from chalicelib.edge.forms import FORM
from chalicelib.edge.requests import MAX_BODY, body_of, brings_token, path_value, query_of, sent_by
from chalicelib.errors import (
    AppError,
    BadRequest,
    NotFound,
    UnsupportedMediaType,
    ValidationFailed,
)
from chalicelib.messages.models.messages import Draft
from chalicelib.messages.pages import ChatQuery

HELLO = '{"client_id": "c1", "content": {"kind": "text", "text": "é"}}'


def request(
    body: bytes | None = None,
    kind: str | None = "application/json",
    *,
    method: str = "POST",
    query: dict[str, list[str]] | None = None,
    **headers: str,
) -> Any:
    """As API Gateway hands it on: every body as base64."""
    event = {
        "multiValueQueryStringParameters": query,
        "headers": ({} if kind is None else {"content-type": kind}) | headers,
        "pathParameters": None,
        "requestContext": {"httpMethod": method, "resourcePath": "/"},
        "body": None if body is None else base64.b64encode(body).decode(),
        "isBase64Encoded": body is not None,
        "stageVariables": None,
    }
    return Request(event)


@pytest.mark.parametrize(
    "charset",
    [
        "",
        "; charset=utf-8",
        ";charset=UTF-8",
        " ; charset=utf8",
        '; charset="utf-8"',
        r'; charset="UT\F-8"',
        "; profile=x; charset=UTF8;",
        "; charset=utf-8; charset=UTF-8",
        '; profile="a;b=c"',
        " ",
    ],
)
def test_utf_8_is_read_under_all_of_its_names(charset: str) -> None:
    sent = request(HELLO.encode(), f"Application/JSON{charset}")
    form = request(b"a=%C3%A9", FORM + charset)

    assert body_of(Draft, sent).content.text == "é"
    assert sent_by(form).form == {"a": ["é"]}


@pytest.mark.parametrize(
    "charset",
    [
        "; charset=latin-1",
        "; charset=iso-8859-1",
        "; charset=utf-16",
        "; charset=us-ascii",
        "; charset=utf-8; charset=latin-1",
        '; charset="latin-1"',
        "; profile=x; CHARSET=latin-1",
        '; profile="; charset=utf-8"; charset=utf-16',
        "; charset=",
        '; charset="utf-8',
        "; charset",
        "; charset=utf 8",
        ", application/json",
    ],
)
def test_another_charset_is_another_media_type(charset: str) -> None:
    for kind, read in ((f"application/json{charset}", json_of), (FORM + charset, sent_by)):
        with pytest.raises(UnsupportedMediaType):
            read(request(b"{}", kind))


def json_of(sent: Any) -> Draft:
    return body_of(Draft, sent)


def test_a_long_content_type_is_read_at_once() -> None:
    began = time.process_time()

    for kind in ("; " * 5000, ";a=" + '"\\' * 5000, ";a=b" * 3000 + "("):
        with pytest.raises(AppError):
            body_of(Draft, request(b"{", f"application/json{kind}"))

    assert time.process_time() - began < 1


@pytest.mark.parametrize(
    "body",
    [
        HELLO.encode("latin-1"),
        b'{"client_id": "\xff"}',
        b'{"\xc3\x28": 1}',
        b'{"client_id": "\xed\xa0\xbd"}',
        b'{"client_id": "\xc0\xaf"}',
        HELLO.encode("utf-16"),
        HELLO.encode("utf-16-le"),
        HELLO.encode("utf-32-be"),
        b"\xef\xbb\xbf" + HELLO.encode(),
    ],
    ids=[
        "latin-1",
        "a byte",
        "a name",
        "a surrogate",
        "overlong",
        "16",
        "16-le",
        "32-be",
        "a mark",
    ],
)
def test_json_that_is_not_utf_8_is_a_bad_request(body: bytes) -> None:
    with pytest.raises(BadRequest):
        body_of(Draft, request(body))


@pytest.mark.parametrize("body", [b"a=\xe4", b"a=\xed\xa0\xbd", "a=b".encode("utf-16")])
def test_a_form_that_is_not_utf_8_is_a_bad_request(body: bytes) -> None:
    with pytest.raises(BadRequest):
        sent_by(request(body, FORM))


def test_invalid_base64_is_refused() -> None:
    sent = request(b"")
    sent._body, sent._is_base64_encoded = "a", True

    with pytest.raises(ValidationFailed):
        body_of(Draft, sent)


@pytest.mark.parametrize("kind", ["application/json", FORM])
def test_a_request_without_a_body_is_no_failure(kind: str) -> None:
    assert sent_by(request(None, None)).form == {}
    with pytest.raises(BadRequest):
        body_of(Draft, request(None, None))
    with pytest.raises(AppError):
        body_of(Draft, request(b"x" * (MAX_BODY + 1), kind))


@pytest.mark.parametrize("query", [{"cursor": ["a\ufffd"]}, {"\ufffd": ["1"]}, {"x": ["\ud800"]}])
def test_a_query_that_is_not_utf_8_is_refused(query: dict[str, list[str]]) -> None:
    with pytest.raises(ValidationFailed) as refused:
        query_of(ChatQuery, request(query=query))
    assert refused.value.details["errors"] == [
        {
            "field": next(iter(query)),
            "kind": "not_utf8",
            "message": "This is not valid UTF-8.",
        }
    ]
    with pytest.raises(BadRequest):
        sent_by(request(kind=None, method="GET", query=query))


def test_a_name_in_a_query_that_no_answer_can_hold_is_not_repeated() -> None:
    with pytest.raises(ValidationFailed) as refused:
        query_of(ChatQuery, request(query={"\ud800": ["1"]}))

    assert json.dumps(refused.value.details).encode()
    assert refused.value.details["errors"][0]["field"] == ""


def test_a_path_that_is_not_utf_8_is_not_found() -> None:
    for value in ("\ufffd", "a\ud800"):
        with pytest.raises(NotFound):
            path_value(TypeAdapter(str), value)


@pytest.mark.parametrize(
    ("authorization", "brings"),
    [("Bearer x", True), ("bearer  x", True), ("Bearer ", False), ("Bearer", False),
     ("Basic eDp5", False), ("", False)],
)  # fmt: skip
def test_only_a_bearer_token_is_one(authorization: str, brings: bool) -> None:
    assert brings_token(authorization) is brings
