"""The pages besides signing in: consent, sign-out and messages. They need no script."""

from collections.abc import Collection, Mapping
from html import escape
from urllib.parse import urlsplit

from chalicelib.oauth.pages.look import form, frame
from chalicelib.oauth.scopes import USER_SCOPES


def consent(
    *,
    program: str,
    username: str,
    new: Collection[str],
    known: Collection[str],
    redirect_uri: str,
    given: Mapping[str, str],
    seal: str,
) -> str:
    """Asks whether a program may. `new`: the scopes to allow; `known`: those allowed before.
    `given`: the program's request."""
    name, allowed = escape(program), [USER_SCOPES[one] for one in known]
    more = " more than you allowed it before" if allowed else ""
    wishes = "".join(f"<li>{escape(USER_SCOPES[one])}</li>" for one in new)
    before = f"<p>You have allowed it to {escape(', '.join(allowed))}.</p>" if allowed else ""
    parts = urlsplit(redirect_uri)
    return frame(
        f"Allow {program}?",
        f"<p>You are signed in as <strong>{escape(username)}</strong>. <strong>{name}</strong>"
        f" wants{more} to:</p><ul>{wishes}</ul>{before}"
        f"<p>You will go on to <strong>{escape(parts.netloc or parts.scheme)}</strong>."
        " You can end this at any time in the settings, under “Programs”.</p>"
        + form(
            "authorize",
            given,
            seal,
            '<button class="main" name="do" value="allow">Allow</button>'
            '<button name="do" value="deny">Do not allow</button>'
            '<button class="link" name="do" value="switch">Use another account</button>',
        ),
    )


def sign_out(given: Mapping[str, str], seal: str) -> str:
    """Asks whether to sign out."""
    return frame(
        "Sign out?",
        "<p>This signs you out of the page on which you allow applications. It does not end your"
        " sessions.</p>"
        + form(
            "logout",
            given,
            seal,
            '<button class="main" name="do" value="sign_out">Sign out</button>',
        ),
    )


def message(title: str, text: str) -> str:
    """A page with a title and a text."""
    return frame(title, f"<p>{escape(text)}</p>")


def trouble(text: str) -> str:
    """The page for errors."""
    return message("This did not work", text)
