"""JSON at the edges."""

import re
import uuid
from typing import Literal

import pytest
from pydantic import TypeAdapter, ValidationError

from chalicelib.admin.models import Actor
from chalicelib.errors import AppError, BadRequest, ValidationFailed
from chalicelib.ids import direct_chat_id, new_id
from chalicelib.messages.models.messages import Draft, Message, NewMessage
from chalicelib.users.models import UserIds
from chalicelib.wire import Id, Page, now, parse

MODES: tuple[Literal["validation"], Literal["serialization"]] = "validation", "serialization"

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
    "text",
    [
        *("", "{", '{"client_id": "c1"', "[" * 5000, "\ufeff" + HELLO % "hi"),
        *('{"client_id": NaN}', '{"x": [-Infinity]}', '{"x": ' + "9" * 5000 + "}"),
        '{"x": ' + "[" * 300 + "]" * 300 + "}",
    ],
    ids=range(9),
)
def test_what_is_no_json_is_a_bad_request(text: str) -> None:
    with pytest.raises(BadRequest):
        parse(Draft, text)


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        (HELLO % r"hi \ud83d", ["content.text"]),
        (HELLO % r"\udc00\ud83d\ude00", ["content.text"]),
        (
            r'{"client_id": "\ud800", "content": {"kind": "\udfff", "x": [["\ud800"]]}}',
            ["client_id", "content.kind", "content.x.0.0"],
        ),
        (r'{"a": {"\ud800": 1}, "client_id": "c1"}', ["a.\N{REPLACEMENT CHARACTER}"]),
        (r'{"a": "\ud800", "a": "fine"}', ["a"]),
        (r'"\ud800"', [""]),
        ("[" + ",".join([r'"\ud800"'] * 30) + "]", [str(n) for n in range(20)]),
        (r'{"' + "x" * 100 + r'": "\ud800"}', ["x" * 64]),
        ("[" * 300 + r'"\ud800"' + "]" * 300, [".".join(["0"] * 300)]),
        ("[" * 900 + r'"\ud800"' + "]" * 900, ["0." * 500]),
    ],
)
def test_g7_an_unpaired_surrogate_is_reported_with_its_field(text: str, wrong: list[str]) -> None:
    assert fields(text) == wrong


def test_a_whole_surrogate_pair_is_a_character() -> None:
    assert parse(Draft, HELLO % r"\ud83d\ude00").content.text == "\U0001f600"


UPPER = "01A20000-0000-7000-8000-00000000000A"


def test_an_id_is_the_same_in_either_case() -> None:
    assert TypeAdapter(Id).validate_python(UPPER) == UPPER.lower()
    assert TypeAdapter(UserIds).validate_python(f"{UPPER},{UPPER}") == f"{UPPER},{UPPER}".lower()
    assert TypeAdapter(Actor).validate_python(UPPER) == UPPER.lower()


@pytest.mark.parametrize(
    "value", [UPPER + "\n", UPPER[:-1], f"{{{UPPER}}}", f"urn:uuid:{UPPER}", UPPER.replace("-", "")]
)
def test_another_form_of_a_uuid_is_not_an_id(value: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Id).validate_python(value)


def test_a_schema_says_what_is_read_and_what_is_answered() -> None:
    read, answered = (TypeAdapter(Id).json_schema(mode=mode) for mode in MODES)

    assert re.search(read["pattern"], UPPER)
    assert re.search(read["pattern"], UPPER.lower())
    assert not re.search(answered["pattern"], UPPER)
    assert re.search(answered["pattern"], UPPER.lower())


def test_a_client_id_that_is_a_uuid_is_the_same_in_either_case() -> None:
    draft = '{"client_id": "%s", "content": {"kind": "text", "text": "hi"}}'

    assert parse(Draft, draft % UPPER).client_id == UPPER.lower()
    assert parse(Draft, draft % "aBcD").client_id == "aBcD"


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
    ours = [one for one in AppError.__subclasses__() if one.__module__.startswith("chalicelib.")]
    codes = [error.code for error in ours]

    assert len(codes) == len(set(codes))
    assert all(400 <= error.status < 600 for error in AppError.__subclasses__())


class TestPage:
    def test_names_the_next_page_if_one_more_was_found(self) -> None:
        page = Page[str, int].of(["a", "bb", "ccc"], 2, len)

        assert (page.items, page.next) == (["a", "bb"], 2)

    @pytest.mark.parametrize("found", [[], ["a"], ["a", "bb"]])
    def test_is_the_last_one_otherwise(self, found: list[str]) -> None:
        page = Page[str, int].of(found, 2, len)

        assert (page.items, page.next) == (found, None)
