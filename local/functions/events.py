"""Lambda events, shaped as API Gateway, Amazon MQ and EventBridge send them."""

import base64
import json
import time
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from itertools import count
from typing import Any
from urllib.parse import parse_qsl

STAGE = "api"
API_ID = "local"
ACCOUNT = "123456789012"
REGION = "us-east-1"

_ids = count(1)
_id_prefix = str(uuid.uuid4())[:24]


def new_request_id() -> str:
    """An id that no other request has."""
    return f"{_id_prefix}{next(_ids):012x}"


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """What the HTTP gateway knows about a request once it has matched its route."""

    method: str
    path: str
    query: str
    headers: list[tuple[str, str]]
    body: bytes
    source_ip: str
    resource: str
    path_parameters: dict[str, str]
    request_id: str = field(default_factory=new_request_id)


def _last_values(values: Mapping[str, list[str]]) -> dict[str, str]:
    return {name: given[-1] for name, given in values.items()}


def _grouped(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    grouped: dict[str, list[str]] = {}
    for name, value in pairs:
        grouped.setdefault(name, []).append(value)
    return grouped


def grouped_headers(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """Values by header name; names that differ only in case are one header."""
    names: dict[str, str] = {}
    return _grouped((names.setdefault(name.lower(), name), value) for name, value in pairs)


def rest(request: HttpRequest) -> dict[str, Any]:
    """The proxy event of a REST API that takes all bodies as bytes (infra/gateway.py)."""
    headers = grouped_headers(request.headers)
    query = _grouped(parse_qsl(request.query, keep_blank_values=True))
    plain = _last_values(headers)
    now = datetime.now(UTC)
    return {
        "resource": request.resource,
        "path": request.path,
        "httpMethod": request.method,
        "headers": plain,
        "multiValueHeaders": headers,
        "queryStringParameters": _last_values(query) or None,
        "multiValueQueryStringParameters": query or None,
        "pathParameters": request.path_parameters or None,
        "stageVariables": None,
        "requestContext": {
            "accountId": ACCOUNT,
            "apiId": API_ID,
            "resourcePath": request.resource,
            "httpMethod": request.method,
            "path": f"/{STAGE}{request.path}",
            "protocol": "HTTP/1.1",
            "stage": STAGE,
            "requestId": request.request_id,
            "extendedRequestId": request.request_id,
            "requestTime": now.strftime("%d/%b/%Y:%H:%M:%S +0000"),
            "requestTimeEpoch": int(now.timestamp() * 1000),
            "domainName": "localhost",
            "identity": {
                "sourceIp": request.source_ip,
                "userAgent": next((v for k, v in plain.items() if k.lower() == "user-agent"), None),
            },
        },
        "body": base64.b64encode(request.body).decode() if request.body else None,
        "isBase64Encoded": bool(request.body),
    }


@dataclass(slots=True)
class Socket:
    """A WebSocket connection as events tell of it."""

    connection_id: str
    source_ip: str
    user_agent: str = ""
    connected_at: int = field(default_factory=lambda: int(time.time() * 1000))
    _message_prefix: str = ""

    def context(self, route_key: str, event_type: str, **more: object) -> dict[str, Any]:
        request_id = new_request_id()
        return {
            "routeKey": route_key,
            "eventType": event_type,
            "connectionId": self.connection_id,
            "connectedAt": self.connected_at,
            "requestId": request_id,
            "extendedRequestId": request_id,
            "requestTimeEpoch": int(time.time() * 1000),
            "messageDirection": "IN",
            "stage": STAGE,
            "domainName": "localhost",
            "apiId": API_ID,
            "identity": {"sourceIp": self.source_ip, "userAgent": self.user_agent},
            **more,
        }

    def connect(self, headers: list[tuple[str, str]], query: str) -> bytes:
        """The event of $connect."""
        event: dict[str, Any] = {
            **_headers(headers),
            "requestContext": self.context("$connect", "CONNECT"),
            "isBase64Encoded": False,
        }
        if given := _grouped(parse_qsl(query, keep_blank_values=True)):
            event["queryStringParameters"] = {name: values[0] for name, values in given.items()}
            event["multiValueQueryStringParameters"] = given
        return json.dumps(event).encode()

    def message(self, body: str, request_id: str) -> bytes:
        """The event of $default."""
        # Hot path: all but four values are the same for every message of a connection.
        if not self._message_prefix:
            context = self.context("$default", "MESSAGE")
            del context["requestId"], context["extendedRequestId"], context["requestTimeEpoch"]
            self._message_prefix = json.dumps({"requestContext": context})[:-2]
        return (
            f'{self._message_prefix}, "requestId": "{request_id}", '
            f'"extendedRequestId": "{request_id}", "messageId": "{request_id}", '
            f'"requestTimeEpoch": {int(time.time() * 1000)}}}, '
            f'"isBase64Encoded": false, "body": {json.dumps(body)}}}'
        ).encode()

    def disconnect(self, status: int, reason: str) -> bytes:
        """The event of $disconnect."""
        context = self.context(
            "$disconnect", "DISCONNECT", disconnectStatusCode=status, disconnectReason=reason
        )
        headers = _headers([("Host", "localhost"), ("x-api-key", "")])
        event = {**headers, "requestContext": context, "isBase64Encoded": False}
        return json.dumps(event).encode()


def _headers(pairs: list[tuple[str, str]]) -> dict[str, Any]:
    headers = grouped_headers(pairs)
    return {"headers": _last_values(headers), "multiValueHeaders": headers}


def schedule(name: str) -> dict[str, Any]:
    """The event of a schedule."""
    return {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": ACCOUNT,
        "time": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "region": REGION,
        "resources": [f"arn:aws:events:{REGION}:{ACCOUNT}:rule/{name}"],
        "detail": {},
    }


def rmq(queue: str, messages: list[dict[str, Any]]) -> dict[str, Any]:
    """The event of a RabbitMQ event source mapping, for messages made by `rmq_message`."""
    return {
        "eventSource": "aws:rmq",
        "eventSourceArn": f"arn:aws:mq:{REGION}:{ACCOUNT}:broker:local:b-local",
        "rmqMessagesByQueue": {f"{queue}::/": messages},
    }


def rmq_message(properties: dict[str, Any], data: bytes, *, redelivered: bool) -> dict[str, Any]:
    """One message of such an event."""
    headers = {name: rmq_header(value) for name, value in properties["headers"].items()}
    return {
        "basicProperties": {**properties, "headers": headers},
        "redelivered": redelivered,
        "data": base64.b64encode(data).decode(),
    }


def rmq_header(value: Any) -> Any:
    """A header's value: strings and byte strings arrive as lists of byte values."""
    if isinstance(value, str):
        return {"bytes": list(value.encode())}
    if isinstance(value, bytes):
        return {"bytes": list(value)}
    if isinstance(value, datetime):
        return rmq_time(int(value.replace(tzinfo=UTC).timestamp()))
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, dict):
        return {name: rmq_header(item) for name, item in value.items()}
    if isinstance(value, list):
        return [rmq_header(item) for item in value]
    return value


def rmq_time(timestamp: int | None) -> str | None:
    """A time in the format of AWS's own example: "Jan 1, 1970, 12:33:41 AM"."""
    if timestamp is None:
        return None
    value = datetime.fromtimestamp(timestamp, UTC)
    return f"{value:%b} {value.day}, {value.year}, {value.hour % 12 or 12}:{value:%M:%S %p}"
