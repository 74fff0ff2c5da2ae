"""The HTTP gateway: requests become REST proxy events, results become answers."""

import base64
import json
import socket
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import ClientConnectionResetError, web
from multidict import CIMultiDict

from local import events
from local.functions import Registered
from local.limits import Limits
from local.names import Names
from local.router import Router
from local.workers import Failure, Outcome, WorkerPool

Page = Callable[[web.BaseRequest], Awaitable[web.Response | None]]

_FAILURES = {
    Failure.WAITED: (504, "Endpoint request timed out"),
    Failure.TOO_LARGE: (413, "Request Too Long"),
    Failure.TOO_MANY: (429, "Too Many Requests"),
}
_HOP_BY_HOP = frozenset({"connection", "content-length", "keep-alive", "transfer-encoding"})
_KEEP_ALIVE_SECONDS = 75.0


class _TooLong(Exception):
    """The body is over the limit."""


def _refusal(status: int, message: str) -> web.Response:
    return web.json_response({"message": message}, status=status)


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
    ) -> None:
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
        self._runner = await serve(self._handle, listener, self._names)

    async def stop(self) -> None:
        """Stop serving; requests under way are cut off."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        request_id = events.new_request_id()
        try:
            response = await self._answer(request, request_id)
        except _TooLong:
            response = _refusal(413, "Request Too Long")
        except ClientConnectionResetError:
            raise
        except Exception as error:
            self._report(f"HTTP gateway: {type(error).__name__}: {error}")
            response = _refusal(500, "Internal server error")
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
            return page or _refusal(403, "Missing Authentication Token")
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
            ),
            self._app.binary_types,
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
            raise _TooLong
        body = bytearray()
        async for chunk in request.content.iter_any():
            body += chunk
            if len(body) > limit:
                raise _TooLong
        return bytes(body)

    def _response(self, outcome: Outcome) -> web.Response:
        if outcome.failure is not None:
            return _refusal(*_FAILURES.get(outcome.failure, (502, "Internal server error")))
        try:
            return _from_result(outcome.result)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            self._report(f"the API's result is malformed: {type(error).__name__}: {error}")
            return _refusal(502, "Internal server error")


async def serve(
    handler: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]],
    listener: socket.socket,
    names: Names = Names(),  # noqa: B008, it never changes
) -> web.ServerRunner:
    """Serve HTTP from a listening socket until the runner is cleaned up; only under our names."""

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        if not names.serve(request.headers.getall("Host", [])):
            return _refusal(421, "This name is not served here. Allow it with --allow-host.")
        return await handler(request)

    server = web.Server(handle, access_log=None, keepalive_timeout=_KEEP_ALIVE_SECONDS)
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
    headers = [
        (name.decode("latin-1"), value.decode("utf-8", "surrogateescape"))
        for name, value in request.raw_headers
    ]
    before = [value for name, value in headers if name.lower() == "x-forwarded-for"]
    rest = [item for item in headers if not item[0].lower().startswith("x-forwarded-")]
    return [
        *rest,
        ("X-Forwarded-For", ", ".join([*before, request.remote or ""])),
        ("X-Forwarded-Port", str(request.url.port or "")),
        ("X-Forwarded-Proto", request.scheme),
    ]


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
