"""The plain pages of the reference: docs/ as HTML, and the index."""

import os
import re
from collections.abc import Mapping
from html import escape
from pathlib import Path
from urllib.parse import urlsplit

from markdown_it import MarkdownIt
from markdown_it.token import Token

from chalicelib.errors.page import frame

_LINKS = (("index", "Documentation"), ("quickstart", "Quickstart"), ("openapi", "HTTP API"),
          ("asyncapi", "Sockets"), ("errors", "Errors"))  # fmt: skip
_START = {
    "quickstart.html": "from a clone to two people who chat, with curl and a socket.",
    "openapi.html": "every route, with what it takes and answers.",
    "asyncapi.html": "what goes over a socket, and what other services get.",
    "errors.html": "when each happens, and what to do.",
}
_NAMES = {
    "openapi.html": "HTTP API",
    "asyncapi.html": "Sockets and events",
    "errors.html": "Errors",
}


def _header(up: str) -> str:
    links = "".join(f'<a href="{up}{name}.html">{title}</a>' for name, title in _LINKS)
    return f'<header><nav aria-label="Documentation">{links}</nav></header>'


HEADER = _header("")


def message(title: str, name: str) -> str:
    """In the place of a page whose renderer is not installed."""
    inside = (
        "<p>This page is not built, perhaps because its renderer is not installed. "
        "<code>make docs</code> installs it, builds the page, and says what is wrong with it. "
        f'<a href="{name}.json">The document itself</a> is there.</p>'
    )
    return frame(title, inside, header=HEADER)


def index(titles: Mapping[str, str]) -> str:
    """The first page, with links to all others."""
    named = {**titles, **_NAMES}
    first = "".join(
        f'<li><a href="{name}">{escape(named[name])}</a>: {escape(text)}</li>'
        for name, text in _START.items()
        if name in named
    )
    others = "".join(
        f'<li><a href="{name}">{escape(title)}</a></li>'
        for name, title in titles.items()
        if name not in _START and ("/" not in name or name.endswith("/README.html"))
    )
    inside = f"<ul>{first}</ul><h2>More pages</h2><ul>{others}</ul>"
    return frame("Parley's documentation", inside, header=HEADER)


def markdown(source: Path, docs: Path) -> tuple[str, str]:
    """The title of a page of docs/, and the page."""
    parser = MarkdownIt("commonmark").enable("table")
    parser.add_render_rule("table_open", lambda *_: '<div class="wide" tabindex="0"><table>')
    parser.add_render_rule("table_close", lambda *_: "</table></div>")
    tokens = parser.parse(source.read_text())
    title = source.stem
    if len(tokens) > 2 and tokens[0].tag == "h1":
        title, tokens = _plain(tokens[1]), tokens[3:]
    for number, token in enumerate(tokens):
        if token.type == "heading_open":
            token.attrSet("id", _anchor(_plain(tokens[number + 1])))
        for child in token.children or ():
            if child.type == "link_open":
                child.attrSet("href", _target(str(child.attrGet("href")), source, docs))
            if child.type == "image":
                child.attrSet("src", "data:,")
    html = str(parser.renderer.render(tokens, parser.options, {}))
    html = html.replace("<pre>", '<pre tabindex="0">').replace('<a href="">', "<a>")
    up = os.path.relpath(docs, source.parent)
    return title, frame(title, html, header=_header("" if up == "." else f"{up}/"))


def _plain(token: Token) -> str:
    return "".join(child.content for child in token.children or ())


def _anchor(heading: str) -> str:
    """As GitHub makes it."""
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


def _target(href: str, source: Path, docs: Path) -> str:
    """Where a link leads on these pages. They do not have code: a link to it leads nowhere."""
    parts = urlsplit(href)
    if parts.scheme or not parts.path:
        return href
    aim = (source.parent / parts.path).resolve()
    if not aim.is_relative_to(docs) or aim.suffix == ".py":
        return ""
    found = aim / "README.md" if aim.is_dir() else aim
    if found.suffix == ".md":
        href = os.path.relpath(found.with_suffix(".html"), source.parent)
    return f"{href}#{parts.fragment}" if parts.fragment and found.suffix == ".md" else href
