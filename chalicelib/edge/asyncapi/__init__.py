"""The AsyncAPI 3 document of the socket and of events for other services, made from the actions
and events as they are declared."""

from typing import Any
from urllib.parse import urlsplit

from chalicelib.edge.asyncapi.channels import (
    SECURITY,
    event_channel,
    operations,
    servers,
    socket_channel,
)
from chalicelib.edge.asyncapi.messages import messages
from chalicelib.edge.ws import SUBPROTOCOL

_ABOUT = f"""\
The socket of clients, and events for other services over RabbitMQ.

**Opening.** Bring a ticket of `POST /v1/socket-tickets` in the query, or an access token as
`Authorization: Bearer`. A refusal is answered with an HTTP status. You may offer the subprotocol
`{SUBPROTOCOL}`; the answer then names it. If you offer only others, the socket opens without one,
and a browser gives it up.

**Frames** are JSON in text frames of up to 32 KB, and of up to 128 KB in several frames. Each
request has an `id` of yours, and is answered once, with that id as `re`. Frames of one socket may
be handled at the same time: wait for one answer before you send the next message into the same
chat, and order by `rev`. After opening, send `sync`; then `ping` once a minute.

**Closing.** Before the service closes a socket it sends an event that says why: `session.ended`,
`socket.closing` or `rate_limited`. A frame that was sent meanwhile may stay without an answer. If
the event cannot be sent within a second, the socket is closed without it. Ignore events that you do
not know.

| code | who closes, and why | then |
|---|---|---|
| 1000 | the service, after an event as above | do what the event says; without one, connect again |
| 1001 | API Gateway: ten minutes without a frame, or two hours in all | connect again, and sync |
| 1003 | API Gateway: a binary frame | send text |
| 1007 | API Gateway: text that is not UTF-8 | send UTF-8 |
| 1009 | API Gateway: a frame over 32 KB, or a message over 128 KB | send less |
| none, or another | the network, or a server that restarts | connect again, and sync |
"""
TAGS = {
    "Account": "What happens to the account of the user.",
    "Chats": "Chats, receipts and typing.",
    "Connection": "The socket itself.",
    "Messages": "Messages of chats.",
    "Presence": "Who is online.",
    "Services": "Events for other services, as CloudEvents.",
}


def document(server: str, socket: str) -> dict[str, Any]:
    """The document: over a socket go requests, exactly one answer each, and events; over RabbitMQ
    go events for other services. `server` and `socket`: the URLs of the API and of the socket."""
    made, url = messages(), urlsplit(socket)
    return {
        "asyncapi": "3.0.0",  # modelina reads no newer one
        "id": server,
        "info": {
            "title": "Parley",
            "version": "1",
            "description": _ABOUT,
            "tags": [{"name": name, "description": about} for name, about in TAGS.items()],
            "externalDocs": {"url": f"{server}/v1/openapi.json", "description": "The HTTP API."},
        },
        "defaultContentType": "application/json",
        "servers": servers(url.scheme, url.netloc),
        "channels": {
            "socket": socket_channel(url.path or "/", made.frames),
            "events": event_channel(made.published),
        },
        "operations": operations(made.published),
        "components": {
            "messages": {**made.frames, **made.published},
            "schemas": made.schemas,
            "correlationIds": {
                "request": _correlation("id", "The client makes it up. The answer repeats it."),
                "answer": _correlation("re", "The `id` of the request that this answers."),
            },
            "securitySchemes": SECURITY,
        },
    }


def _correlation(member: str, about: str) -> dict[str, str]:
    return {"location": f"$message.payload#/{member}", "description": about}
