"""What a message can hold, and what a notification shows of it."""

import json

import pytest

from chalicelib.errors import ValidationFailed
from chalicelib.messages.content import PREVIEW_LENGTH, TextContent
from chalicelib.messages.models.messages import Draft, Message
from chalicelib.wire import now, parse
from tests.messaging import text_of
from tests.unit.text.test_text import FAMILY, SEEN, UNSEEN


def draft(text: str) -> Draft:
    content = {"kind": "text", "text": text}
    return parse(Draft, json.dumps({"client_id": "c", "content": content}))


def preview(text: str) -> str:
    return TextContent(kind="text", text=text).preview()


@pytest.mark.parametrize("text", UNSEEN, ids=ascii)
def test_a_text_that_shows_nothing_is_refused(text: str) -> None:
    with pytest.raises(ValidationFailed) as raised:
        draft(text)
    assert [one["field"] for one in raised.value.details["errors"]] == ["content.text"]


@pytest.mark.parametrize("text", [*SEEN[:-2], "\u200fשלום\u200f", "\uf8ff is a logo"], ids=ascii)
def test_a_text_stays_as_it_was_written(text: str) -> None:
    assert draft(text).content.text == text


@pytest.mark.parametrize("text", ["\u200b", "a\ufffe", " ", "x" * 5000], ids=ascii)
def test_what_was_stored_under_earlier_rules_can_be_read(text: str) -> None:
    stored = {
        "id": "i", "chat_id": "c", "seq": 1, "rev": 1, "sender_id": "s", "client_id": "c",
        "content": {"kind": "text", "text": text}, "created_at": now(),
    }  # fmt: skip

    message = Message.model_validate(stored)
    assert text_of(message) == text
    assert message.content is not None
    assert len(message.content.preview()) <= PREVIEW_LENGTH


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (" " * 240 + "x", "x"),
        ("a" + " " * 300 + "IMPORTANT", "a IMPORTANT"),
        ("a" + "\n\u3000" * 150 + "IMPORTANT", "a IMPORTANT"),
        ("a" + "\u200b" * 300 + "IMPORTANT", "aIMPORTANT"),
        ("a" + "\u2800" * 300 + "IMPORTANT", "a IMPORTANT"),
        ("a" + "\u202e" * 300 + "IMPORTANT", "aIMPORTANT"),
        ("x" * 120, "x" * 120),
        ("x" * 121, "x" * 119 + "…"),
        ("x" * 118 + "👍🏽" + "y", "x" * 118 + "…"),
        ("x" * 117 + "👍🏽", "x" * 117 + "👍🏽"),
        ("x" * 118 + "🇩🇪" + "y", "x" * 118 + "…"),
        ("x" * 118 + FAMILY, "x" * 118 + "…"),
        ("👍🏽" * 100, "👍🏽" * 59 + "…"),
        ("\u200d".join("abc " * 60), "\u200d".join("abc " * 15)[:-2] + "\u200d…"),
    ],
    ids=range(14),
)
def test_a_preview_is_one_line_cut_between_what_people_see(text: str, shown: str) -> None:
    assert preview(text) == shown


def test_a_pile_of_marks_cannot_push_the_rest_out_of_a_preview() -> None:
    assert preview("e" + "\u0301" * 4000 + "after").endswith("after")
    assert len(preview(("e" + "\u0301" * 40) * 99)) <= PREVIEW_LENGTH
