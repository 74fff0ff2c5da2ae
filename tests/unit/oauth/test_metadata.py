"""The metadata that says where to get tokens for the API (RFC 9728)."""

import pytest

import app as application
from chalicelib.deps import deps
from chalicelib.edge.headers import RESOURCE_METADATA
from chalicelib.oauth.scopes import SERVICE_SCOPES, USER_SCOPES
from tests.unit.edge.test_rest import call
from tests.unit.settings import settings

ISSUERS = ["https://chat.example.org", "https://abc.execute-api.eu-west-1.amazonaws.com/api"]


@pytest.mark.parametrize("issuer", ISSUERS, ids=["own name", "stage"])
def test_names_the_api_and_the_provider(issuer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(vars(deps), "settings", settings(issuer=issuer))

    status, headers, body = call(application.app, f"GET {RESOURCE_METADATA}")

    assert status == 200
    assert headers["content-type"] == "application/json"
    assert headers["cache-control"].startswith("public, max-age=")
    assert body["resource"] == issuer
    assert body["authorization_servers"] == [issuer]
    assert body["bearer_methods_supported"] == ["header"]
    assert set(body["scopes_supported"]) == USER_SCOPES.keys() | SERVICE_SCOPES


@pytest.mark.parametrize("issuer", ISSUERS, ids=["own name", "stage"])
def test_a_challenge_says_where_that_is(issuer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """RFC 9728, section 5.1."""
    monkeypatch.setitem(vars(deps), "settings", settings(issuer=issuer))

    status, headers, _ = call(application.app, "GET /v1/users/me", token=None)

    assert status == 401
    assert headers["www-authenticate"] == (
        f'Bearer realm="parley", resource_metadata="{issuer}{RESOURCE_METADATA}"'
    )
