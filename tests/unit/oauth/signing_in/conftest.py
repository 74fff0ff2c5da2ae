"""A browser with the sign-in page, at an address whose bucket is empty."""

import html
import json
import re
from typing import Any

import pytest

from chalicelib.errors import RateLimited
from chalicelib.oauth.authorize.shown import Shown
from chalicelib.oauth.clients.registration import RegisteredClient
from chalicelib.wire import Sent
from tests.unit.auth.fakes import PHONE
from tests.unit.conftest import PASSWORD
from tests.unit.oauth.conftest import ASKED, Provider, make_provider
from tests.unit.settings import rates


class Tab:
    """A browser: keeps cookies, and the fields of the page."""

    def __init__(self, provider: Provider, program: RegisteredClient, **changes: str) -> None:
        self.provider = provider
        query = {**ASKED, "client_id": program.client_id, **changes}
        self.query = {name: [value] for name, value in query.items()}
        self.cookies: dict[str, str] = {}
        self.fields: dict[str, str] = {}
        self.shown = self.kept(provider.browsers.ask(Sent(query=self.query), PHONE))

    def submit(self, do: str, **form: str) -> str:
        """Press a button; the page, or where the browser is sent."""
        given = {**self.fields, "do": do, **form}
        sent = Sent(
            query=self.query,
            form={name: [value] for name, value in given.items()},
            cookies=self.cookies,
        )
        self.shown = self.kept(self.provider.browsers.answer(sent, PHONE))
        return self.shown.headers.get("Location") or self.shown.body

    def sign_in(self, login: str = "ana") -> str:
        return self.submit("sign_in", login=login, password=PASSWORD)

    def options(self) -> Any:
        found = re.search('data-options="(.*?)"', self.shown.body)
        assert found
        return json.loads(html.unescape(found[1]))

    def kept(self, shown: Shown) -> Shown:
        for cookie in shown.cookies:
            name, _, value = cookie.partition(";")[0].partition("=")
            self.cookies[name] = value
        found = re.findall('<input type="hidden" name="(seal|kept)" value="(.*?)">', shown.body)
        if shown.status == 200:
            self.fields = dict(found)
        return shown


@pytest.fixture
def provider() -> Provider:
    return make_provider(rate_limits=rates({"page.address": 6}))


@pytest.fixture
def program(provider: Provider) -> RegisteredClient:
    return provider.program()


@pytest.fixture
def tab(provider: Provider, program: RegisteredClient) -> Tab:
    """A browser that has the page, before the bucket of its address is empty."""
    tab = Tab(provider, program)
    for _ in range(5):
        Tab(provider, program)
    with pytest.raises(RateLimited):
        Tab(provider, program)
    return tab
