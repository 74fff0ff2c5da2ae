"""Sockets: a client connects, sends frames, and disconnects."""

import logging
from contextlib import AbstractContextManager
from typing import Any, NamedTuple

from chalice.app import WebsocketEvent
from pydantic_core import to_json

from chalicelib.deps import deps
from chalicelib.edge import frames
from chalicelib.edge.invocation import invocation
from chalicelib.errors import (
    AppError,
    Forbidden,
    RateLimited,
    Unauthorized,
    Unavailable,
)
from chalicelib.identity import Identity
from chalicelib.limits.table import Use
from chalicelib.live.events import RATE_LIMITED, UNKNOWN, Event, Socket, SocketLimited

log = logging.getLogger(__name__)

SUBPROTOCOL = "parley.v1"
"""The subprotocol that a client may request (Sec-WebSocket-Protocol, RFC 6455, section 1.9)."""


class Entrance(NamedTuple):
    """The rules for opening a socket: its scope, its class of limits, the class that counts
    refusals, and their errors."""

    scope: str
    limit: str
    refused: str
    errors: tuple[type[AppError], ...]


CONNECT = Entrance(
    scope="chats.read",
    limit="connect",
    refused="connect-refused",
    errors=(Unauthorized, Forbidden, RateLimited, AppError, Unavailable),
)


def connect(event: WebsocketEvent) -> dict[str, Any]:
    """Accept a socket that brings a valid ticket or bearer token; else refuse it with a status."""
    with _invocation(event):
        status = _connect(event)
        if status == 200 and SUBPROTOCOL in _subprotocols(event.to_dict()):
            return {"statusCode": status, "headers": {"Sec-WebSocket-Protocol": SUBPROTOCOL}}
        return {"statusCode": status}


def receive(event: WebsocketEvent) -> dict[str, Any]:
    """Answer one frame. API Gateway sends the body of this response to the socket."""
    with _invocation(event):
        return {"statusCode": 200, "body": to_json(_receive(event)).decode()}


def disconnect(event: WebsocketEvent) -> dict[str, Any]:
    """Remove the record of a socket. API Gateway may never call this, so records also expire."""
    with _invocation(event):
        try:
            deps.presence.disconnected(event.connection_id)
        except AppError as error:
            log.warning("disconnect not recorded", extra={"code": error.code})
        return {"statusCode": 200}


def _invocation(event: WebsocketEvent) -> AbstractContextManager[None]:
    return invocation(event.context, event.to_dict()["requestContext"].get("requestId"))


def _connect(event: WebsocketEvent) -> int:
    raw = event.to_dict()
    try:
        try:
            identity = _who(raw)
            if CONNECT.scope not in identity.scopes:
                raise Forbidden()
            deps.presence.connected(identity, event.connection_id)
        except (Unauthorized, Forbidden):
            # Only now, so that strangers at the same address cannot block a valid socket.
            address = raw["requestContext"].get("identity", {}).get("sourceIp", "")
            deps.throttle.anonymous(Use(limit=CONNECT.refused, address=address))
            raise
        return 200
    except AppError as error:
        if isinstance(error, Unavailable):
            log.warning("unavailable", extra={"dependency": error.dependency})
        return error.status
    except Exception:
        log.exception("connect failed", extra={"connection_id": event.connection_id})
        return AppError.status


def _who(raw: dict[str, Any]) -> Identity:
    query = raw.get("queryStringParameters") or {}
    if "ticket" in query:
        return deps.auth.redeem_ticket(query["ticket"])
    authorization = _header(raw, "authorization")[-1:] or [""]
    return deps.auth.authenticate(authorization[0], Use(limit=CONNECT.limit))


def _header(raw: dict[str, Any], name: str) -> list[str]:
    """All values of a header of `$connect`; clients write names in either case."""
    many: dict[str, list[str]] = raw.get("multiValueHeaders") or {}
    one: dict[str, str] = raw.get("headers") or {}
    given = many or {key: [value] for key, value in one.items()}
    return [value for key, values in given.items() if key.lower() == name for value in values]


def _subprotocols(raw: dict[str, Any]) -> set[str]:
    """The subprotocols that a client offers, in one header or in several, in its order of
    preference."""
    lines = _header(raw, "sec-websocket-protocol")
    return {offer.strip() for line in lines for offer in line.split(",")}


def _receive(event: WebsocketEvent) -> dict[str, Any]:
    reply: dict[str, Any] = {"re": None}
    try:
        raw, reply["re"] = frames.read(event.body)
        caller = deps.connections.admit(event.connection_id, frames.use_of(raw))
        if caller.in_doubt:
            deps.presence.check(caller)
        reply["data"] = frames.call(caller, raw)
    except Unauthorized as error:
        # The answer may not arrive, so an event tells it first.
        _hang_up(event.connection_id, UNKNOWN)
        reply["error"] = error.to_wire()
    except RateLimited as error:
        reply["error"] = error.to_wire()
        _close_if_it_goes_on(event.connection_id, error)
    except AppError as error:
        if isinstance(error, Unavailable):
            log.warning("unavailable", extra={"dependency": error.dependency})
        reply["error"] = error.to_wire()
    except Exception:
        log.exception("frame failed", extra={"connection_id": event.connection_id})
        reply["error"] = AppError().to_wire()
    return reply


def _hang_up(connection_id: str, why: Event) -> None:
    """Close a socket that has no record."""
    deps.gateway.hang_up([Socket("", connection_id, "")], why)


def _close_if_it_goes_on(connection_id: str, error: RateLimited) -> None:
    try:
        if deps.connections.refused(connection_id):
            log.warning("socket closed for its rate", extra={"connection_id": connection_id})
            limited = SocketLimited(retry_after=error.details["retry_after"])
            # Removed only after that: otherwise frames that are on their way would get an error.
            _hang_up(connection_id, RATE_LIMITED.of(limited))
            deps.presence.disconnected(connection_id)
    except Unavailable as error:
        log.warning("refused frame not counted", extra={"dependency": error.dependency})
