"""The AsyncAPI 3 document of the socket and of events for other services, made from the actions
and events as they are declared.

`python -m local.asyncapi` writes docs/asyncapi.json.
"""

import inspect
import json
import re
from pathlib import Path
from typing import Any, get_type_hints

from pydantic import BaseModel, ConfigDict
from pydantic.json_schema import models_json_schema

from chalicelib.domain_events.models import CONTENT_TYPE, TYPES, CloudEvent, Data
from chalicelib.messages.actions import ACTIONS
from chalicelib.messages.models import Nothing
from chalicelib.openapi import FieldError
from chalicelib.socket_events import EVENTS
from chalicelib.topology import EVENTS as EXCHANGE
from chalicelib.wire import Model
from chalicelib.ws import CONNECT, Action

PATH = Path(__file__).parent.parent / "docs" / "asyncapi.json"
_REFS = "#/components/schemas/{model}"
_PUBLISHED = "{type}.published"
_CHANNEL = {"$ref": "#/channels/socket"}


class SocketError(Model):
    """Why a frame was refused; `code` is stable."""

    # What only some errors have is left out of the others.
    model_config = ConfigDict(json_schema_serialization_defaults_required=False)

    code: str
    message: str
    errors: list[FieldError] | None = None
    retry_after: int | None = None


def document() -> dict[str, Any]:
    """What goes over a socket: requests, exactly one answer each, and events; and what RabbitMQ is
    sent for other services."""
    answers = {name: _answer(action) for name, action in ACTIONS.items()}
    modes: list[Any] = [
        *((action.model, "validation") for action in ACTIONS.values()),
        *((model, "serialization") for model in answers.values()),
        *((kind.model, "serialization") for kind in EVENTS.values()),
        *((data, "serialization") for data in TYPES.values()),
        (SocketError, "serialization"),
    ]
    references, schemas = models_json_schema(modes, ref_template=_REFS)
    messages: dict[str, Any] = {}
    for name, action in ACTIONS.items():
        request = references[action.model, "validation"]
        messages[f"{name}.request"] = _message(
            {"id": {"type": "string"}, "action": {"const": name}, "data": request},
            _summary(action),
        )
        messages[f"{name}.answer"] = _message(
            {"re": {"type": "string"}, "data": references[answers[name], "serialization"]}
        )
    messages["error"] = _message(
        {
            "re": {"type": ["string", "null"]},
            "error": references[SocketError, "serialization"],
        },
        "The answer to a frame that was refused.",
    )
    for name, kind in EVENTS.items():
        messages[f"{name}.event"] = _message(
            {"event": {"const": name}, "data": references[kind.model, "serialization"]},
            (inspect.getdoc(kind.model) or name).split("\n")[0],
        )
    published = {
        _PUBLISHED.format(type=name): _published(data, references[data, "serialization"])
        for name, data in TYPES.items()
    }
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Parley",
            "version": "1",
            "description": "The socket of clients, and events for other services over RabbitMQ "
            "(docs/events.md). Open a socket with ?ticket=… from POST /v1/socket-tickets, or "
            "with a bearer token. Frames of one socket may be handled at the same time: wait for "
            "one answer before you send the next message into the same chat, and order by rev.",
        },
        "servers": {
            "socket": {"host": "{host}", "protocol": "wss", "variables": {"host": {}}},
            "rabbitmq": {"host": "{host}:5671", "protocol": "amqps", "variables": {"host": {}}},
        },
        "channels": {
            "socket": {
                "address": "/",
                "servers": [{"$ref": "#/servers/socket"}],
                "messages": {n: _component(n) for n in messages},
                "x-scope": CONNECT.scope,
                "x-rate-limit": CONNECT.limit,
                "x-refusals": {str(error.status): error.code for error in CONNECT.errors},
            },
            "events": {
                "address": "{type}",
                "servers": [{"$ref": "#/servers/rabbitmq"}],
                "parameters": {"type": {"enum": list(TYPES)}},
                "messages": {n: _component(n) for n in published},
                "bindings": {
                    "amqp": {
                        "is": "routingKey",
                        "exchange": {"name": EXCHANGE, "type": "topic", "durable": True},
                    }
                },
            },
        },
        "operations": {
            **{
                name: {
                    "action": "send",
                    "channel": {"$ref": "#/channels/events"},
                    "messages": [{"$ref": f"#/channels/events/messages/{name}"}],
                }
                for name in published
            },
            **{
                name: {
                    "action": "receive",
                    "channel": _CHANNEL,
                    "messages": [_in_channel(f"{name}.request")],
                    "reply": {
                        "channel": _CHANNEL,
                        "messages": [_in_channel(f"{name}.answer"), _in_channel("error")],
                    },
                    "x-scope": action.scope,
                    "x-rate-limit": action.limit,
                }
                for name, action in ACTIONS.items()
            },
            **{
                f"{name}.event": {
                    "action": "send",
                    "channel": _CHANNEL,
                    "messages": [_in_channel(f"{name}.event")],
                    "x-scope": kind.scope,
                    "x-first-party": kind.first_party,
                }
                for name, kind in EVENTS.items()
            },
        },
        "components": {"messages": {**messages, **published}, "schemas": schemas["$defs"]},
    }


def _published(data: type[Data], reference: Any) -> dict[str, Any]:
    """A CloudEvent in structured mode, with this data."""
    payload = CloudEvent.model_json_schema(mode="serialization")
    payload.pop("$defs", None)
    payload["required"] = list(payload["properties"])
    payload["properties"] |= {
        "source": {"type": "string", "format": "uri"},
        "time": {"type": "string", "format": "date-time"},
        "type": {"const": data.type},
        "dataschema": {
            "type": "string",
            "pattern": f"/events/{re.escape(data.type)}/{data.version}$",
        },
        "data": reference,
    }
    return {
        "contentType": CONTENT_TYPE,
        "summary": (inspect.getdoc(data) or "").split("\n")[0],
        "payload": payload,
    }


def _answer(action: Action) -> type[BaseModel]:
    answer = get_type_hints(action.call)["return"]
    return Nothing if answer is type(None) else answer


def _summary(action: Action) -> str:
    return (inspect.getdoc(action.call) or "").split("\n")[0]


def _message(properties: dict[str, Any], summary: str = "") -> dict[str, Any]:
    payload = {
        "type": "object",
        "properties": properties,
        "required": [name for name in properties if name != "data" or "action" not in properties],
        "additionalProperties": False,
    }
    return {"payload": payload, **({"summary": summary} if summary else {})}


def _component(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/messages/{name}"}


def _in_channel(name: str) -> dict[str, str]:
    return {"$ref": f"#/channels/socket/messages/{name}"}


if __name__ == "__main__":
    PATH.write_text(json.dumps(document(), indent=2, ensure_ascii=False) + "\n")
