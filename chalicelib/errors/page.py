"""The page that explains every error. The `type` of each problem leads to it. It has no scripts."""

import base64
import hashlib
import re
from collections.abc import Iterable
from functools import cache
from html import escape
from http import HTTPStatus
from pathlib import Path

from chalicelib.errors.catalogue import Entry, catalogue
from chalicelib.errors.protocol import OAUTH

_STYLE = (Path(__file__).parent / "page.css").read_text()
_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
HEADERS = {
    "Content-Type": "text/html; charset=utf-8",
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{_HASH}'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'; require-trusted-types-for 'script'"
    ),
}
"""The headers of such a page."""

_INTRODUCTION = (
    "A request that fails is answered with a problem (RFC 9457): JSON with `type`, `title`, "
    "`status`, `detail`, `code` and `request_id`. `code` is stable: programs go by it. `detail` is "
    "a sentence to show to people. `type` leads to an entry of this page. On a socket the same "
    "errors come as `error`, with `code` and `message`."
)
_OF_OAUTH = (
    "The OAuth endpoints answer with `error` and `error_description`, as RFC 6749 and OpenID "
    "Connect define them. `error_uri` leads here."
)


def frame(title: str, inside: str, *, header: str = "") -> str:
    """A whole page."""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)} - Parley</title><style>{_STYLE}</style></head>"
        f"<body>{header}<main><h1>{escape(title)}</h1>{inside}</main></body></html>"
    )


@cache
def page(header: str = "") -> str:
    """The errors page."""
    ours = catalogue()
    inside = (
        f"<p>{_marked(_INTRODUCTION)}</p>"
        f'<nav aria-label="Codes">{_codes(one.code for one in ours)}</nav>'
        "<h2>Errors of the API</h2>"
        f"{''.join(map(_ours, ours))}"
        "<h2>Errors of the OAuth endpoints</h2>"
        f"<p>{_marked(_OF_OAUTH)}</p>{_codes(OAUTH)}"
        f"{''.join(_of_oauth(code, *texts) for code, texts in OAUTH.items())}"
    )
    return frame("Errors", inside, header=header)


def _codes(codes: Iterable[str]) -> str:
    links = "".join(f'<li><a href="#{code}"><code>{code}</code></a></li>' for code in codes)
    return f'<ul class="codes">{links}</ul>'


def _ours(one: Entry) -> str:
    members = "".join(
        f"<dt><code>{name}</code></dt><dd>{_marked(meaning)}</dd>"
        for name, meaning in one.members.items()
    )
    status = f"{one.status} {HTTPStatus(one.status).phrase}"
    return _section(
        one.code,
        f'<p class="status">HTTP {status}: “{_marked(one.sentence)}”</p>'
        + _texts(one.when, one.remedy)
        + (f"<p>Further members:</p><dl>{members}</dl>" if members else ""),
    )


def _of_oauth(code: str, when: str, remedy: str) -> str:
    return _section(code, _texts(when, remedy))


def _section(code: str, inside: str) -> str:
    named = f'<h3><a href="#{code}"><code>{code}</code></a></h3>'
    return f'<section class="error" id="{code}">{named}{inside}</section>'


def _texts(when: str, remedy: str) -> str:
    return (
        f"<p><strong>When:</strong> {_marked(when)}</p>"
        f"<p><strong>What to do:</strong> {_marked(remedy)}</p>"
    )


def _marked(text: str) -> str:
    return re.sub("`(.+?)`", r"<code>\1</code>", escape(text, quote=False))
