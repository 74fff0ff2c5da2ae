"""Which addresses match a registered redirect URI."""

from datetime import UTC, datetime

import pytest

from chalicelib.oauth.clients.models import OAuthClient
from chalicelib.oauth.clients.redirect_uris import checked, form_target, is_claimed


@pytest.mark.parametrize(
    ("uri", "named"),
    [
        ("https://program.example:8443/back?x=1", "https:"),
        ("http://127.0.0.1:4444/back", "http:"),
        ("http://[::1]:4444/back", "http:"),
        ("com.example.app:/back", "com.example.app:"),
    ],
)
def test_a_policy_names_the_scheme_that_a_form_leads_to(uri: str, named: str) -> None:
    assert form_target(uri) == named


def registered(*uris: str) -> OAuthClient:
    """A client with these redirect URIs, for signing in and for signing out."""
    return OAuthClient(
        id="c",
        name="Board",
        secret_digest=None,
        redirect_uris=[checked(uri) for uri in uris],
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
def test_a_loopback_address_without_a_port_matches_all_of_its_ports(host: str, rest: str) -> None:
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


def test_a_loopback_address_does_not_match_another() -> None:
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
def test_every_other_address_must_be_equal(uri: str) -> None:
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
def test_only_an_https_address_off_the_device_has_an_owner(uri: str, claimed: bool) -> None:
    assert is_claimed(uri) is claimed
