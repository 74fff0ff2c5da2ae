"""Pages beside the API: the web client, its configuration, and the pushes and mails that were
sent."""

import asyncio
import re
from collections.abc import Callable
from urllib.parse import unquote

from aiohttp import web

from chalicelib.edge.headers import PRIVATE
from local.stand_ins.mails import Mails
from local.stand_ins.pushes import Pushes
from local.web.etags import is_known
from local.web.site import BuildFailed, File, WebClient


class Pages:
    """Answers paths that are not routes of the app; None for an unknown path."""

    def __init__(
        self, *, client: WebClient, pushes: Pushes, mails: Mails, report: Callable[[str], None]
    ) -> None:
        self._client = client
        self._report = report
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
            return web.json_response({"api": "", "local": True}, headers=PRIVATE)
        try:
            site = await self._client.site()
        except BuildFailed as problem:
            self._report(f"The web client could not be built:\n{problem}")
            return web.Response(status=500, text=str(problem), headers=PRIVATE)
        file = site.files.get(path.removeprefix("/") or "index.html")
        if file is None:
            return None
        await asyncio.to_thread(lambda: file.encoded)  # The first time takes long.
        return _sent(file, request, site.headers)


def _sent(file: File, request: web.BaseRequest, common: dict[str, str]) -> web.Response:
    """A file in a coding that the browser takes, or 304 if the browser has the file already."""
    taken = request.headers.get("Accept-Encoding", "")
    coding, body = next(
        ((name, body) for name, body in file.encoded.items() if _takes(taken, name)),
        (None, file.body),
    )
    etag = f'"{file.digest}{f"-{coding}" if coding else ""}"'
    headers = {**common, "Cache-Control": file.cache_control, "ETag": etag}
    if file.encoded:
        headers["Vary"] = "Accept-Encoding"
    if is_known(request, etag):
        return web.Response(status=304, headers=headers)
    headers["Content-Type"] = file.kind
    if coding:
        headers["Content-Encoding"] = coding
    return web.Response(body=body, headers=headers)


def _takes(accepted: str, coding: str) -> bool:
    """Whether `Accept-Encoding` allows a coding (RFC 9110, section 12.5.3)."""
    for one in accepted.lower().split(","):
        name, *parameters = [part.strip() for part in one.split(";")]
        if name == coding:
            return not any(re.fullmatch(r"q=0(\.0*)?", part) for part in parameters)
    return False


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
    return web.json_response({"items": kept.after(after)}, headers=PRIVATE)


def _is_local(request: web.BaseRequest) -> bool:
    """Whether the request comes from our own page. The gateway has checked `Host` before."""
    origin = request.headers.get("Origin")
    return origin is None or origin.partition("://")[2] == request.headers["Host"]
