"""What can be registered, and what is compared with what."""

from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from chalicelib.oauth.models import (
    OAuthClient,
    digest,
    form_target,
    is_challenge,
    is_claimed,
    one_each,
    proves,
)
from chalicelib.oauth.registration import NewClient

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
def test_users_can_be_sent_to_sites_to_this_machine_and_to_programs(uri: str) -> None:
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
def test_and_nowhere_else(field: str, uri: str) -> None:
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
def test_a_program_that_fits_no_purpose_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        NewClient(**{**GOOD, **changes})


def test_a_parameter_counts_once_and_an_empty_one_not_at_all() -> None:
    assert one_each({"a": ["1"], "b": [""]}) == {"a": "1"}
    with pytest.raises(ValueError, match="once"):
        one_each({"a": ["1", "1"]})
    with pytest.raises(ValueError, match="too long"):
        one_each({"a": ["x" * 4097]})


def test_a_challenge_is_proved_by_what_it_was_made_of_alone() -> None:
    # RFC 7636, appendix B
    verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
    challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"

    assert is_challenge(challenge)
    assert proves(verifier, challenge)
    assert not proves(challenge, challenge)
    for bad in ("", challenge[:-1], challenge + "=", challenge + "\n", challenge[:-1] + "é"):
        assert not is_challenge(bad)


def test_of_a_secret_only_what_cannot_be_turned_back_is_kept() -> None:
    assert digest("secret") != digest("secret ")
    assert b"secret" not in digest("secret")
    assert digest("\ud800")


@pytest.mark.parametrize(
    ("uri", "named"),
    [
        ("https://program.example:8443/back?x=1", "https:"),
        ("http://127.0.0.1:4444/back", "http:"),
        ("http://[::1]:4444/back", "http:"),
        ("com.example.app:/back", "com.example.app:"),
    ],
)
def test_a_policy_names_where_a_form_leads(uri: str, named: str) -> None:
    assert form_target(uri) == named


def registered(*uris: str) -> OAuthClient:
    """A program whose users may go to these addresses, after signing in and after signing out."""
    return OAuthClient(
        id="c",
        name="Board",
        secret_digest=None,
        redirect_uris=NewClient(**{**GOOD, "redirect_uris": [*uris]}).redirect_uris,
        post_logout_redirect_uris=[*uris],
        scopes=["openid"],
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
    )


def may_go(program: OAuthClient, uri: str) -> bool:
    back, leave = program.may_return_to(uri), program.may_leave_to(uri)
    assert back == leave
    return back


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "localhost", "LOCALHOST"])
@pytest.mark.parametrize("rest", ["", "/", "/back", "/back?x=%E4&flag", "?x=1"])
def test_a_loopback_address_without_a_port_stands_for_all_of_its_ports(
    host: str, rest: str
) -> None:
    program = registered(f"http://{host}{rest}")

    for port in ("", ":1", ":80", ":51234", ":65535"):
        assert may_go(program, f"http://{host}{port}{rest}")
    for bad in (
        *(f"http://{host}:65536{rest}", f"http://{host}:0{rest}", f"http://{host}:{rest}"),
        *(f"http://{host}:x{rest}", f"http://{host}:5123456{rest}", f"https://{host}:443{rest}"),
        *(f"http://{host}:80:80{rest}", f"http://{host}:1@evil.example{rest}"),
        *(f"http://{host}.evil.example:80{rest}", f"http://evil.example:80{rest}"),
        *(
            f"http://{host}:80/other{rest}",
            f"http://{host}:80{rest}#x",
            f"http://{host}:80{rest}\n",
        ),
        f"http://{host}:٤{rest}",
    ):
        assert not may_go(program, bad)


def test_no_loopback_address_stands_for_another() -> None:
    hosts = ["127.0.0.1", "[::1]", "localhost"]
    for host in hosts:
        program = registered(f"http://{host}/back")
        for other in hosts:
            assert may_go(program, f"http://{other}:4444/back") == (other == host)


@pytest.mark.parametrize(
    "uri",
    [
        "http://127.0.0.1:4444/back",
        "http://localhost:4444/back",
        "https://localhost/back",
        "https://program.example/back",
        "com.example.app:/back",
    ],
)
def test_every_other_address_is_compared_to_the_letter(uri: str) -> None:
    program = registered(uri)

    assert may_go(program, uri)
    for bad in (
        *(uri + "/", uri + "?", uri + "x", uri.upper(), uri.replace("back", "Back")),
        *(
            uri.replace(":4444", ""),
            uri.replace(":4444", ":4445"),
            uri.replace("localhost", "[::1]"),
        ),
        *(uri.replace("localhost/", "localhost:443/"), uri.replace("example/", "example:443/")),
    ):
        assert may_go(program, bad) == (bad == uri)


@pytest.mark.parametrize(
    ("uri", "claimed"),
    [
        ("https://program.example/back", True),
        ("https://program.example:8443/back", True),
        ("https://localhost/back", False),
        ("https://LOCALHOST/back", False),
        ("https://127.0.0.1:1/back", False),
        ("https://[::1]/back", False),
        ("https://localhost./back", False),
        ("https://app.localhost/back", False),
        ("https://127.0.0.2/back", False),
        ("https://127.1/back", False),
        ("https://2130706433/back", False),
        ("https://0x7f.1/back", False),
        ("https://0.0.0.0/back", False),
        ("https://[::]/back", False),
        ("https://[::ffff:127.0.0.1]/back", False),
        ("https://[2001:db8::1]/back", True),
        ("https://192.0.2.1/back", True),
        ("http://program.example/back", False),
        ("http://127.0.0.1/back", False),
        ("com.example.app:/back", False),
    ],
)
def test_only_an_https_address_off_the_device_belongs_to_somebody(uri: str, claimed: bool) -> None:
    assert is_claimed(uri) is claimed
