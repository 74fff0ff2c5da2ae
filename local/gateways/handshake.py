"""The handshake of a WebSocket: whom the gateway refuses itself, and what `$connect` decided."""

import json
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from websockets.http11 import Request, Response
from websockets.server import ServerProtocol

from local.functions.events import STAGE, new_request_id
from local.functions.outcomes import Failure, Outcome
from local.gateways.names import Names

_PATHS = ("/", f"/{STAGE}", f"/{STAGE}/")
_REFUSALS = {Failure.WAITED: 504, Failure.TOO_LARGE: 413, Failure.TOO_MANY: 429}


def refused(request: Request, names: Names) -> int | None:
    """The status for a request that must not reach `$connect`; None for the others."""
    if not names.serve(request.headers.get_all("Host")):
        return 421
    if not names.trust(request.headers.get_all("Origin")):
        return 403
    if urlsplit(request.path).path not in _PATHS:
        return 403
    return None


def decided(outcome: Outcome) -> int:
    """The status that `$connect` answered, or that API Gateway answers for it."""
    if outcome.failure is not None:
        return _REFUSALS.get(outcome.failure, 502)
    result = outcome.result
    if isinstance(result, dict) and isinstance(result.get("statusCode"), int):
        status: int = result["statusCode"]
        return status
    return 502


def choose_subprotocol(response: Response, result: dict[str, Any]) -> None:
    """Tell the client the subprotocol that `$connect` chose."""
    for name, value in (result.get("headers") or {}).items():
        if name.lower() == "sec-websocket-protocol":
            response.headers["Sec-WebSocket-Protocol"] = str(value)


def rejection(protocol: ServerProtocol, status: int, connection_id: str) -> Response:
    """The answer to a client that is refused."""
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        status, phrase = 502, "Bad Gateway"
    body = {"message": phrase, "connectionId": connection_id, "requestId": new_request_id()}
    response = protocol.reject(status, json.dumps(body))
    del response.headers["Content-Type"]
    response.headers["Content-Type"] = "application/json"
    return response
