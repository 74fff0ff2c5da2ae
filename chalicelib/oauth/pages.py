"""The pages of the provider besides signing in: plain HTML without scripts."""

from collections.abc import Mapping
from html import escape
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from chalicelib.oauth.look import form, frame
from chalicelib.oauth.registration import USER_SCOPES

if TYPE_CHECKING:
    from chalicelib.oauth.consent import Ask


def consent(ask: "Ask", seal: str) -> str:
    """Asks whether a program may."""
    asked, name = ask.asked, escape(ask.asked.client.name)
    username = escape(ask.user.username) if ask.user else ""
    known = [USER_SCOPES[one] for one in asked.scopes if one not in ask.new]
    more = " more than you allowed it before" if known else ""
    wishes = "".join(f"<li>{escape(USER_SCOPES[one])}</li>" for one in ask.new)
    before = f"<p>You have allowed it to {escape(', '.join(known))}.</p>" if known else ""
    parts = urlsplit(asked.redirect_uri)
    return frame(
        f"Allow {asked.client.name}?",
        f"<p>You are signed in as <strong>{username}</strong>. <strong>{name}</strong> wants"
        f"{more} to:</p><ul>{wishes}</ul>{before}"
        f"<p>You will go on to <strong>{escape(parts.netloc or parts.scheme)}</strong>."
        " You can end this at any time in the settings, under “Programs”.</p>"
        + form(
            "authorize",
            asked.given,
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
