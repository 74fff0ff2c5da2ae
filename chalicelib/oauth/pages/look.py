"""What all pages of the provider share: their frame, forms, style and header fields."""

import base64
import hashlib
from collections.abc import Mapping
from html import escape
from pathlib import Path
from urllib.parse import urlencode

from chalicelib.oauth.clients.redirect_uris import form_target

_HERE = Path(__file__).parent
_STYLE = (_HERE / "page.css").read_text()
_SCRIPT = (_HERE / "page.js").read_text()
_LOGO = (
    '<svg class="logo" aria-hidden="true" viewBox="0 0 48 48">'
    '<path fill="#e2a35c" d="M29 14h6a9 9 0 0 1 9 9v17.2c0 1.3-1.5 2-2.5 1.2L36.6 37H25'
    'a9 9 0 0 1-9-9v-1z"/>'
    '<path fill="#1f6b63" d="M13 5h13a9 9 0 0 1 9 9v6a9 9 0 0 1-9 9H12.4l-5.9 4.7'
    'c-1 .8-2.5.1-2.5-1.2V14a9 9 0 0 1 9-9z"/></svg>'
)


def source(text: str) -> str:
    """The source expression for a script or style in a Content-Security-Policy: its hash."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


_STYLES, _SCRIPTS = source(_STYLE), source(_SCRIPT)


def headers(*targets: str, script: bool = False) -> dict[str, str]:
    """The header fields of a page. No other site can frame it. `targets`: addresses that its forms
    may lead to, because browsers apply `form-action` also to redirects after a form. `script`: the
    page has our script, which may call this API."""
    actions = " ".join(dict.fromkeys(["'self'", *map(form_target, targets)]))
    scripts = f" script-src {_SCRIPTS}; connect-src 'self';" if script else ""
    return {
        "Content-Type": "text/html; charset=utf-8",
        "Content-Security-Policy": (
            f"default-src 'none'; style-src {_STYLES};{scripts} form-action {actions};"
            " frame-ancestors 'none'; base-uri 'none'; require-trusted-types-for 'script'"
        ),
        "X-Frame-Options": "DENY",
        "Referrer-Policy": "no-referrer",
    }


def frame(title: str, inside: str, *, problem: str | None = None, script: bool = False) -> str:
    """A whole page. A `problem` is also in the title, because screen readers read that first."""
    named = f"Problem: {title}" if problem else title
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>{escape(named)} - Parley</title><style>{_STYLE}</style></head>"
        f"<body><main>{_LOGO}<h1>{escape(title)}</h1>"
        f"{alert(problem)}{inside}</main>"
        f"{f'<script>{_SCRIPT}</script>' if script else ''}</body></html>"
    )


def alert(text: str | None) -> str:
    """A paragraph that says what went wrong; empty without a text."""
    return f'<p role="alert" id="problem">{escape(text)}</p>' if text else ""


def form(path: str, given: Mapping[str, str], seal: str, inside: str, attributes: str = "") -> str:
    """A form that posts to `path` of this API, with the program's request `given` in the query."""
    action = escape(f"{path}?{urlencode(given)}")
    return (
        f'<form method="post" action="{action}"{attributes}>'
        f'<input type="hidden" name="seal" value="{escape(seal)}">{inside}</form>'
    )
