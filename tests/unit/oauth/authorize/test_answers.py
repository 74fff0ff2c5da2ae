"""How the answer goes back to a program: by query or by form, with the address unchanged."""

import base64
import hashlib
import re
from html import unescape
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import pytest

from chalicelib.errors import Forbidden
from chalicelib.oauth.authorize.answers import NoWayBack, with_parameters
from chalicelib.oauth.authorize.shown import Shown
from chalicelib.oauth.clients.registration import RegisteredClient
from chalicelib.wire import Sent
from tests.unit.auth.fakes import PHONE
from tests.unit.oauth.conftest import ASKED, BACK, Provider

ISSUER = "http://127.0.0.1:8000"
LEGAL = "".join(chr(one) for one in range(0x20, 0x7F))


@pytest.mark.parametrize(
    ("uri", "answered"),
    [
        ("https://a.example", "https://a.example?code=x"),
        ("https://a.example/cb", "https://a.example/cb?code=x"),
        ("https://a.example/cb?", "https://a.example/cb?code=x"),
        ("https://a.example/cb?a=b&", "https://a.example/cb?a=b&code=x"),
        ("https://a.example/cb?x=%E4%F6&flag", "https://a.example/cb?x=%E4%F6&flag&code=x"),
        ("https://a.example/cb?a=b+c&a=%20&&=", "https://a.example/cb?a=b+c&a=%20&&=&code=x"),
        ("https://a.example/cb?next=/x?y=z:1@", "https://a.example/cb?next=/x?y=z:1@&code=x"),
        ("com.example.app:/back", "com.example.app:/back?code=x"),
        ("com.example.app:back?a", "com.example.app:back?a&code=x"),
        ("http://[::1]:4444/back", "http://[::1]:4444/back?code=x"),
    ],
)
def test_the_query_of_an_address_does_not_change(uri: str, answered: str) -> None:
    assert with_parameters(uri, {"code": "x"}) == answered


@pytest.mark.parametrize("state", [LEGAL, "a b", "a+b", "%41", "ä😀", "x" * 4096, "/?:" * 1365])
def test_a_state_comes_back_unchanged(state: str) -> None:
    answered = with_parameters(BACK, {"code": "x", "state": state})

    assert parse_qsl(urlsplit(answered).query) == [("code", "x"), ("state", state)]
    assert answered.isascii()
    assert not set(' "<>\r\n') & set(answered)


def asked(provider: Provider, **changes: str) -> Shown:
    program = provider.program(redirect_uris=[BACK, f"{BACK}?x=%E4%F6&flag"])
    return provider.ask(program, {}, **changes)


class TestQuery:
    def test_an_error_keeps_the_query_too(self, provider: Provider) -> None:
        shown = asked(provider, redirect_uri=f"{BACK}?x=%E4%F6&flag", prompt="none")

        assert shown.status == 303
        uri = shown.headers["Location"]
        assert uri.startswith(f"{BACK}?x=%E4%F6&flag&error=login_required&")
        assert parse_qs(urlsplit(uri).query)["iss"] == [ISSUER]

    @pytest.mark.parametrize("mode", ["fragment", "web_message", "jwt", "QUERY", "form_post.jwt"])
    def test_a_response_mode_that_is_not_supported_is_refused(
        self, provider: Provider, mode: str
    ) -> None:
        shown = asked(provider, response_mode=mode)

        assert shown.status == 303
        assert "error=invalid_request&" in shown.headers["Location"]

    def test_a_state_of_4096_characters_comes_back(self, provider: Provider) -> None:
        shown = asked(provider, prompt="none", state="~" * 4096)

        assert parse_qs(urlsplit(shown.headers["Location"]).query)["state"] == ["~" * 4096]

    @pytest.mark.parametrize("state", ["x" * 4097, '"' * 4000])
    def test_a_longer_one_is_refused_on_a_page(self, provider: Provider, state: str) -> None:
        with pytest.raises(NoWayBack):
            asked(provider, prompt="none", state=state)


class TestFormPost:
    """OAuth 2.0 Form Post Response Mode."""

    def test_the_answer_is_posted_to_the_program(self, provider: Provider) -> None:
        uri = f"{BACK}?x=%E4%F6&flag"
        shown = asked(
            provider, redirect_uri=uri, prompt="none", response_mode="form_post", state=LEGAL
        )

        assert shown.status == 200
        assert "Location" not in shown.headers
        action = re.search('<form method="post" action="(.*?)">', shown.body)
        assert action
        assert unescape(action[1]) == uri
        fields = re.findall('<input type="hidden" name="(.*?)" value="(.*?)">', shown.body)
        posted = {name: unescape(value) for name, value in fields}
        assert posted.pop("error_description")
        assert posted.pop("error_uri") == f"{ISSUER}/v1/errors#login_required"
        assert posted == {"error": "login_required", "state": LEGAL, "iss": ISSUER}

    def test_only_our_script_runs_and_a_button_works_without_it(self, provider: Provider) -> None:
        shown = asked(
            provider, prompt="none", response_mode="form_post", state="<script>x</script>"
        )

        (script,) = re.findall("<script>(.*?)</script>", shown.body)
        made = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        policy = shown.headers["Content-Security-Policy"]
        assert f"script-src 'sha256-{made}'" in policy
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "<button>" in shown.body

    def test_a_user_who_does_not_agree_is_sent_back_by_form_too(self, provider: Provider) -> None:
        program = provider.program()
        query = {
            name: [value]
            for name, value in {
                **ASKED,
                "client_id": program.client_id,
                "response_mode": "form_post",
            }.items()
        }
        first = provider.browsers.ask(Sent(query=query), PHONE)
        mark = first.cookies[0].partition(";")[0].partition("=")[2]
        seal = first.body.partition('name="seal" value="')[2].partition('"')[0]
        form = {"do": ["deny"], "seal": [seal]}
        sent = Sent(query=query, form=form, cookies={"parley-mark": mark})

        shown = provider.browsers.answer(sent, PHONE)

        assert shown.status == 200
        assert 'name="error" value="access_denied"' in shown.body


class TestPostedRequests:
    """A form of another site comes without our cookies, so the browser is redirected first."""

    def post(self, provider: Provider, **form: Any) -> Shown:
        given = {name: [value] for name, value in form.items()}
        return provider.browsers.answer(Sent(form=given), PHONE)

    def asked(self, program: RegisteredClient, **changes: str) -> dict[str, str]:
        return {**ASKED, "client_id": program.client_id, **changes}

    def test_a_request_by_form_is_the_same_as_one_by_query(self, provider: Provider) -> None:
        given = self.asked(provider.program(), state=LEGAL)

        shown = self.post(provider, **given)

        assert shown.status == 303
        path, _, query = shown.headers["Location"].partition("?")
        assert path == f"{ISSUER}/oauth2/authorize"
        assert dict(parse_qsl(query)) == given
        again = provider.browsers.ask(Sent(query=parse_qs(query)), PHONE)
        assert "Sign in to continue" in again.body

    def test_only_parameters_of_the_protocol_come_into_the_address(
        self, provider: Provider
    ) -> None:
        given = self.asked(provider.program())

        shown = self.post(provider, **given, password="secret", login="ana")

        assert "secret" not in shown.headers["Location"]
        assert "ana" not in shown.headers["Location"]

    @pytest.mark.parametrize("field", ["seal", "do"])
    @pytest.mark.parametrize("value", ["", "allow"])
    def test_a_form_of_our_page_without_its_seal_is_refused(
        self, provider: Provider, field: str, value: str
    ) -> None:
        with pytest.raises(Forbidden):
            self.post(provider, **self.asked(provider.program()), **{field: value})

    def test_a_parameter_that_comes_twice_is_refused(self, provider: Provider) -> None:
        given = {n: [v] for n, v in self.asked(provider.program()).items()}

        for sent in (
            Sent(form={**given, "state": ["a", "b"]}),
            Sent(form=given, query={"state": ["b"]}),
        ):
            with pytest.raises(NoWayBack):
                provider.browsers.answer(sent, PHONE)

    def test_a_request_that_is_too_long_for_an_address_is_refused(self, provider: Provider) -> None:
        with pytest.raises(NoWayBack):
            self.post(provider, **self.asked(provider.program(), state='"' * 4000))

    def test_signing_out_by_form_is_the_same_as_by_query(self, provider: Provider) -> None:
        form = {"id_token_hint": ["e.y.J"], "state": ["s&t"], "password": ["secret"]}

        shown = provider.sign_out.take(Sent(form=form), PHONE)

        assert shown.status == 303
        assert shown.headers["Location"] == (
            f"{ISSUER}/oauth2/logout?id_token_hint=e.y.J&state=s%26t"
        )
