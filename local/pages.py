"""Pages beside the API: the web client, its configuration, and the pushes and mails that
people would have got."""

import mimetypes
from pathlib import Path
from urllib.parse import unquote

from aiohttp import web

from chalicelib.headers import PRIVATE
from local.mails import Mails
from local.pushes import Pushes

_TYPES = {
    ".js": "text/javascript",
    ".mjs": "text/javascript",
    ".css": "text/css",
    ".html": "text/html",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".webmanifest": "application/manifest+json",
    ".woff2": "font/woff2",
}
HEADERS = {
    **PRIVATE,
    "Content-Security-Policy": (
        "default-src 'none'; "
        "script-src 'self'; "
        "style-src 'self'; "
        "img-src 'self' data: blob:; "
        "connect-src 'self' http: https: ws: wss:; "
        "base-uri 'none'; "
        "form-action 'none'; "
        "require-trusted-types-for 'script'; "
        "frame-ancestors 'none'"
    ),
    # A name in somebody's message is looked up when its link is followed, and not before.
    "X-DNS-Prefetch-Control": "off",
}
"""To serve the web client elsewhere, send these and `Strict-Transport-Security`."""


class Pages:
    """Answers paths that are not routes of the app; None for an unknown path."""

    def __init__(self, *, folder: Path, pushes: Pushes, mails: Mails) -> None:
        self._folder = folder.resolve()
        self._kept: dict[str, Pushes | Mails] = {
            "/_local/pushes": pushes,
            "/_local/mails": mails,
        }

    async def __call__(self, request: web.BaseRequest) -> web.Response | None:
        path = unquote(request.rel_url.raw_path)
        if (kept := self._kept.get(path)) is not None:
            return _show(kept, request)
        if request.method not in ("GET", "HEAD"):
            return None
        if path == "/config.json":
            # The API is on the page's own origin, whatever name the browser has for it.
            return web.json_response({"api": "", "local": True}, headers=HEADERS)
        return self._file(path)

    def _file(self, path: str) -> web.Response | None:
        wanted = path.removeprefix("/") or "index.html"
        if "\0" in wanted or any(part.startswith(".") for part in wanted.split("/")):
            return None
        file = (self._folder / wanted).resolve()
        if not file.is_relative_to(self._folder) or not file.is_file():
            return None
        kind = _TYPES.get(file.suffix) or mimetypes.guess_type(file.name)[0]
        is_text = bool(kind) and (str(kind).startswith("text/") or kind == _TYPES[".json"])
        return web.Response(
            body=file.read_bytes(),
            content_type=kind or "application/octet-stream",
            charset="utf-8" if is_text else None,
            headers=HEADERS,
        )


def _show(kept: Pushes | Mails, request: web.BaseRequest) -> web.Response:
    if not _is_local(request):
        return web.json_response({"message": "Forbidden"}, status=403)
    if request.method == "DELETE":
        kept.clear()
        return web.Response(status=204)
    if request.method != "GET":
        return web.json_response({"message": "Method Not Allowed"}, status=405)
    try:
        after = int(request.query.get("after", "0"))
    except ValueError:
        return web.json_response({"message": "'after' must be a number."}, status=400)
    return web.json_response({"items": kept.after(after)}, headers=HEADERS)


def _is_local(request: web.BaseRequest) -> bool:
    """Whether the request comes from our own page. The gateway has checked `Host` before."""
    origin = request.headers.get("Origin")
    return origin is None or origin.partition("://")[2] == request.headers["Host"]
