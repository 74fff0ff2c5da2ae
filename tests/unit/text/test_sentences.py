"""Whatever is wrong with a field, people read one of our sentences."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, TypeAdapter, ValidationError

import app
from chalicelib.auth.models import Credentials, PasswordChange, Registration
from chalicelib.auth.second_factor.models import SecondFactorCode
from chalicelib.errors import RateLimited, Unavailable, ValidationFailed
from chalicelib.messages.models.messages import Draft
from chalicelib.messages.models.requests import NewChat, Since
from chalicelib.notify.models import NewPush
from chalicelib.text.sentences import ANYTHING_ELSE, OURS, SENTENCES, problems, wait
from chalicelib.users.models import ProfileChanges, UsersQuery
from chalicelib.wire import Input, Token, parse, refusal

assert app  # every route and action is declared

OTHERS_WORDS = re.compile(
    r"[Ss]tring should|[Ii]nput should|Value error|Assertion|should (be|match|have)|Field required"
    r"|not permitted|pattern|\^|\[|\]|\\|validation|dictionary|Extra inputs"
)
BAD: list[Any] = [
    None, True, 0, -1, 2**80, 1.5, "", " ", "a", "\x0b", "\u200b", "\u202e", "é{0}", "x" * 5000,
    "wrong@", "a b", [], [None], ["x"] * 2000, {}, {"": 1}, {"a": None}, {"\u200b": "x"},
    {"google.x": "y"}, {"k": '"' * 3000}, {str(n): "x" for n in range(1001)},
]  # fmt: skip


def models(base: type[BaseModel] = Input) -> Iterator[type[BaseModel]]:
    for model in base.__subclasses__():
        yield from models(model)
        if model.__module__.startswith("chalicelib."):
            yield model


MODELS = sorted({*models()}, key=lambda model: (model.__module__, model.__name__))


def readable(message: str) -> bool:
    return (
        (
            message[0].isupper()
            or message[0] in "`"
            or message.startswith(("grant ", "oauth-client ", "event"))
        )
        and message.endswith(".")
        and not OTHERS_WORDS.search(message)
    )


def answers(model: type[BaseModel], given: Any) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Each error and what is answered, by JSON, as a frame's data, and as a query."""
    ways: list[tuple[Callable[[Any], BaseModel], Any]] = [
        (model.model_validate_json, json.dumps(given)),
        (model.model_validate, given),
    ]
    if isinstance(given, dict) and all(isinstance(one, str) for one in given.values()):
        ways.append((model.model_validate_strings, given))
    for way, sent in ways:
        try:
            way(sent)
        except ValidationError as error:
            found = error.errors(include_url=False)
            for item, one in zip(found, problems(error, limit=len(found)), strict=True):
                yield dict(item), one


def documents(model: type[BaseModel]) -> Iterator[Any]:
    """What may be sent for a model, with one wrong value at each place."""
    yield from BAD
    for name, field in model.model_fields.items():
        key = field.alias or name
        for value in BAD:
            yield {key: value}
        for inner in inside(field.annotation):
            for value in documents(inner):
                yield {key: value}


def inside(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for one in getattr(annotation, "__args__", ()):
        yield from inside(one)


SOURCES = "\n".join(path.read_text() for path in sorted(Path("chalicelib").rglob("*.py")))
KINDS = {
    *re.findall(r'\b(?:wrong|said|Said)\(\s*"(\w+)"', SOURCES),
    *re.findall(r'\bproblem\([^()]+?,\s+"(\w+)"', SOURCES),
}
"""All that the code can answer."""


def named_numbers(message: str) -> set[int]:
    if message == "This must not be empty.":
        return {1}
    return {int(one.replace(",", "")) for one in re.findall(r"\d[\d,]*", message)}


def test_every_kind_is_documented_and_no_other() -> None:
    listed = re.findall(r"^\| `(\w+)` \|", Path("docs/field-errors.md").read_text(), re.MULTILINE)

    assert set(listed) == KINDS
    assert listed == sorted(listed)


def test_a_kind_and_its_bounds_stand_beside_the_sentence() -> None:
    with pytest.raises(ValidationFailed) as raised:
        parse(Registration, json.dumps({**REGISTRATION, "password": "short", "username": "a b"}))

    username, password = raised.value.details["errors"]
    assert (username["field"], username["kind"]) == ("username", "not_a_username")
    assert password == {
        "field": "password",
        "kind": "too_short",
        "message": "Use at least 10 characters.",
        "min": 10,
    }


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_every_error_of_a_model_has_a_sentence_of_ours(model: type[BaseModel]) -> None:
    for given in documents(model):
        for item, answered in answers(model, given):
            message = answered["message"]
            assert set(answered) <= {"field", "kind", "message", "min", "max"}
            assert answered["kind"] in KINDS, item
            assert named_numbers(message) >= {
                value for name, value in answered.items() if name in ("min", "max")
            }, answered
            assert message != ANYTHING_ELSE.sentence, item
            assert readable(message), (item, message)
            # A text has characters, a list has items.
            wrong_unit = " item" if isinstance(item["input"], str) else " character"
            assert item["type"] == OURS or wrong_unit not in message, (item, message)


TOKEN = TypeAdapter(Token).core_schema["pattern"]
NODES = {
    "str": {
        "pattern": "string_pattern_mismatch",
        "min_length": "string_too_short",
        "max_length": "string_too_long",
        "": "string_type",
    },
    "int": {
        "ge": "greater_than_equal",
        "gt": "greater_than",
        "le": "less_than_equal",
        "lt": "less_than",
        "": "int_type int_parsing int_parsing_size int_from_float",
    },
    "bool": {"": "bool_type bool_parsing"},
    "none": {"": "none_required"},
    "list": {"min_length": "too_short", "max_length": "too_long", "": "list_type"},
    "dict": {"min_length": "too_short", "max_length": "too_long", "": "dict_type"},
    "literal": {"": "literal_error"},
    "model": {"": "model_type"},
    "model-fields": {"": "missing extra_forbidden invalid_key model_attributes_type"},
}
WITHOUT_ERRORS = {
    "model-field", "nullable", "default", "definitions", "definition-ref", "any",
    "function-before", "function-after", "function-wrap", "no-info", "with-info",
}  # fmt: skip


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_no_kind_of_error_is_without_a_sentence(model: type[BaseModel]) -> None:
    """By what the validator is built of, so also for what no example above provokes."""
    for node in nodes(TypeAdapter(model).core_schema):
        kind = node["type"]
        assert kind in NODES or kind in WITHOUT_ERRORS, f"say what {kind} can raise"
        for constraint, kinds in NODES.get(kind, {}).items():
            if not constraint or constraint in node:
                assert SENTENCES.keys() >= set(kinds.split())
        assert node.get("pattern", TOKEN) == TOKEN, "another pattern needs `said` around it"


def nodes(schema: Any) -> Iterator[Mapping[str, Any]]:
    """The parts of a validator, but for those inside of a field that `said` answers for."""
    if isinstance(schema, dict):
        if schema.get("type") == "function-wrap" and "said" in repr(schema["function"]):
            return
        if isinstance(schema.get("type"), str) and "metadata" not in schema.get("type", ""):
            yield schema
        for name, value in schema.items():
            if name not in ("metadata", "serialization", "expected", "default"):
                yield from nodes(value)
    elif isinstance(schema, list | tuple):
        for value in schema:
            yield from nodes(value)


def message(model: type[BaseModel], **given: Any) -> str:
    with pytest.raises(ValidationFailed) as raised:
        parse(model, json.dumps(given))
    (only,) = raised.value.details["errors"]
    return str(only["message"])


REGISTRATION = {
    "email": "ana@example.org",
    "username": "ana",
    "password": "correct horse",
    "display_name": "Ana",
}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"username": "an"}, "A username has 3 to 32 letters a-z, digits or underscores."),
        ({"username": "ana.b"}, "A username has 3 to 32 letters a-z, digits or underscores."),
        ({"username": 7}, "A username has 3 to 32 letters a-z, digits or underscores."),
        ({"email": "ana"}, "This is not an e-mail address. Write it like ana@example.org."),
        ({"email": "a" * 255}, "Use at most 254 characters."),
        ({"password": "short"}, "Use at least 10 characters."),
        ({"display_name": ""}, "This must not be empty."),
        ({"display_name": "a\x0bb"}, "Write the name on one line, without hidden characters."),
        ({"display_name": "\u200b"}, "Write a name that can be seen."),
        ({"display_name": "x" * 65}, "Use at most 64 characters."),
        ({"display_name": None}, "Send text."),
        ({"roles": []}, "There is no such field. Leave it out."),
    ],
    ids=ascii,
)
def test_what_a_new_user_reads(given: dict[str, Any], said: str) -> None:
    assert message(Registration, **{**REGISTRATION, **given}) == said


def test_what_others_read() -> None:
    code = "A code of the app has 6 digits. A recovery code has 16 letters and digits."
    an_id = "This is not an id. An id is a UUID, as the server gave it."
    assert message(SecondFactorCode, code="12345") == code
    assert message(Credentials, login="ana", password="x", second_factor="1") == code
    assert message(NewChat, kind="direct", user_id="ana") == an_id
    assert message(NewChat, kind="group", user_id="00000000-0000-4000-8000-000000000000") == (
        "Use 'direct'."
    )
    assert message(Draft, client_id="c", content={"kind": "text", "text": "x" * 4097}) == (
        "Use at most 4,096 characters."
    )
    assert message(Draft, client_id="c", content={"kind": "text", "text": "a\x0b"}).startswith(
        "Remove the control characters."
    )
    assert message(Since, since=-1) == "Use a number of at least 0."
    assert message(Since) == "This is required."
    assert message(UsersQuery) == "Give either `username` or `ids`."
    assert message(ProfileChanges, push_previews="yes") == "Send true or false."
    assert message(NewPush, user_ids=[], title="a", body="b") == "Give at least 1 item."
    assert message(PasswordChange, current_password="a\tb", new_password="x" * 10).startswith(
        "A password cannot have line breaks"
    )


def test_no_input_is_quoted_but_the_names_of_fields_and_these_are_cut() -> None:
    with pytest.raises(ValidationError) as raised:
        Since.model_validate({"hunter2" * 99: 1, "since": "hunter2"})
    unknown, since = sorted(
        refusal(raised.value).details["errors"], key=lambda one: -len(one["field"])
    )

    assert len(unknown["field"]) == 100
    assert since == {
        "field": "since",
        "kind": "not_an_integer",
        "message": "Send a whole number.",
    }


def test_a_limit_says_when() -> None:
    assert str(RateLimited(0)) == "Too many requests. Try again in 1 second."
    assert str(RateLimited(90)) == "Too many requests. Try again in 90 seconds."
    assert str(Unavailable("redis")) == "The service cannot answer now. Try again in 2 seconds."


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (1, "1 second"),
        (2, "2 seconds"),
        (119, "119 seconds"),
        (120, "2 minutes"),
        (121, "3 minutes"),
        (7199, "120 minutes"),
        (7200, "2 hours"),
        (86_399, "24 hours"),
    ],
)
def test_a_wait_is_told_in_its_unit_and_never_too_short(seconds: int, said: str) -> None:
    assert wait(seconds) == said
