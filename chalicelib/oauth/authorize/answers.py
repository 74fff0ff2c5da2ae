"""How the answer to a request goes back to the program: by a redirect or by a form."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape
from urllib.parse import urlencode

from chalicelib.errors import BadRequest
from chalicelib.errors.protocol import with_link
from chalicelib.oauth.pages.look import source
from chalicelib.oauth.parameters import MAX_PARAMETER, one_each
from chalicelib.oauth.wire import AuthorizationRequest, LogoutRequest
from chalicelib.wire import Sent

MODES = ("query", "form_post")
"""The response modes (OAuth 2.0 Multiple Response Type Encoding Practices, Form Post Response
Mode). The first one is the default."""

REQUEST = frozenset(AuthorizationRequest.__annotations__)
"""The parameters of an authorization request."""

LOGOUT = frozenset(LogoutRequest.__annotations__)
"""The parameters of a request to sign out (OpenID Connect RP-Initiated Logout, section 2)."""

MAX_ADDRESS = 8000
"""The longest address that we send a browser to, in bytes. API Gateway takes 10,240 bytes for the
first line and all header fields of a request. Cookies and other fields need the rest."""

MAX_FIELD = 32 * 1024
"""The longest field of our own forms, in characters: ID tokens and answers of passkeys are long."""

TOO_LONG = "The application's request is too long. Tell the people who run it."

_AS_IT_IS = "/:@?!$'()*,~"
_SCRIPT = "document.forms[0].submit()"

FORM_HEADERS = {
    "Content-Type": "text/html; charset=utf-8",
    # Without form-action: Chromium applies that also to redirects after the form, and the program
    # may send the user on to any site. This page has one button, and nothing else to click.
    "Content-Security-Policy": (
        f"default-src 'none'; script-src {source(_SCRIPT)}; frame-ancestors 'none'; base-uri 'none'"
    ),
    "X-Frame-Options": "DENY",
    # With no-referrer the browser would send "Origin: null", which some programs refuse.
    "Referrer-Policy": "origin",
}
"""The header fields of the page that posts an answer."""


class NoWayBack(BadRequest):
    """The user cannot be sent back to the program with this error. A page shows it to them."""


@dataclass(frozen=True, kw_only=True)
class GoBack:
    """Send the user back to the program with `parameters`; `by_form`: by a POST."""

    redirect_uri: str
    parameters: Mapping[str, str] = field(repr=False)
    by_form: bool

    @property
    def uri(self) -> str:
        """The address of a redirect."""
        return with_parameters(self.redirect_uri, self.parameters)

    @property
    def page(self) -> str:
        """A page whose script posts the answer, or its button where scripts do not run."""
        fields = "".join(
            f'<input type="hidden" name="{escape(name)}" value="{escape(value)}">'
            for name, value in self.parameters.items()
        )
        return (
            '<!doctype html><html lang="en"><head><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            "<title>Back to the application</title></head><body><main>"
            "<h1>Back to the application</h1>"
            f'<form method="post" action="{escape(self.redirect_uri)}">{fields}'
            f"<button>Continue</button></form></main><script>{_SCRIPT}</script></body></html>"
        )


def answer(
    given: Mapping[str, str], redirect_uri: str, parameters: Mapping[str, str], issuer: str
) -> GoBack:
    """The answer to the request `given`, with a code or an error in `parameters`. It always names
    the issuer (RFC 9207, section 2)."""
    return GoBack(
        redirect_uri=redirect_uri,
        parameters={**with_link(parameters, issuer), "iss": issuer},
        by_form=given.get("response_mode") == "form_post",
    )


def fits(given: Mapping[str, str], redirect_uri: str) -> bool:
    """Whether each possible answer to a request fits into an address, with its state."""
    state = {"state": given.get("state", "")}
    return len(with_parameters(redirect_uri, state)) <= MAX_ADDRESS - 1000


def with_parameters(uri: str, parameters: Mapping[str, str]) -> str:
    """An address with more parameters. Its own query does not change (RFC 6749, section 3.1.2)."""
    joint = "?" if "?" not in uri else "" if uri.endswith(("?", "&")) else "&"
    # Characters that a query may contain are not escaped. So a state that came in an address also
    # fits into the address that it goes back in.
    return f"{uri}{joint}{urlencode(parameters, safe=_AS_IT_IS)}"


def by_get(uri: str, sent: Sent, names: frozenset[str]) -> str:
    """The address of the same request by GET, with the parameters in `names` only. Our cookies are
    SameSite=Lax: a browser sends them with a redirect, but not with another site's form.

    Raises NoWayBack if the request has a parameter twice, or does not fit into an address.
    """
    both = {name: [*sent.query.get(name, ()), *sent.form.get(name, ())] for name in sorted(names)}
    given = parameters_of({name: values for name, values in both.items() if values})
    found = with_parameters(uri, given)
    if len(found) > MAX_ADDRESS:
        raise NoWayBack(TOO_LONG)
    return found


def parameters_of(given: Mapping[str, list[str]], longest: int = MAX_PARAMETER) -> dict[str, str]:
    """Like `one_each`. Raises NoWayBack instead of ValueError."""
    try:
        return one_each(given, longest)
    except ValueError as error:
        raise NoWayBack(str(error)) from None
