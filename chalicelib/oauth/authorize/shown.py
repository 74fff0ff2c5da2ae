"""What a browser is answered: a page or a redirect."""

from collections.abc import Mapping

from chalicelib.oauth.authorize.answers import FORM_HEADERS, GoBack
from chalicelib.oauth.pages import look


class Shown:
    """A page or, with `uri`, a redirect. `targets`: addresses that the page's forms may lead to.
    `headers`: used in place of those that `targets` give."""

    def __init__(
        self,
        page: str = "",
        *,
        uri: str | None = None,
        targets: tuple[str, ...] = (),
        cookies: tuple[str, ...] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.body = page
        self.status = 303 if uri else 200
        made = dict(headers or look.headers(*targets))
        self.headers = made | ({"Location": uri} if uri else {})
        self.cookies = cookies


def sent_back(answer: GoBack, cookies: tuple[str, ...] = ()) -> Shown:
    """The user goes back to the program, by a redirect or by a form."""
    if answer.by_form:
        return Shown(answer.page, headers=FORM_HEADERS, cookies=cookies)
    return Shown(uri=answer.uri, cookies=cookies)
