"""The HTTP gateway: requests become REST proxy events, results become answers. What it answers
itself is what infra/gateway.py has API Gateway answer."""

import base64
import json
import socket
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import ClientConnectionResetError, web
from multidict import CIMultiDict

from chalicelib.errors import UnknownHost
from infra import gateway
from infra.gateway import Refusal
from local import events
from local.functions import Registered
from local.limits import Limits
from local.names import Names
from local.router import Router
from local.workers import Failure, Outcome, WorkerPool

Page = Callable[[web.BaseRequest], Awaitable[web.Response | None]]

_FAILURES = {
    Failure.WAITED: gateway.LATE,
    Failure.TOO_LARGE: gateway.TOO_LARGE,
    Failure.TOO_MANY: gateway.TOO_MANY,
}
_OTHER_NAME = Refusal(UnknownHost.status, UnknownHost.code, UnknownHost.message)
_HOP_BY_HOP = frozenset({"connection", "content-length", "keep-alive", "transfer-encoding"})
_KEEP_ALIVE_SECONDS = 75.0


class _Refused(Exception):
    """The gateway answers itself."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.code)
        self.refusal = refusal


def _refusal(refusal: Refusal, request_id: str, issuer: str) -> web.Response:
    body = json.dumps(refusal.document(request_id, issuer)).encode()
    headers = refusal.headers(request_id, issuer)
    return web.Response(status=refusal.status, headers=headers, body=body)


class HttpGateway:
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
        self._issuer = issuer
        self._pool = pool
        self._app = app
        self._limits = limits
        self._report = report
        self._pages = pages
        self._names = names
        self._router = Router(app.routes)
        self._runner: web.ServerRunner | None = None

    async def start(self, listener: socket.socket) -> None:
        """Accept requests from a listening socket."""
        self._runner = await serve(self._handle, listener, self._names, self._issuer)

    async def stop(self) -> None:
        """Stop serving; requests under way are cut off."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        request_id = events.new_request_id()
        try:
            response = await self._answer(request, request_id)
        except _Refused as error:
            response = _refusal(error.refusal, request_id, self._issuer)
        except ClientConnectionResetError:
            raise
        except Exception as error:
            self._report(f"HTTP gateway: {type(error).__name__}: {error}")
            response = _refusal(gateway.BROKEN, request_id, self._issuer)
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


class _Protocol(web.RequestHandler):
    """Answers what is not HTTP with a problem, too."""

    __slots__ = ("issuer",)

    issuer: str

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        refusal = gateway.UNREADABLE
        if status >= gateway.BROKEN.status:
            super().handle_error(request, status, exc, message)  # logs it; raises if it is too late
            refusal = gateway.BROKEN
        response = _refusal(refusal, events.new_request_id(), self.issuer)
        response.force_close()
        return response


class _Server(web.Server):
    issuer = ""

    def __call__(self) -> _Protocol:
        protocol = _Protocol(self, loop=self._loop, **self._kwargs)
        protocol.issuer = self.issuer
        return protocol


async def serve(
    handler: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]],
    listener: socket.socket,
    names: Names = Names(),  # noqa: B008, it never changes
    issuer: str = "",
) -> web.ServerRunner:
    """Serve HTTP from a listening socket until the runner is cleaned up; only under our names."""

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        if not names.serve(request.headers.getall("Host", [])):
            return _refusal(_OTHER_NAME, events.new_request_id(), issuer)
        return await handler(request)

    server = _Server(handle, access_log=None, keepalive_timeout=_KEEP_ALIVE_SECONDS)
    server.issuer = issuer
    runner = web.ServerRunner(server, shutdown_timeout=0.2)
    await runner.setup()
    await web.SockSite(runner, listener, backlog=1024).start()
    return runner


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
    """A header's value. An event is JSON, so it holds characters, whatever was sent."""
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
