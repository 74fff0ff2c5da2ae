"""How limits and outages are answered, to programs and browsers."""

from typing import Any

import pytest

import app as application
from chalicelib.deps import deps
from chalicelib.edge.forms import FORM
from chalicelib.errors import AppError, RateLimited, Unavailable
from tests.unit.edge.test_rest import call
from tests.unit.settings import settings


class Refusing:
    """Raises the same error from each method."""

    def __init__(self, error: AppError) -> None:
        self.error = error

    def __getattr__(self, name: str) -> Any:
        def refuse(*_: object) -> None:
            raise self.error

        return refuse


@pytest.fixture(params=[(RateLimited(7), 429, "7"), (Unavailable("redis"), 503, "2")])
def refusal(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> tuple[int, str]:
    error, status, retry_after = request.param
    for name in ("oauth", "browsers", "sign_out", "auth"):
        monkeypatch.setitem(vars(deps), name, Refusing(error))
    monkeypatch.setitem(vars(deps), "settings", settings())
    return status, retry_after


@pytest.mark.parametrize("path", ["token", "revoke", "introspect", "userinfo"])
def test_a_program_gets_the_error_codes_of_oauth(refusal: tuple[int, str], path: str) -> None:
    status, headers, body = call(
        application.app, f"POST /oauth2/{path}", body="token=x", headers={"content-type": FORM}
    )

    assert (status, headers["retry-after"]) == refusal
    assert headers["content-type"] == "application/json"
    assert headers["cache-control"] == "no-store"
    assert body["error"] == "temporarily_unavailable"
    assert body["error_description"]


@pytest.mark.parametrize("path", ["token", "revoke", "introspect"])
def test_a_body_that_is_not_a_form_gets_one_too(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(vars(deps), "settings", settings())

    for kind in ("", "application/json"):
        status, _, body = call(
            application.app, f"POST /oauth2/{path}", body="{}", headers={"content-type": kind}
        )
        assert (status, body["error"]) == (415, "invalid_request")


@pytest.mark.parametrize("route", ["GET /oauth2/authorize", "GET /oauth2/logout"])
def test_a_browser_is_shown_a_page(refusal: tuple[int, str], route: str) -> None:
    event = {
        "multiValueQueryStringParameters": None,
        "headers": {},
        "pathParameters": None,
        "requestContext": {"httpMethod": "GET", "resourcePath": route[4:], "identity": {}},
        "body": None,
        "stageVariables": None,
    }

    answer = application.app(event, None)

    headers = {name.lower(): value for name, value in answer["headers"].items()}
    assert (answer["statusCode"], headers["retry-after"]) == refusal
    assert headers["content-type"] == "text/html; charset=utf-8"
    assert "This did not work" in answer["body"]
