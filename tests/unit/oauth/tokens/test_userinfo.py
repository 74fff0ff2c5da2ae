"""Userinfo takes its access token in one way: the header, or the form of a POST (RFC 6750)."""

from typing import Any
from urllib.parse import urlencode

import pytest

import app as application
from chalicelib.deps import deps
from chalicelib.edge.forms import FORM
from chalicelib.wire import Sent
from tests.unit.edge.test_rest import call
from tests.unit.oauth.conftest import Provider


@pytest.fixture
def token(provider: Provider, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setitem(vars(deps), "settings", provider.world.settings)
    monkeypatch.setitem(vars(deps), "auth", provider.world.auth)
    monkeypatch.setitem(vars(deps), "oauth", provider.oauth)
    made: str = provider.granted(provider.program(), provider.world.register())["access_token"]
    return made


def post(body: str | None = None, **headers: str) -> tuple[int, dict[str, str], Any]:
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return call(application.app, "POST /oauth2/userinfo", token=None, body=body, headers=given)


def test_it_comes_in_the_header_or_in_the_form(token: str) -> None:
    form = urlencode({"access_token": token, "other": "x"})

    for answer in (
        post(authorization=f"Bearer {token}"),
        post(authorization=f"Bearer {token}", content_type=FORM),
        post(authorization=f"Bearer {token}", content_type="application/octet-stream"),
        post(authorization=f"Bearer {token}", body="access_token=", content_type=FORM),
        post(form, content_type=FORM),
        post(form, content_type=f"{FORM}; charset=UTF-8"),
    ):
        assert answer[0] == 200, answer
        assert answer[2].keys() == {"sub"}


def test_two_tokens_are_refused_even_if_they_are_the_same(token: str) -> None:
    form = urlencode({"access_token": token})

    for answer in (
        post(form, authorization=f"Bearer {token}", content_type=FORM),
        post(form, authorization="Basic YTpi", content_type=FORM),
        post(f"{form}&{form}", content_type=FORM),
    ):
        assert (answer[0], answer[2]["error"]) == (400, "invalid_request")
        assert token not in str(answer[2])


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_token_in_the_address_is_refused(token: str, method: str) -> None:
    alone = Sent(query={"access_token": [token]})
    assert alone.token == ""

    status, _, body = call(
        application.app,
        f"{method} /oauth2/userinfo",
        token=token,
        query={"access_token": [token]},
    )
    assert (status, body["error"]) == (400, "invalid_request")
    status, _, body = call(
        application.app, f"{method} /oauth2/userinfo", token=None, query={"access_token": [token]}
    )
    assert (status, body["error"]) == (401, "invalid_token")


def test_a_token_in_another_kind_of_body_is_refused(token: str) -> None:
    for kind in ("application/json", "text/plain", ""):
        form, header = urlencode({"access_token": token}), f"Bearer {token}"
        assert post(form, content_type=kind)[0] == 401
        status, _, body = post(form, authorization=header, content_type=kind)
        assert (status, body["error"]) == (415, "invalid_request")


def test_an_invalid_token_in_the_form_is_answered_like_one_in_the_header(token: str) -> None:
    by_form = post(urlencode({"access_token": "nonsense"}), content_type=FORM)
    by_header = post(authorization="Bearer nonsense")
    none = post()

    assert by_form[0] == by_header[0] == none[0] == 401
    assert 'error="invalid_token"' in by_form[1]["www-authenticate"]
    assert by_form[1]["www-authenticate"] == by_header[1]["www-authenticate"]
    assert "error=" not in none[1]["www-authenticate"]
