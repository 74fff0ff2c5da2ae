"""Builds the reference for people, as static files: a page for each of both documents by Redocly,
the errors page, and the pages of docs/.

`python -m docs.generators.reference FOLDER` writes them.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Any

from chalicelib.errors import page as errors_page
from docs.generators.reference_pages import HEADER, index, markdown, message
from local.node import NODE

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
REDOCLY = ROOT / ".local/npm/reference/node_modules/@redocly/cli"
_BUNDLE = "redoc.standalone.js"
_QUIET = {"REDOCLY_TELEMETRY": "off", "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true"}
_LOGO = re.compile(r"https://cdn\.redoc\.ly/redoc/logo-mini(-full)?\.svg")
_LINKS = "[All documentation](index.html), [quickstart](quickstart.html), [errors](errors.html)"
_ICON = '<link rel="icon" href="data:,">'
_CREDIT = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="52" height="14"><text x="0" y="11" '
    'font-family="sans-serif" font-size="12" fill="#2467f2">Redocly</text></svg>'
)


class NotBuilt(Exception):
    """The renderer refused a document; the text says why."""


def build(folder: Path, server: str, socket: str) -> None:
    """Write all pages, for an API at `server` and sockets at `socket`. Raises NotBuilt."""
    from app import app  # declares routes and actions
    from chalicelib.edge.asyncapi import document as asyncapi
    from chalicelib.edge.openapi import document as openapi

    assert app
    folder = folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    titles = {}
    for source in sorted(DOCS.rglob("*.md")):
        name = source.relative_to(DOCS).with_suffix(".html")
        (folder / name).parent.mkdir(exist_ok=True)
        titles[name.as_posix()], page = markdown(source, DOCS)
        (folder / name).write_text(page)
    (folder / "index.html").write_text(index(titles))
    (folder / "errors.html").write_text(errors_page.page(HEADER))
    render(folder, "openapi", "Parley: HTTP API", openapi(server))
    render(folder, "asyncapi", "Parley: sockets and events", asyncapi(server, socket))


def render(folder: Path, name: str, title: str, document: dict[str, Any]) -> None:
    """A page for a document, without scripts and styles of other hosts."""
    (folder / f"{name}.json").write_text(json.dumps(document, indent=2, ensure_ascii=False))
    info = document.get("info", {})
    linked = {**info, "description": f"{info.get('description', '')}\n\n{_LINKS}"}
    (folder / f"{name}.html").write_text(message(title, name))
    if not REDOCLY.exists():
        return
    with tempfile.TemporaryDirectory() as made:
        output = Path(made) / f"{name}.html"
        source = Path(made) / "document.json"
        source.write_text(json.dumps({**document, "info": linked}))
        given = ["build-docs", str(source), "-o", str(output), "--title", title]
        done = subprocess.run(
            [NODE, REDOCLY / "bin/cli.js", *given],
            cwd=made,
            env={**os.environ, **_QUIET},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise NotBuilt(done.stderr)
        page = output.read_text()
    (bundle,) = REDOCLY.glob(f"lib/**/{_BUNDLE}")
    (folder / _BUNDLE).write_text(_LOGO.sub("redocly.svg", bundle.read_text()))
    (folder / "redocly.svg").write_text(_CREDIT)
    page = re.sub(r'<link rel="modulepreload"[^>]*>', "", page)
    for number, (attributes, script) in enumerate(_scripts(page)):
        file = f"{name}-{number}.js"
        (folder / file).write_text(
            re.sub(r'"https://[^"]*redoc\.standalone\.js"', f'"./{_BUNDLE}"', script)
        )
        page = page.replace(
            f"<script{attributes}>{script}</script>",
            f'<script{attributes} src="{file}"></script>',
        )
    without = (
        "<noscript><p>Without scripts, this page is a list. "
        f'<a href="index.html">The other pages</a> and <a href="{name}.json">the document</a> need '
        f"none.</p><ul>{''.join(_listed(document))}</ul></noscript>"
    )
    page = page.replace("<head>", f"<head>{_ICON}", 1).replace("<body>", f"<body>{without}", 1)
    (folder / f"{name}.html").write_text(page)


def _listed(document: dict[str, Any]) -> Iterator[str]:
    """Each operation in one line."""
    for path, methods in document.get("paths", {}).items():
        for method, operation in methods.items():
            summary = escape(operation["summary"])
            yield f"<li><code>{method.upper()} {escape(path)}</code>: {summary}</li>"
    for name, operation in document.get("operations", {}).items():
        yield f"<li><code>{escape(name)}</code>: {escape(operation.get('summary', ''))}</li>"


def _scripts(page: str) -> list[tuple[str, str]]:
    return re.findall(r"<script([^>]*)>(.+?)</script>", page, re.DOTALL)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--server", default="http://localhost:8000", help="where the API is")
    parser.add_argument("--socket", default="ws://localhost:8001/api", help="where sockets are")
    given = parser.parse_args()
    try:
        build(given.folder, given.server, given.socket)
    except NotBuilt as problem:
        sys.exit(f"Redocly could not render a document:\n{problem}")


if __name__ == "__main__":
    main()
