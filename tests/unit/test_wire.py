"""JSON at the edges."""

import uuid

import pytest

from chalicelib.errors import AppError, BadRequest, ValidationFailed
from chalicelib.ids import direct_chat_id, new_id
from chalicelib.messages.models import Draft, Message, NewMessage
from chalicelib.wire import now, parse

HELLO = '{"client_id": "c1", "content": {"kind": "text", "text": "%s"}}'


def fields(text: str) -> list[str]:
    with pytest.raises(ValidationFailed) as caught:
        parse(Draft, text)
    return [error["field"] for error in caught.value.details["errors"]]


def test_text_is_stored_in_nfc() -> None:
    assert parse(Draft, HELLO % "e\u0301").content.text == "é"


def test_length_is_counted_after_nfc() -> None:
    assert len(parse(Draft, HELLO % ("e\u0301" * 4096)).content.text) == 4096
    assert fields(HELLO % ("a" * 4097)) == ["content.text"]


@pytest.mark.parametrize("text", ["", " ", "\\n", "\\u0000", "a\\u0007b", "\\u009b"])
def test_empty_text_and_control_characters_are_refused(text: str) -> None:
    assert fields(HELLO % text) == ["content.text"]


@pytest.mark.parametrize(
    "text", ["", "{", '{"client_id": "c1"', HELLO % "\\ud800", "[" * 5000, b"\xff\xfe"]
)
def test_what_is_no_json_is_a_bad_request(text: str) -> None:
    with pytest.raises(BadRequest):
        parse(Draft, text)


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("[]", [""]),
        ("null", [""]),
        ("{}", ["client_id", "content"]),
        ('{"client_id": 5, "content": {"kind": "text", "text": "a"}}', ["client_id"]),
        ('{"client_id": "", "content": {"kind": "text", "text": "a"}}', ["client_id"]),
        ('{"client_id": "a b", "content": {"kind": "text", "text": "a"}}', ["client_id"]),
        ('{"client_id": "c", "content": {"kind": "image", "text": "a"}}', ["content.kind"]),
        ('{"client_id": "c", "content": {"kind": "text", "text": 1}}', ["content.text"]),
        ('{"client_id": "c", "content": {"kind": "text", "text": "a"}, "x": 1}', ["x"]),
        (
            '{"client_id": "c", "content": {"kind": "text", "text": "a", "html": "b"}}',
            ["content.html"],
        ),
    ],
)
def test_g7_each_wrong_field_is_named(text: str, wrong: list[str]) -> None:
    assert fields(text) == wrong


def test_g8_a_refusal_does_not_quote_what_was_sent() -> None:
    with pytest.raises(ValidationFailed) as caught:
        parse(Draft, '{"client_id": "hunter2 hunter2", "content": "hunter2"}')

    assert "hunter2" not in str(caught.value.to_wire())


def test_a_stored_message_reads_back_as_it_was_written() -> None:
    message = NewMessage.of(parse(Draft, HELLO % "hi"), chat_id="c", sender_id="s").at(3, now())

    assert Message.model_validate_json(message.model_dump_json()) == message


def test_times_go_out_in_utc_to_the_millisecond() -> None:
    message = NewMessage.of(parse(Draft, HELLO % "hi"), chat_id="c", sender_id="s").at(3, now())

    assert message.model_dump(mode="json")["created_at"].endswith("Z")
    assert now().microsecond % 1000 == 0


def test_ids_are_uuid7_and_grow_with_time() -> None:
    first, second = uuid.UUID(new_id()), uuid.UUID(new_id())

    assert (first.version, first.variant) == (7, uuid.RFC_4122)
    assert first.int >> 80 <= second.int >> 80
    assert first != second


def test_both_members_name_their_chat_alike() -> None:
    ana, bo, cy = new_id(), new_id(), new_id()

    assert direct_chat_id(ana, bo) == direct_chat_id(bo, ana)
    assert direct_chat_id(ana, bo) != direct_chat_id(ana, cy)


def test_every_error_has_a_code_of_its_own() -> None:
    codes = [error.code for error in AppError.__subclasses__()]

    assert len(codes) == len(set(codes))
    assert all(400 <= error.status < 600 for error in AppError.__subclasses__())
