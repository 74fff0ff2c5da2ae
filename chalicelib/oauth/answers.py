"""How the answer goes back to a program: in the query of its redirect URI, or posted to it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape
from urllib.parse import urlencode

from chalicelib.edge.forms import Sent
from chalicelib.errors.protocol import with_link
from chalicelib.oauth.look import source
from chalicelib.oauth.models import NoWayBack, one_each
from chalicelib.oauth.wire import AuthorizationRequest, LogoutRequest

MODES = ("query", "form_post")
"""The response modes (OAuth 2.0 Multiple Response Type Encoding Practices, Form Post Response
Mode). The first is that of a request which names none."""

REQUEST = frozenset(AuthorizationRequest.__annotations__)
"""The parameters of a request that a browser brings."""

LOGOUT = frozenset(LogoutRequest.__annotations__)
"""Those of a request to sign out (OpenID Connect RP-Initiated Logout, section 2)."""

MAX_ADDRESS = 8000
"""Bytes of an address that we send a browser to. API Gateway takes 10,240 in the first line and all
header fields of a request together; cookies and the browser's own fields need the rest."""

TOO_LONG = "The application's request is too long. Tell the people who run it."

_AS_IT_IS = "/:@?!$'()*,~"
_SCRIPT = "document.forms[0].submit()"

FORM_HEADERS = {
    "Content-Type": "text/html; charset=utf-8",
    # Without form-action: Chromium holds it against redirects after the form as well, and the
    # program may send the user on to any site. Nothing on this page can be clicked but one button.
    "Content-Security-Policy": (
        f"default-src 'none'; script-src {source(_SCRIPT)}; frame-ancestors 'none'; base-uri 'none'"
    ),
    "X-Frame-Options": "DENY",
    # With no-referrer the browser would say "Origin: null", which some programs refuse.
    "Referrer-Policy": "origin",
}
"""What a page that posts the answer is sent with."""


@dataclass(frozen=True, kw_only=True)
class GoBack:
    """Send the user back to the program with `parameters`; `by_form`: by a POST."""

    redirect_uri: str
    parameters: Mapping[str, str] = field(repr=False)
    by_form: bool

    @property
    def uri(self) -> str:
        """Where a redirect leads."""
        return with_parameters(self.redirect_uri, self.parameters)

    @property
    def page(self) -> str:
        """A page that posts the answer by itself, or by its button where scripts do not run."""
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
    """The answer to the request `given`, a code or an error. It names the issuer in both cases: who
    sent it must always be known (RFC 9207, section 2)."""
    return GoBack(
        redirect_uri=redirect_uri,
        parameters={**with_link(parameters, issuer), "iss": issuer},
        by_form=given.get("response_mode") == "form_post",
    )


def fits(given: Mapping[str, str], redirect_uri: str) -> bool:
    """Whether any answer to a request fits into an address, with its state."""
    state = {"state": given.get("state", "")}
    return len(with_parameters(redirect_uri, state)) <= MAX_ADDRESS - 1000


def with_parameters(uri: str, parameters: Mapping[str, str]) -> str:
    """An address with more parameters; its own query stays as it is, to the letter (RFC 6749,
    section 3.1.2)."""
    joint = "?" if "?" not in uri else "" if uri.endswith(("?", "&")) else "&"
    # What a query can hold as it is stays short, so that a state which came in an address also fits
    # into the one that it goes back in.
    return f"{uri}{joint}{urlencode(parameters, safe=_AS_IT_IS)}"


def by_get(uri: str, sent: Sent, names: frozenset[str]) -> str:
    """The address of the same request by GET. Our cookies are SameSite=Lax: a browser does not send
    them with a form of another site, but it does with a redirect. Only the parameters in `names`
    are taken.

    Raises NoWayBack if the request has a parameter twice, or does not fit into an address.
    """
    both = {name: [*sent.query.get(name, ()), *sent.form.get(name, ())] for name in sorted(names)}
    try:
        given = one_each({name: values for name, values in both.items() if values})
    except ValueError as error:
        raise NoWayBack(str(error)) from None
    found = with_parameters(uri, given)
    if len(found) > MAX_ADDRESS:
        raise NoWayBack(TOO_LONG)
    return found
