"""What can be registered."""

from typing import Any

import pytest
from pydantic import ValidationError

from chalicelib.oauth.clients.models import digest
from chalicelib.oauth.clients.registration import NewClient

GOOD: dict[str, Any] = {
    "name": "Board",
    "redirect_uris": ["https://program.example/back"],
    "scopes": ["openid"],
    "confidential": True,
}


@pytest.mark.parametrize(
    "uri",
    [
        "https://program.example",
        "https://program.example:8443/back?kind=web&n=1",
        "https://program.example/%7Eana",
        "http://127.0.0.1/back",
        "http://127.0.0.1:4444/back",
        "http://[::1]/back",
        "http://localhost:3000/back",
        "com.example.app:/back",
    ],
)
def test_redirect_uris_are_sites_loopback_addresses_and_schemes_of_apps(uri: str) -> None:
    assert NewClient(**{**GOOD, "redirect_uris": [uri]}).redirect_uris == [uri]


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "/back",
        "//program.example/back",
        "http://program.example/back",
        "http://127.0.0.1.evil.example/back",
        "https://",
        "https://user@program.example/back",
        "https://program.example/back#fragment",
        "https://program.example/back space",
        "https://program.example/back\r\nX: y",
        "https://program.example/'quote'",
        'https://program.example/"quote"',
        "https://program.example/;script-src",
        "https://program.example/*",
        "https://program.example/%zz",
        "https://program.example/back?a[0]=1",
        "https://program.example:port/back",
        "http://[::1",
        "https://prögram.example/back",
        "https://exa%2fmple.com/back",
        "https://a&b/back",
        "https://./back",
        "javascript:alert(1)",
        "data:text/html,x",
        "app:/back",
        "https://program.example/" + "x" * 500,
    ],
)
@pytest.mark.parametrize("field", ["redirect_uris", "post_logout_redirect_uris"])
def test_other_redirect_uris_are_refused(field: str, uri: str) -> None:
    with pytest.raises(ValidationError):
        NewClient(**{**GOOD, field: [uri]})


@pytest.mark.parametrize(
    "changes",
    [
        {"scopes": []},
        {"scopes": ["account"]},
        {"scopes": ["authorize"]},
        {"scopes": ["admin.users"]},
        {"redirect_uris": []},
        {"redirect_uris": [f"https://program.example/{n}" for n in range(21)]},
        {"scopes": ["tokens.introspect"]},
        {"confidential": False, "scopes": ["openid", "tokens.introspect"]},
        {"name": ""},
    ],
)
def test_an_invalid_registration_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        NewClient(**{**GOOD, **changes})


def test_only_a_hash_of_a_secret_is_stored() -> None:
    assert digest("secret") != digest("secret ")
    assert b"secret" not in digest("secret")
    assert digest("\ud800")
