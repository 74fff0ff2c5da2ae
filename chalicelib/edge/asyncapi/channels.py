"""The servers, channels and operations of the document."""

import inspect
from collections.abc import Mapping
from typing import Any

from chalicelib.broker.topology import EVENTS as EXCHANGE
from chalicelib.domain_events.models import TYPES
from chalicelib.edge.asyncapi.messages import title_of
from chalicelib.edge.frames import ACTIONS
from chalicelib.edge.ws import CONNECT, SUBPROTOCOL
from chalicelib.live.events import EVENTS, Kind

_SOCKET = {"$ref": "#/channels/socket"}
_EVENTS = {"$ref": "#/channels/events"}
_TICKET = {"type": "string", "description": "Of `POST /v1/socket-tickets`. It is good once."}
SECURITY: dict[str, Any] = {
    "ticket": {
        "type": "httpApiKey",
        "in": "query",
        "name": "ticket",
        "description": _TICKET["description"],
    },
    "token": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "The access token of a session.",
    },
    "consumer": {"type": "userPassword", "description": "The account of a service."},
}


def servers(scheme: str, host: str) -> dict[str, Any]:
    return {
        "socket": {
            "host": host,
            "protocol": scheme,
            "title": "Socket",
            "description": "For clients of users.",
            "security": [
                {"$ref": "#/components/securitySchemes/ticket"},
                {"$ref": "#/components/securitySchemes/token"},
            ],
        },
        "rabbitmq": {
            "host": "{host}",
            "protocol": "amqps",
            "protocolVersion": "0.9.1",
            "title": "RabbitMQ",
            "description": "For services. An operator makes an account and a queue for each.",
            "security": [{"$ref": "#/components/securitySchemes/consumer"}],
            "variables": {
                "host": {
                    "description": "Host and port, as the operator gave them.",
                    "examples": ["rabbitmq.internal.example.org:5671"],
                }
            },
        },
    }


def socket_channel(path: str, messages: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "address": path,
        "title": "Socket",
        "summary": "Requests of a client, their answers, and events.",
        "servers": [{"$ref": "#/servers/socket"}],
        "messages": {key: _component(key) for key in messages},
        "bindings": {
            "ws": {
                "method": "GET",
                "query": {"type": "object", "properties": {"ticket": _TICKET}},
                "headers": {
                    "type": "object",
                    "properties": {
                        "Authorization": {
                            "type": "string",
                            "description": "`Bearer` and an access token, in place of a ticket.",
                        },
                        "Sec-WebSocket-Protocol": {
                            "type": "string",
                            "description": f"May offer `{SUBPROTOCOL}`, also among others.",
                        },
                    },
                },
                "bindingVersion": "0.1.0",
            }
        },
        "x-scope": CONNECT.scope,
        "x-rate-limit": CONNECT.limit,
        "x-refusals": {str(error.status): error.code for error in CONNECT.errors},
    }


def event_channel(events: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "address": "{type}",
        "title": "Events for services",
        "summary": "CloudEvents in structured mode; the type is the routing key.",
        "servers": [{"$ref": "#/servers/rabbitmq"}],
        "parameters": {"type": {"description": "The type of the event.", "enum": list(TYPES)}},
        "messages": {key: _component(key) for key in events},
        "bindings": {
            "amqp": {
                "is": "routingKey",
                "exchange": {"name": EXCHANGE, "type": "topic", "durable": True, "vhost": "/"},
                "bindingVersion": "0.3.0",
            }
        },
    }


def operations(published: Mapping[str, Any]) -> dict[str, Any]:
    asked = {
        name: {
            "action": "receive",
            "channel": _SOCKET,
            **_heading(title_of(name), inspect.getdoc(action.call) or "", action.tag),
            "messages": [_in_channel(f"{name}.request")],
            "reply": {
                "channel": _SOCKET,
                "messages": [_in_channel(f"{name}.answer"), _in_channel("error")],
            },
            "x-scope": action.scope,
            "x-rate-limit": action.limit,
        }
        for name, action in ACTIONS.items()
    }
    told = {f"{name}.event": _telling(name, kind) for name, kind in EVENTS.items()}
    return asked | told | {key: _publishing(key) for key in published}


def _telling(name: str, kind: Kind[Any]) -> dict[str, Any]:
    return {
        "action": "send",
        "channel": _SOCKET,
        **_heading(title_of(name), kind.about, kind.tag),
        "messages": [_in_channel(f"{name}.event")],
        **({"x-scope": kind.scope} if kind.scope else {}),
        "x-first-party": kind.first_party,
    }


def _publishing(key: str) -> dict[str, Any]:
    data = TYPES[key.removesuffix(".published")]
    return {
        "action": "send",
        "channel": _EVENTS,
        **_heading(title_of(data.type), inspect.getdoc(data) or "", "Services"),
        "messages": [{"$ref": f"#/channels/events/messages/{key}"}],
    }


def _heading(title: str, doc: str, tag: str) -> dict[str, Any]:
    summary, _, description = doc.partition("\n\n")
    return {
        "title": title,
        "summary": " ".join(summary.split()),
        **({"description": description} if description else {}),
        "tags": [{"name": tag}],
    }


def _component(key: str) -> dict[str, str]:
    return {"$ref": f"#/components/messages/{key}"}


def _in_channel(key: str) -> dict[str, str]:
    return {"$ref": f"#/channels/socket/messages/{key}"}
