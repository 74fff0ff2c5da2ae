"""The pages to sign in on. They work without a script, except for passkeys and Google."""

from collections.abc import Callable, Mapping
from html import escape

from chalicelib.oauth.pages.look import form, frame
from chalicelib.oauth.signing_in.models import Form, Offers

SHOWN = {"to_sign_in": "sign_in", "to_register": "register", "to_forgot": "forgot"}
"""Buttons that only show another page, and that page."""

_SAID = '<p role="alert" id="said"></p>'
_BACK = (
    '<button class="link" name="do" value="to_sign_in" formnovalidate>Back to signing in</button>'
)


class _Page:
    """One page, for one request of a program: `given`."""

    def __init__(self, asks: Form, offers: Offers, given: Mapping[str, str], seal: str) -> None:
        self.asks, self.offers, self.given, self.seal = asks, offers, given, seal
        self.focused = False

    def form(self, inside: str, attributes: str = "") -> str:
        return form("authorize", self.given, self.seal, inside, attributes)

    def field(
        self,
        name: str,
        label: str,
        attributes: str,
        *,
        hint: str = "",
        focus: bool = False,
        required: bool = True,
    ) -> str:
        """An input with its label, its hint, and what is wrong with it."""
        wrong = self.asks.problems.get(name, "")
        focus = (focus or bool(wrong)) and not self.focused
        self.focused = self.focused or focus
        told = {f"{name}-wrong": wrong, f"{name}-hint": hint, "problem": self.asks.problem or ""}
        by = " ".join(where for where, text in told.items() if text)
        typed = self.asks.typed.get(name, "")
        return (
            f'<div class="field"><label for="{name}">{label}</label>'
            f'<input id="{name}" name="{name}" {attributes}'
            + (f' value="{escape(typed)}"' if typed else "")
            + (f' aria-describedby="{by}"' if by else "")
            + (' aria-invalid="true"' if wrong else "")
            + (" autofocus" if focus else "")
            + (" required" if required else "")
            + ">"
            + (f'<p class="wrong" id="{name}-wrong">{escape(wrong)}</p>' if wrong else "")
            + (f'<p class="hint" id="{name}-hint">{hint}</p>' if hint else "")
            + "</div>"
        )

    def kept(self) -> str:
        return f'<input type="hidden" name="kept" value="{escape(self.asks.kept)}">'

    def passkey(self, do: str, inside: str, attributes: str) -> str:
        """The script shows it where passkeys work."""
        if not self.offers.passkeys:
            return ""
        origins = escape(" ".join(self.offers.passkeys))
        button = f'<button name="do" value="{do}">Use a passkey</button>'
        answer = '<input type="hidden" name="passkey" value="">'
        where = f' id="passkey" data-origins="{origins}"{attributes} hidden'
        return self.form(f"{inside}{answer}{button}", where)

    def google(self) -> str:
        """The script shows it at the origin that Google sends users back to."""
        if self.offers.google is None:
            return ""
        there = f' id="google" data-origins="{escape(self.offers.google)}" hidden'
        names = "".join(
            f'<input type="hidden" name="{name}" value="">' for name in ("id_token", "state")
        )
        return self.form(
            '<button name="do" value="google">Continue with Google</button>', there
        ) + self.form(
            f'{names}<button name="do" value="google_back">Go on</button>',
            ' id="google-back" hidden',
        )

    def sign_in(self) -> str:
        failed = self.asks.problem is not None
        return (
            self.form(
                self.field(
                    "login",
                    "E-mail address or username",
                    'autocomplete="username" maxlength="254" autocapitalize="none"'
                    ' spellcheck="false"',
                    focus=failed,
                )
                + self.field(
                    "password",
                    "Password",
                    'type="password" maxlength="1024" autocomplete="current-password"',
                )
                + '<button class="main" name="do" value="sign_in">Sign in</button>'
            )
            + _SAID
            + self.passkey("passkey", "", ' data-begin="../v1/auth/login/passkey/begin"')
            + self.google()
            + self.form(
                '<div class="links">'
                '<button class="link" name="do" value="to_forgot">Forgot your password?</button>'
                '<button class="link" name="do" value="to_register">Create an account</button>'
                '<button class="link" name="do" value="deny">Cancel</button></div>'
            )
        )

    def second_factor(self) -> str:
        options = self.asks.passkey
        return (
            self.form(
                self.kept()
                + self.field(
                    "code",
                    "Code",
                    'autocomplete="one-time-code" maxlength="64" autocapitalize="none"'
                    ' spellcheck="false"',
                    hint="From your authenticator app, or one of your recovery codes.",
                    focus=True,
                )
                + '<button class="main" name="do" value="second_factor">Sign in</button>'
            )
            + _SAID
            + (
                self.passkey("second_factor", self.kept(), f' data-options="{escape(options)}"')
                if options
                else ""
            )
            + self.form(_BACK)
        )

    def username(self) -> str:
        return self.form(
            "<p>You are new here. Your account will be made with your Google account.</p>"
            + self.kept()
            + self.field("username", "Username", _USERNAME, hint=_USERNAME_HINT, focus=True)
            + '<button class="main" name="do" value="username">Join</button>'
        ) + self.form(_BACK)

    def register(self) -> str:
        return self.form(
            self.field("display_name", "Your name", 'autocomplete="name" maxlength="64"')
            + self.field("username", "Username", _USERNAME, hint=_USERNAME_HINT)
            + self.field("email", "E-mail address", _EMAIL)
            + self.field(
                "password",
                "Password",
                'type="password" maxlength="1024" minlength="10" autocomplete="new-password"',
                hint="At least 10 characters. A few words are good.",
            )
            + '<button class="main" name="do" value="register">Create account</button>'
        ) + self.form(_BACK)

    def forgot(self) -> str:
        return self.form(
            self.field("email", "E-mail address", _EMAIL)
            + self.field("username", "Username, if you know it", _USERNAME, required=False)
            + '<button class="main" name="do" value="forgot">Mail me a link</button>'
        ) + self.form(_BACK)

    def mailed(self) -> str:
        return (
            "<p>If an account has this address, a link is on its way to it. It takes up to a"
            " minute. If one was mailed within the last 10 minutes, use that.</p>"
            "<p>Set a new password with the link. Then come back to this page, and sign in.</p>"
            + self.form(_BACK)
        )


_USERNAME = 'autocomplete="username" maxlength="32" autocapitalize="none" spellcheck="false"'
_USERNAME_HINT = "3 to 32 of a–z, 0–9 and _. People find you by it."
_EMAIL = 'type="email" maxlength="254" autocomplete="email"'

_PAGES: dict[str, tuple[str, Callable[[_Page], str]]] = {
    "sign_in": ("Sign in to continue to {}", _Page.sign_in),
    "second_factor": ("One more step to sign in", _Page.second_factor),
    "username": ("Choose a username", _Page.username),
    "register": ("Create an account", _Page.register),
    "forgot": ("Forgot your password?", _Page.forgot),
    "mailed": ("Look into your mailbox", _Page.mailed),
}


def page(asks: Form, offers: Offers, *, program: str, given: Mapping[str, str], seal: str) -> str:
    """Asks who the user is. `given`: the request of the program."""
    title, inside = _PAGES[asks.step]
    problem = asks.problem or ("Something is not right yet. See below." if asks.problems else None)
    made = _Page(asks, offers, given, seal)
    return frame(title.format(program), inside(made), problem=problem, script=True)


def from_google() -> str:
    """The page that Google sends the user back to. The script takes them to the sign-in page."""
    return frame(
        "Back from Google",
        f'<p id="from-google" data-request="authorize">Signing in…</p>{_SAID}'
        "<noscript><p>This needs JavaScript. Go back, and use another way to sign in.</p>"
        "</noscript>",
        script=True,
    )
