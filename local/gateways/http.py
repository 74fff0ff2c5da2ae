"""The HTTP gateway: turns requests into REST proxy events, and results into answers.

Its own answers are those that infra/gateway.py gives API Gateway."""

import base64
import json
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import ClientConnectionResetError, web
from multidict import CIMultiDict

from infra import gateway
from infra.gateway import Refusal
from local.functions import events
from local.functions.outcomes import Failure, Outcome
from local.functions.pool import WorkerPool
from local.functions.registered import Registered
from local.gateways.names import Names
from local.gateways.router import Router
from local.gateways.server import HttpServer, refused
from local.limits import Limits

Page = Callable[[web.BaseRequest], Awaitable[web.Response | None]]

_FAILURES = {
    Failure.WAITED: gateway.LATE,
    Failure.TOO_LARGE: gateway.TOO_LARGE,
    Failure.TOO_MANY: gateway.TOO_MANY,
}
_HOP_BY_HOP = frozenset({"connection", "content-length", "keep-alive", "transfer-encoding"})


class _Refused(Exception):
    """The gateway refuses a request itself."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.code)
        self.refusal = refusal


class HttpGateway(HttpServer):
    """Serves the app's routes, and beside them the pages of the local cloud."""

    def __init__(
        self,
        *,
        pool: WorkerPool,
        app: Registered,
        limits: Limits,
        report: Callable[[str], None],
        pages: Page | None = None,
        names: Names,
        issuer: str,
    ) -> None:
        self.issuer = issuer
        self._pool = pool
        self._app = app
        self._limits = limits
        self._report = report
        self._pages = pages
        self.names = names
        self._router = Router(app.routes)

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        request_id = events.new_request_id()
        try:
            response = await self._answer(request, request_id)
        except _Refused as error:
            response = refused(error.refusal, request_id, self.issuer)
        except ClientConnectionResetError:
            raise
        except Exception as error:
            self._report(f"HTTP gateway: {type(error).__name__}: {error}")
            response = refused(gateway.BROKEN, request_id, self.issuer)
        response.headers.setdefault("x-amzn-RequestId", request_id)
        return response

    async def _answer(self, request: web.BaseRequest, request_id: str) -> web.Response:
        path = request.rel_url.raw_path
        found = self._router.match(path)
        methods = self._app.routes[found[0]] if found is not None else {}
        if found is None or request.method not in methods:
            if request.method == "OPTIONS" and (preflight := _preflight(methods)) is not None:
                return preflight
            page = await self._pages(request) if self._pages is not None else None
            if page is None:
                raise _Refused(gateway.UNKNOWN_ROUTE)
            return page
        template, parameters = found
        event = events.rest(
            events.HttpRequest(
                method=request.method,
                path=path,
                query=request.rel_url.raw_query_string,
                headers=_forwarded(request),
                body=await self._read(request),
                source_ip=request.remote or "",
                resource=template,
                path_parameters=parameters,
                request_id=request_id,
            )
        )
        outcome = await self._pool.invoke(
            self._app.api, json.dumps(event).encode(), wait=self._limits.integration
        )
        return self._response(outcome)

    async def _read(self, request: web.BaseRequest) -> bytes:
        if not request.can_read_body:
            return b""
        limit = self._limits.request
        if (request.content_length or 0) > limit:
            raise _Refused(gateway.TOO_LARGE)
        body = bytearray()
        async for chunk in request.content.iter_any():
            body += chunk
            if len(body) > limit:
                raise _Refused(gateway.TOO_LARGE)
        return bytes(body)

    def _response(self, outcome: Outcome) -> web.Response:
        if outcome.failure is not None:
            raise _Refused(_FAILURES.get(outcome.failure, gateway.FAILED))
        try:
            return _from_result(outcome.result)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            self._report(f"the API's result is malformed: {type(error).__name__}: {error}")
            raise _Refused(gateway.FAILED) from None


def _preflight(methods: dict[str, dict[str, str] | None]) -> web.Response | None:
    """The answer that Chalice configures for OPTIONS on routes with CORS."""
    allowed = [method for method, cors in methods.items() if cors is not None]
    if not allowed:
        return None
    headers = {**(methods[allowed[0]] or {})}
    headers["Access-Control-Allow-Methods"] = ",".join([*allowed, "OPTIONS"])
    return web.Response(headers=headers, content_type="application/json")


def _forwarded(request: web.BaseRequest) -> list[tuple[str, str]]:
    headers = [(name.decode("latin-1"), _text(value)) for name, value in request.raw_headers]
    before = [value for name, value in headers if name.lower() == "x-forwarded-for"]
    rest = [item for item in headers if not item[0].lower().startswith("x-forwarded-")]
    return [
        *rest,
        ("X-Forwarded-For", ", ".join([*before, request.remote or ""])),
        ("X-Forwarded-Port", str(request.url.port or "")),
        ("X-Forwarded-Proto", request.scheme),
    ]


def _text(value: bytes) -> str:
    """A header's value as text: an event is JSON, and JSON holds no bytes."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")


def _from_result(result: dict[str, Any]) -> web.Response:
    headers: CIMultiDict[str] = CIMultiDict()
    multiple = result.get("multiValueHeaders") or {}
    for name, value in (result.get("headers") or {}).items():
        headers[name] = str(value)
    for name, values in multiple.items():
        headers.popall(name, None)
        for value in values:
            headers.add(name, str(value))
    for name in _HOP_BY_HOP:
        headers.popall(name, None)
    headers.setdefault("Content-Type", "application/json")
    body = result.get("body")
    data = b"" if body is None else str(body).encode()
    if result.get("isBase64Encoded"):
        data = base64.b64decode(data, validate=True)
    return web.Response(status=int(result["statusCode"]), headers=headers, body=data)
