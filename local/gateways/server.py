"""An HTTP server on a listening socket, for the gateway and the stand-ins."""

import json
import socket

from aiohttp import web

from chalicelib.errors import UnknownHost
from infra import gateway
from infra.gateway import Refusal
from local.functions import events
from local.gateways.names import Names

_OTHER_NAME = Refusal(UnknownHost.status, UnknownHost.code, UnknownHost.message)
_KEEP_ALIVE_SECONDS = 75.0


class HttpServer:
    """Serves HTTP under our names only. A subclass handles the requests."""

    names = Names()
    issuer = ""
    _runner: web.ServerRunner | None = None

    async def start(self, listener: socket.socket) -> None:
        """Accept requests from a listening socket."""
        server = _Server(self._named, access_log=None, keepalive_timeout=_KEEP_ALIVE_SECONDS)
        server.issuer = self.issuer
        self._runner = web.ServerRunner(server, shutdown_timeout=0.2)
        await self._runner.setup()
        await web.SockSite(self._runner, listener, backlog=1024).start()

    async def stop(self) -> None:
        """Stop serving. Requests under way are cut off."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _named(self, request: web.BaseRequest) -> web.StreamResponse:
        if not self.names.serve(request.headers.getall("Host", [])):
            return refused(_OTHER_NAME, events.new_request_id(), self.issuer)
        return await self._handle(request)

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        raise NotImplementedError


def refused(refusal: Refusal, request_id: str, issuer: str) -> web.Response:
    """The gateway's own answer, as a problem document."""
    body = json.dumps(refusal.document(request_id, issuer)).encode()
    headers = refusal.headers(request_id, issuer)
    return web.Response(status=refusal.status, headers=headers, body=body)


class _Protocol(web.RequestHandler):
    """Also answers bytes that are not HTTP with a problem document."""

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
        response = refused(refusal, events.new_request_id(), self.issuer)
        response.force_close()
        return response


class _Server(web.Server):
    issuer = ""

    def __call__(self) -> _Protocol:
        protocol = _Protocol(self, loop=self._loop, **self._kwargs)
        protocol.issuer = self.issuer
        return protocol
