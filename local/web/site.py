"""Builds the web client: bundles scripts and styles, and names them by a hash of their contents.

Says with which headers each file is sent.
"""

import asyncio
import gzip
import hashlib
import json
import os
import re
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import brotli

from chalicelib.edge.headers import PRIVATE
from local.options import ROOT
from local.web.etags import digest

WEB = ROOT / "web"
_PACKAGES = ROOT / ".local/npm/web/node_modules"
_ASSETS = "assets"
_TYPES = {
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".json": "application/json; charset=utf-8",
    ".svg": "image/svg+xml",
    ".webmanifest": "application/manifest+json",
    ".woff2": "font/woff2",
    ".png": "image/png",
}
_COPIED = (".svg", ".webmanifest")
"""Of these, the files beside `index.html` are served as they are."""
_FILES = ["--loader:.woff2=file", "--loader:.png=file"]
_ALREADY_SMALL = (".woff2", ".png")
_POLICY = (
    "default-src 'none'; "
    "script-src 'self'{scripts}; "
    "style-src 'self'{styles}; "
    "img-src 'self' data: blob:; "
    "connect-src 'self' http: https: ws: wss:; "
    "manifest-src 'self'; "
    "worker-src 'self'; "
    "base-uri 'none'; "
    "form-action 'none'; "
    "require-trusted-types-for 'script'; "
    "trusted-types parley-worker"
)
FOREVER = "public, max-age=31536000, immutable"
"""For files with a hash of their contents in the name."""


class BuildFailed(Exception):
    """The bundler refused the sources. The text says why."""


@dataclass(frozen=True)
class File:
    """One file as it is sent."""

    name: str
    body: bytes
    quality: int = 11
    """Of Brotli: the best takes a second for a bundle with its source map."""

    @property
    def kind(self) -> str:
        return _TYPES.get(Path(self.name).suffix, "application/octet-stream")

    @property
    def cache_control(self) -> str:
        return FOREVER if self.name.startswith(f"{_ASSETS}/") else "no-cache"

    @cached_property
    def digest(self) -> str:
        """The SHA-256 of the body, in Base64."""
        return digest(self.body)

    @cached_property
    def encoded(self) -> dict[str, bytes]:
        """The body in each coding that makes it smaller, the smallest first."""
        if Path(self.name).suffix in _ALREADY_SMALL:
            return {}
        bodies = {
            "br": brotli.compress(self.body, quality=self.quality),
            "gzip": gzip.compress(self.body, 9, mtime=0),
        }
        return {coding: body for coding, body in bodies.items() if len(body) < len(self.body)}


@dataclass(frozen=True)
class Site:
    """The built client: its files by path, and the policy that its pages are sent with."""

    files: dict[str, File]
    policy: str

    @property
    def headers(self) -> dict[str, str]:
        """What every file is sent with, and `Strict-Transport-Security` where there is TLS."""
        return {
            **{name: value for name, value in PRIVATE.items() if name != "Cache-Control"},
            "Content-Security-Policy": f"{self.policy}; frame-ancestors 'none'",
            # A browser must not look up the names in messages before somebody follows the link.
            "X-DNS-Prefetch-Control": "off",
        }


def build(folder: Path, *, dev: bool = False, worker: bool = True) -> Site:
    """Bundle the client in `folder`. Raises BuildFailed.

    With `dev`, the bundle is readable and has a source map. Without `worker`, browsers remove the
    service worker that they have.
    """
    with tempfile.TemporaryDirectory() as made:
        outputs = _bundle(folder, Path(made), ["js/main.js", "css/main.css"], dev=dev)
        files = [
            File(f"{_ASSETS}/{path.name}", path.read_bytes(), quality=5 if dev else 11)
            for path in sorted((Path(made) / _ASSETS).iterdir())
        ]
    files += [File(path.name, path.read_bytes()) for path in _beside(folder)]
    page, policy = _page(folder, outputs)
    files.append(File("index.html", page.encode()))
    first = [file for file in files if file.name in page or not file.name.startswith(_ASSETS)]
    files.append(_worker(folder, first if worker else None))
    return Site({file.name: file for file in files}, policy)


def _beside(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.iterdir()) if path.suffix in _COPIED]


def _bundle(folder: Path, made: Path, entries: list[str], *, dev: bool) -> dict[str, Any]:
    names = [f"--{kind}-names={_ASSETS}/[name]-[hash]" for kind in ("entry", "chunk", "asset")]
    options = ["--bundle", "--format=esm", "--splitting", "--charset=utf8", *names, *_FILES]
    options += ["--sourcemap=inline"] if dev else ["--minify"]
    about = made / "about.json"
    esbuild(folder, [*entries, *options, f"--outdir={made}", f"--metafile={about}"])
    outputs: dict[str, Any] = json.loads(about.read_text())["outputs"]
    return outputs


def esbuild(folder: Path, arguments: list[str]) -> str:
    """What the bundler makes of files in `folder`. Raises BuildFailed."""
    (program, *_) = [*_PACKAGES.glob("@esbuild/*/bin/esbuild"), None]
    if program is None:
        raise BuildFailed("esbuild is not installed: run `make setup`.")
    done = subprocess.run(
        [program, *arguments, "--loader:.svg=text", "--log-level=warning"],
        cwd=folder,
        env={**os.environ, "NODE_PATH": str(_PACKAGES)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise BuildFailed(done.stderr)
    return done.stdout


def _page(folder: Path, outputs: dict[str, Any]) -> tuple[str, str]:
    """`index.html` with the names of the bundles in it, and its policy."""
    page = (folder / "index.html").read_text()
    page = re.sub(r"[ \t]*<!--.*?-->\n?", "", page, flags=re.DOTALL)
    for path, about in outputs.items():
        if (entry := about.get("entryPoint")) in ("js/main.js", "css/main.css"):
            page = page.replace(f'"{entry}"', f'"{_ASSETS}/{Path(path).name}"')
        if entry == "js/main.js":
            page = page.replace("</head>", f"{_preloads(about)}</head>")
    styles = _inlined(folder, "css/splash.css")
    scripts = _inlined(folder, "js/splash.js")
    page = page.replace('<link rel="stylesheet" href="css/splash.css">', f"<style>{styles}</style>")
    page = page.replace('<img src="logo.svg" alt="">', _drawn(folder))
    page = page.replace('<script src="js/splash.js"></script>', f"<script>{scripts}</script>")
    policy = _POLICY.format(scripts=_hash(scripts), styles=_hash(styles))
    return page.replace("{policy}", policy), policy


def _preloads(main: dict[str, Any]) -> str:
    """Links that have the browser load what the script imports, one round trip earlier."""
    needed = [one["path"] for one in main["imports"] if one["kind"] == "import-statement"]
    link = '  <link rel="modulepreload" href="{}">\n'
    return "".join(link.format(f"{_ASSETS}/{Path(path).name}") for path in needed)


def _worker(folder: Path, files: list[File] | None) -> File:
    """The service worker. It knows the files that each page needs by their digests, and keeps other
    files after their first use. Without files, a worker that removes itself."""
    shell = None
    if files is not None:
        # Some servers redirect from index.html to its folder. A worker cannot keep a redirect.
        names = {"index.html": ""}
        digests = {names.get(file.name, file.name): f"sha256-{file.digest}" for file in files}
        version = hashlib.sha256(json.dumps(digests).encode()).hexdigest()[:16]
        shell = {"version": version, "files": digests}
    options = ["--minify", "--charset=utf8", f"--define:SHELL={json.dumps(shell)}"]
    return File("worker.js", esbuild(folder, ["js/worker.js", *options]).encode())


def _inlined(folder: Path, name: str) -> str:
    return esbuild(folder, [name, "--minify", "--charset=utf8"]).strip()


def _drawn(folder: Path) -> str:
    """The logo as a part of the page."""
    drawing = (folder / "logo.svg").read_text().replace("<svg ", '<svg aria-hidden="true" ')
    return re.sub(r">\s+<", "><", drawing).strip()


def _hash(text: str) -> str:
    return f" 'sha256-{digest(text.encode())}'"


@dataclass
class WebClient:
    """The client as it is served: built on the first request, and with `dev` after each change."""

    folder: Path
    dev: bool = False
    _site: Site | None = None
    _marks: dict[str, tuple[int, int]] = field(default_factory=dict)
    _building: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def site(self) -> Site:
        """What is served now. Raises BuildFailed."""
        async with self._building:
            marks = dict(_marks(self.folder)) if self.dev else self._marks
            if self._site is None or marks != self._marks:
                self._site = await asyncio.to_thread(
                    # A worker would show a developer old files.
                    build,
                    self.folder,
                    dev=self.dev,
                    worker=not self.dev,
                )
                self._marks = marks
        return self._site


def _marks(folder: Path) -> Iterator[tuple[str, tuple[int, int]]]:
    for path in folder.rglob("*"):
        try:
            about = path.stat()
        except FileNotFoundError:
            continue  # A file of an editor, already deleted.
        yield str(path), (about.st_mtime_ns, about.st_size)


def write(site: Site, folder: Path) -> None:
    """Write the files, and their compressed forms for servers that send those."""
    for file in site.files.values():
        path = folder / file.name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(file.body)
        for coding, body in file.encoded.items():
            path.with_name(f"{path.name}.{ {'gzip': 'gz'}.get(coding, coding) }").write_bytes(body)
