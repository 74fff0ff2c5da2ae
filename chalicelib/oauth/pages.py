"""The pages of the provider: plain HTML without scripts, which no other site can frame."""

import base64
import hashlib
from collections.abc import Mapping
from html import escape
from urllib.parse import urlencode, urlsplit

from chalicelib.oauth.models import USER_SCOPES, OAuthClient, origin
from chalicelib.users.models import Profile

_STYLE = """
body { font: 1rem/1.5 system-ui, sans-serif; color: #1b1f23; background: #f4f5f7; margin: 0 }
main { max-width: 26rem; margin: 3rem auto; padding: 2rem; background: #fff; border-radius: .5rem }
h1 { font-size: 1.4rem; line-height: 1.3; margin: 0 0 1rem }
label { display: block; margin: 1rem 0 .25rem }
input { font: inherit; width: 100%; box-sizing: border-box; padding: .5rem }
input, button { border: 1px solid #57606a; border-radius: .25rem }
button { font: inherit; padding: .5rem 1rem; margin: 1.25rem .5rem 0 0; background: #fff }
button.main { background: #0b57d0; border-color: #0b57d0; color: #fff }
:focus-visible { outline: 3px solid #0b57d0; outline-offset: 2px }
[role=alert] { border-left: .25rem solid #b3261e; padding-left: .75rem }
"""
_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()


def headers(*targets: str) -> dict[str, str]:
    """What a page is sent with. `targets`: addresses that its form may lead on to, since browsers
    hold redirects after a form to `form-action`, too."""
    actions = " ".join(["'self'", *map(origin, targets)])
    return {
        "Content-Type": "text/html; charset=utf-8",
        "Content-Security-Policy": (
            f"default-src 'none'; style-src 'sha256-{_HASH}'; form-action {actions};"
            " frame-ancestors 'none'; base-uri 'none'"
        ),
        "X-Frame-Options": "DENY",
        "Referrer-Policy": "no-referrer",
    }


def sign_in(
    client: OAuthClient,
    given: Mapping[str, str],
    seal: str,
    problem: str | None,
    *,
    code: bool = False,
) -> str:
    """Asks who the user is; with `code`, also for one of their second factor."""
    wrong = ' aria-describedby="problem"' if problem else ""
    second_factor = (
        '<label for="code">Code of your authenticator app, or a recovery code</label>'
        '<input id="code" name="code" autocomplete="one-time-code" maxlength="64"'
        f' autocapitalize="none" spellcheck="false"{wrong} required>'
    )
    return _page(
        f"Sign in to continue to {client.name}",
        _problem(problem)
        + _form(
            "authorize",
            given,
            seal,
            '<label for="login">E-mail address or username</label>'
            f'<input id="login" name="login" autocomplete="username" maxlength="254"{wrong}'
            ' autocapitalize="none" spellcheck="false" required>'
            '<label for="password">Password</label>'
            '<input id="password" name="password" type="password" maxlength="1024"'
            f' autocomplete="current-password"{wrong} required>'
            f"{second_factor if code else ''}"
            '<button class="main" name="do" value="sign_in">Sign in</button>',
        )
        + _form("authorize", given, seal, '<button name="do" value="deny">Cancel</button>'),
    )


def consent(
    client: OAuthClient,
    user: Profile,
    scopes: list[str],
    redirect_uri: str,
    given: Mapping[str, str],
    seal: str,
) -> str:
    """Asks whether a program may."""
    wishes = "".join(f"<li>{escape(USER_SCOPES[scope])}</li>" for scope in scopes)
    parts = urlsplit(redirect_uri)
    return _page(
        f"Allow {client.name}?",
        f"<p>You are signed in as <strong>{escape(user.username)}</strong>."
        f" <strong>{escape(client.name)}</strong> wants to:</p><ul>{wishes}</ul>"
        f"<p>You will go on to <strong>{escape(parts.netloc or parts.scheme)}</strong>. You can"
        " end this at any time in your list of sessions.</p>"
        + _form(
            "authorize",
            given,
            seal,
            '<button class="main" name="do" value="allow">Allow</button>'
            '<button name="do" value="deny">Do not allow</button>'
            '<button name="do" value="switch">Use another account</button>',
        ),
    )


def sign_out(given: Mapping[str, str], seal: str) -> str:
    """Asks whether to sign out."""
    return _page(
        "Sign out?",
        "<p>This signs you out of the page on which you allow applications. It does not end your"
        " sessions.</p>"
        + _form(
            "logout",
            given,
            seal,
            '<button class="main" name="do" value="sign_out">Sign out</button>',
        ),
    )


def message(title: str, text: str) -> str:
    """A page with a title and a text."""
    return _page(title, f"<p>{escape(text)}</p>")


def trouble(text: str) -> str:
    """The page for errors."""
    return message("This did not work", text)


def _problem(text: str | None) -> str:
    return f'<p role="alert" id="problem">{escape(text)}</p>' if text else ""


def _form(path: str, given: Mapping[str, str], seal: str, inside: str) -> str:
    action = escape(f"{path}?{urlencode(given)}")
    return (
        f'<form method="post" action="{action}">'
        f'<input type="hidden" name="seal" value="{escape(seal)}">{inside}</form>'
    )


def _page(title: str, inside: str) -> str:
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)} - Parley</title><style>{_STYLE}</style></head>"
        f"<body><main><h1>{escape(title)}</h1>{inside}</main></body></html>"
    )
