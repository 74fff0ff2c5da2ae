"""The AsyncAPI 3 document of the socket, made from the actions and events as they are declared.

`python -m local.asyncapi` writes docs/asyncapi.json.
"""

import inspect
import json
from pathlib import Path
from typing import Any, get_type_hints

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from chalicelib.messages.actions import ACTIONS
from chalicelib.messages.models import Nothing
from chalicelib.openapi import FieldError
from chalicelib.socket_events import EVENTS
from chalicelib.wire import Model
from chalicelib.ws import CONNECT, Action

PATH = Path(__file__).parent.parent / "docs" / "asyncapi.json"
_REFS = "#/components/schemas/{model}"
_CHANNEL = {"$ref": "#/channels/socket"}


class SocketError(Model):
    """Why a frame was refused; `code` is stable."""

    code: str
    message: str
    errors: list[FieldError] | None = None
    retry_after: int | None = None


def document() -> dict[str, Any]:
    """What goes over a socket: requests, exactly one answer each, and events."""
    answers = {name: _answer(action) for name, action in ACTIONS.items()}
    modes: list[Any] = [
        *((action.model, "validation") for action in ACTIONS.values()),
        *((model, "serialization") for model in answers.values()),
        *((kind.model, "serialization") for kind in EVENTS.values()),
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
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Parley socket",
            "version": "1",
            "description": "Open with ?ticket=… from POST /v1/socket-tickets, or with a bearer "
            "token. Frames of one socket may be handled at the same time: wait for one answer "
            "before you send the next message into the same chat, and order by rev.",
        },
        "channels": {
            "socket": {
                "address": "/",
                "messages": {n: _component(n) for n in messages},
                "x-scope": CONNECT.scope,
                "x-rate-limit": CONNECT.limit,
                "x-refusals": {str(error.status): error.code for error in CONNECT.errors},
            }
        },
        "operations": {
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
        "components": {"messages": messages, "schemas": schemas["$defs"]},
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
