"""The documentation at /docs: built by its own process on the first request."""

import asyncio
import base64
import hashlib
import mimetypes
import re
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import unquote

from aiohttp import web

from chalicelib.edge.headers import PRIVATE
from local.options import ROOT
from local.web.etags import digest, is_known

Page = Callable[[web.BaseRequest], Awaitable[web.Response | None]]

_PREFIX = "/docs/"
_EMPTY = hashlib.sha256(b"").digest()


class Docs:
    """Answers /docs, and passes other paths to `others`.

    With `dev` it builds the pages again after each change of the code or of docs/.
    """

    def __init__(
        self,
        *,
        folder: Path,
        server: str,
        socket: str,
        others: Page,
        report: Callable[[str], None],
        dev: bool = False,
    ) -> None:
        self._folder = folder.resolve()
        self._addresses = ["--server", server, "--socket", socket]
        self._others = others
        self._report = report
        self._dev = dev
        self._built: int | None = None
        self._building = asyncio.Lock()

    async def __call__(self, request: web.BaseRequest) -> web.Response | None:
        path = unquote(request.rel_url.raw_path)
        if path != "/docs" and not path.startswith(_PREFIX):
            return await self._others(request)
        if request.method not in ("GET", "HEAD"):
            return None
        if path == "/docs":
            return web.Response(status=308, headers={**PRIVATE, "Location": _PREFIX})
        async with self._building:
            if not self._built or (self._dev and self._built != _last_change()):
                await self._build()
        return self._file(request, path.removeprefix(_PREFIX) or "index.html")

    async def _build(self) -> None:
        now = _last_change()
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "docs.generators.reference", str(self._folder)),
            *self._addresses,
            cwd=ROOT,
            stdin=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        _, said = await process.communicate()
        if process.returncode:
            self._report(f"Pages of /docs could not be built:\n{said.decode(errors='replace')}")
        self._built = now

    def _file(self, request: web.BaseRequest, name: str) -> web.Response | None:
        # The name may be anything, so it is compared and never opened.
        files = {one.relative_to(self._folder).as_posix(): one for one in _files(self._folder)}
        file = files.get(name)
        if file is None:
            return None
        kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
        body = file.read_bytes()
        etag = f'"{digest(body)}"'
        headers = {**PRIVATE, "Cache-Control": "no-cache", "ETag": etag}
        if kind == "text/html":
            headers["Content-Security-Policy"] = policy(body.decode())
        if is_known(request, etag):  # The browser takes the headers, also those of a 304.
            return web.Response(status=304, headers=headers)
        is_text = kind.startswith("text/") or kind == "application/json"
        return web.Response(
            body=body, content_type=kind, charset="utf-8" if is_text else None, headers=headers
        )


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file())


def _last_change() -> int:
    """When a source was changed last. Bytecode is written by the build itself."""
    latest = 0
    for folder in (ROOT / "chalicelib", ROOT / "docs", ROOT / "local"):
        for path in _files(folder):
            # A file of an editor may already be deleted.
            with suppress(FileNotFoundError):
                if path.suffix != ".pyc":
                    latest = max(latest, path.stat().st_mtime_ns)
    return latest


def policy(page: str) -> str:
    """The Content-Security-Policy of a page.

    Scripts are files of this site. Styles are allowed by their hashes. Redoc fills an empty style
    element, and sets style attributes.
    """
    digests = [hashlib.sha256(one.encode()).digest() for one in _styles(page)]
    hashes = " ".join(f"'sha256-{base64.b64encode(one).decode()}'" for one in (_EMPTY, *digests))
    redoc = (
        "script-src 'self'; style-src-attr 'unsafe-inline'; img-src 'self' data:; font-src data:; "
        if "<script" in page
        else ""
    )
    return (
        f"default-src 'none'; style-src-elem {hashes}; {redoc}base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    )


def _styles(page: str) -> Iterator[str]:
    for found in re.finditer(r"<style[^>]*>(.*?)</style>", page, re.DOTALL):
        yield found[1]
