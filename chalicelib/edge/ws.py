"""Socket frames: connect, receive, disconnect, and the table of actions."""

import functools
import logging
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Annotated, Any, NamedTuple, get_type_hints

from chalice.app import WebsocketEvent
from pydantic import BaseModel, Field, ValidationError
from pydantic_core import from_json, to_json

from chalicelib.deps import deps
from chalicelib.edge.invocation import invocation
from chalicelib.errors import (
    AppError,
    BadRequest,
    Forbidden,
    RateLimited,
    Unauthorized,
    Unavailable,
    UnknownAction,
)
from chalicelib.identity import Identity
from chalicelib.limits.table import Use
from chalicelib.live.events import RATE_LIMITED, UNKNOWN, Event, Socket, SocketLimited
from chalicelib.text.broken_json import has_half, look
from chalicelib.wire import Input, refusal, unpaired

log = logging.getLogger(__name__)

SUBPROTOCOL = "parley.v1"
"""What a client may ask for as Sec-WebSocket-Protocol (RFC 6455, section 1.9)."""


class Frame(Input):
    """A request of a client: `id` is its own, and comes back as `re`."""

    id: Annotated[str, Field(min_length=1, max_length=64)]
    action: Annotated[str, Field(max_length=64)]
    data: Annotated[dict[str, Any], Field(default_factory=dict)]


class Entrance(NamedTuple):
    """What opening a socket needs: its scope, its class of limits, the class that a refusal takes
    of, and the errors of refusals."""

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


class Action(NamedTuple):
    """What a frame can ask for: a function of (identity, data), the scope it needs, and the class
    of its limits. It takes one token or, with `counts`, one for each item of that list. `tag`: what
    it is about, in a word of chalicelib/edge/asyncapi/__init__.py."""

    call: Callable[..., Any]
    scope: str
    limit: str = "default"
    counts: str = ""
    tag: str = ""

    @property
    def model(self) -> type[BaseModel]:
        return _model_of(self.call)


@functools.cache
def _model_of(call: Callable[..., Any]) -> type[BaseModel]:
    model: type[BaseModel] = get_type_hints(call)["data"]
    return model


ACTIONS: dict[str, Action] = {}


def add_actions(actions: Mapping[str, Action]) -> None:
    """Make actions available to frames. Refuses a name that is taken."""
    if taken := ACTIONS.keys() & actions.keys():
        raise ValueError(f"actions defined twice: {sorted(taken)}")
    ACTIONS.update(actions)


def connect(event: WebsocketEvent) -> dict[str, Any]:
    """Accept a socket that brings a ticket or a bearer token; refuse it with a status else."""
    with _invocation(event):
        status = _connect(event)
        if status == 200 and SUBPROTOCOL in _subprotocols(event.to_dict()):
            return {"statusCode": status, "headers": {"Sec-WebSocket-Protocol": SUBPROTOCOL}}
        return {"statusCode": status}


def receive(event: WebsocketEvent) -> dict[str, Any]:
    """Answer one frame. The route response carries what this returns back to the socket."""
    with _invocation(event):
        return {"statusCode": 200, "body": to_json(_receive(event)).decode()}


def disconnect(event: WebsocketEvent) -> dict[str, Any]:
    """Forget a socket. Best effort: API Gateway may never tell, so records also expire."""
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
            # Only now, so that strangers at an address cannot keep a valid socket out.
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
    """What a client offers: in one header or in several, in the order of its liking."""
    lines = _header(raw, "sec-websocket-protocol")
    return {offer.strip() for line in lines for offer in line.split(",")}


def _receive(event: WebsocketEvent) -> dict[str, Any]:
    reply: dict[str, Any] = {"re": None}
    try:
        raw, reply["re"] = _read(event.body)
        caller = deps.connections.admit(event.connection_id, _use(raw))
        if caller.in_doubt:
            deps.presence.check(caller)
        reply["data"] = _call(caller, raw)
    except Unauthorized as error:
        # The answer may not arrive any more, so an event says it first.
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


def _use(raw: dict[str, Any] | AppError) -> Use:
    """What a frame is about to do, by its action and data, which are not validated yet."""
    if isinstance(raw, AppError):
        return Use()
    name, data = raw.get("action"), raw.get("data")
    action = ACTIONS.get(name) if isinstance(name, str) else None
    if action is None or not isinstance(data, dict):
        return Use(limit=action.limit) if action else Use()
    target, items = data.get("chat_id"), data.get(action.counts)
    return Use(
        limit=action.limit,
        target=target.lower() if isinstance(target, str) else "",
        cost=max(1, len(items)) if isinstance(items, list) else 1,
    )


def _hang_up(connection_id: str, why: Event) -> None:
    """Close a socket of which nothing is known but its id."""
    deps.gateway.hang_up([Socket("", connection_id, "")], why)


def _close_if_it_goes_on(connection_id: str, error: RateLimited) -> None:
    try:
        if deps.connections.refused(connection_id):
            log.warning("socket closed for its rate", extra={"connection_id": connection_id})
            limited = SocketLimited(retry_after=error.details["retry_after"])
            # Then forgotten: frames that are under way would say that it is unknown.
            _hang_up(connection_id, RATE_LIMITED.of(limited))
            deps.presence.disconnected(connection_id)
    except Unavailable as error:
        log.warning("refused frame not counted", extra={"dependency": error.dependency})


class _Read(NamedTuple):
    """A frame, not validated yet, or what is wrong with its text; its id, if that can be told."""

    frame: dict[str, Any] | AppError
    id: str | None


def _read(body: str) -> _Read:
    try:
        raw = from_json(body, allow_inf_nan=False)
    except ValueError:
        broken = look(body)
        # Data is named as the model of its action names it.
        fields = [field.removeprefix("data.") for field in broken.unpaired]
        wrong = unpaired(fields) if fields else BadRequest("The frame is not valid JSON.")
        return _Read(wrong, _frame_id(broken.members))
    if isinstance(raw, dict):
        return _Read(raw, _frame_id(raw))
    return _Read(BadRequest("The frame is not a JSON object."), None)


def _frame_id(raw: dict[str, Any]) -> str | None:
    value = raw.get("id")
    can_be_told = isinstance(value, str) and 0 < len(value) <= 64 and not has_half(value)
    return value if can_be_told else None


def _call(identity: Identity, raw: dict[str, Any] | AppError) -> Any:
    if isinstance(raw, AppError):
        raise raw
    try:
        frame = Frame.model_validate(raw)
        action = ACTIONS.get(frame.action)
        if action is None:
            raise UnknownAction()
        if action.scope not in identity.scopes:
            raise Forbidden()
        data = action.model.model_validate(frame.data)
    except ValidationError as error:
        raise refusal(error) from None
    result = action.call(identity, data)
    return {} if result is None else result
