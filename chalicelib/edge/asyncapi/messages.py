"""The messages of the document: frames of sockets, and CloudEvents, each with its schema."""

import inspect
import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, NamedTuple, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema

from chalicelib.broker.cloud_events import CONTENT_TYPE, CloudEvent, Data
from chalicelib.domain_events.models import TYPES
from chalicelib.edge.asyncapi.naming import named, pascal
from chalicelib.edge.frames import ACTIONS, Action
from chalicelib.edge.openapi.examples import example_of
from chalicelib.edge.openapi.problems import FieldError, codes
from chalicelib.edge.openapi.schemas import Generator, Mode, schemas_of
from chalicelib.live.events import EVENTS
from chalicelib.wire import Model


class NothingToSay(Model):
    """The request was done."""


class SocketError(Model):
    """Why a frame was refused."""

    # Members that only some errors have are left out of the others.
    model_config = ConfigDict(json_schema_serialization_defaults_required=False)

    code: Annotated[str, WithJsonSchema({"type": "string", "enum": codes()})] = Field(
        description="What went wrong. A code never changes its meaning; new ones may be added.",
        examples=["chat_not_found"],
    )
    message: str = Field(
        description="What went wrong, in a sentence for people.",
        examples=["There is no such chat, or you are not in it."],
    )
    errors: list[FieldError] | None = Field(
        None, description="With `validation_failed`: what is wrong where; at most 20 entries."
    )
    retry_after: int | None = Field(
        None,
        description="With `rate_limited` and `unavailable`: wait so many seconds, then try again.",
        examples=[2],
    )


class _Message(NamedTuple):
    """A message of the document: its key, the name of its schema, and its content."""

    key: str
    schema: str
    title: str
    tag: str
    about: str
    properties: dict[str, Any]
    optional: frozenset[str] = frozenset()
    answers: str = ""
    """The member that identifies the request: of a request its id, of an answer the id of its
    request."""


class Messages(NamedTuple):
    """The messages of the socket, those for other services, and the schemas of all."""

    frames: dict[str, Any]
    published: dict[str, Any]
    schemas: dict[str, Any]


def messages() -> Messages:
    """All messages, by their keys."""
    references, schemas = schemas_of(_kinds())
    frames = [*_requests(references, schemas), _error(references), *_events(references)]
    schemas |= {one.schema: _frame(one) for one in frames}
    published = {name: f"{pascal(name)}CloudEvent" for name in TYPES}
    schemas |= {
        schema: _cloud_event(TYPES[name], references[TYPES[name]], schema)
        for name, schema in published.items()
    }
    return Messages(
        {one.key: _message(one, schemas) for one in frames},
        {
            f"{name}.published": _published(TYPES[name], schema, schemas)
            for name, schema in published.items()
        },
        named(schemas),
    )


def _kinds() -> Iterator[tuple[Any, Mode]]:
    for action in ACTIONS.values():
        yield action.model, "validation"
        yield _answer_of(action), "serialization"
    for kind in EVENTS.values():
        yield kind.model, "serialization"
    for data in TYPES.values():
        yield data, "serialization"
    yield SocketError, "serialization"


def _requests(references: Mapping[Any, Any], schemas: Mapping[str, Any]) -> Iterator[_Message]:
    frame_id = {
        "type": "string",
        "minLength": 1,
        "maxLength": 64,
        "description": "Made up by the client, new for each request. The answer has it as `re`.",
        "examples": ["1"],
    }
    re_ = {"type": "string", "description": "The `id` of the request.", "examples": ["1"]}
    for name, action in ACTIONS.items():
        title, summary = title_of(name), _summary(action.call)
        data = references[action.model]
        needed = schemas[data["$ref"].rpartition("/")[2]].get("required")
        yield _Message(
            f"{name}.request",
            f"{pascal(name)}RequestFrame",
            title,
            action.tag,
            summary,
            {"id": frame_id, "action": {"type": "string", "const": name}, "data": data},
            frozenset() if needed else frozenset({"data"}),
            "request",
        )
        yield _Message(
            f"{name}.answer",
            f"{pascal(name)}AnswerFrame",
            f"{title}: answer",
            action.tag,
            f"The answer to `{name}`.",
            {"re": re_, "data": references[_answer_of(action)]},
            answers="answer",
        )


def _error(references: Mapping[Any, Any]) -> _Message:
    re_ = {
        "type": ["string", "null"],
        "description": "The `id` of the request; null if the frame did not say it legibly.",
        "examples": ["1"],
    }
    about = "The answer to a frame that was refused."
    properties = {"re": re_, "error": references[SocketError]}
    return _Message(
        "error", "ErrorFrame", "Error", "Connection", about, properties, answers="answer"
    )


def _events(references: Mapping[Any, Any]) -> Iterator[_Message]:
    for name, kind in EVENTS.items():
        yield _Message(
            f"{name}.event",
            f"{pascal(name)}EventFrame",
            f"{title_of(name)}: event",
            kind.tag,
            _first_paragraph(kind.about),
            {"event": {"type": "string", "const": name}, "data": references[kind.model]},
        )


def _frame(one: _Message) -> dict[str, Any]:
    return {
        "title": one.schema,
        "type": "object",
        "description": one.about,
        "properties": one.properties,
        "required": [name for name in one.properties if name not in one.optional],
        "additionalProperties": False,
    }


def _message(one: _Message, schemas: Mapping[str, Any]) -> dict[str, Any]:
    message = _described(one.schema, one.title, one.about, one.tag, schemas)
    if one.answers:
        message["correlationId"] = {"$ref": f"#/components/correlationIds/{one.answers}"}
    return message


def _described(
    schema: str, title: str, about: str, tag: str, schemas: Mapping[str, Any]
) -> dict[str, Any]:
    return {
        "name": schema,
        "title": title,
        "summary": about,
        "contentType": "application/json",
        "tags": [{"name": tag}],
        "payload": {"$ref": f"#/components/schemas/{schema}"},
        "examples": [{"payload": example_of(schemas[schema], schemas, whole=False)}],
    }


def _cloud_event(data: type[Data], reference: Any, title: str) -> dict[str, Any]:
    """A CloudEvent in structured mode, with this data."""
    schema = CloudEvent.model_json_schema(mode="serialization", schema_generator=Generator)
    del schema["$defs"]
    schema["title"], schema["description"] = title, _summary(data)
    schema["required"] = list(schema["properties"])
    schema["properties"]["type"] |= {"const": data.type, "examples": [data.type]}
    schema["properties"]["dataschema"] |= {
        "pattern": f"/events/{re.escape(data.type)}/{data.version}$",
        "examples": [f"https://chat.example.org/api/events/{data.type}/{data.version}"],
    }
    schema["properties"]["data"] = reference
    return schema


def _published(data: type[Data], schema: str, schemas: Mapping[str, Any]) -> dict[str, Any]:
    made = _described(schema, title_of(data.type), _summary(data), "Services", schemas)
    return {**made, "contentType": CONTENT_TYPE}


def _answer_of(action: Action) -> type[BaseModel]:
    answer: Any = get_type_hints(action.call)["return"]
    return NothingToSay if answer is type(None) else answer


def _summary(declared: Any) -> str:
    return _first_paragraph(inspect.getdoc(declared) or "")


def _first_paragraph(text: str) -> str:
    return " ".join(text.partition("\n\n")[0].split())


def title_of(name: str) -> str:
    """chat.typing: "Chat typing"."""
    return re.sub(r"[._]", " ", name).capitalize()
