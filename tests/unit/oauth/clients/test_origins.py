"""The origins of web pages that are public clients."""

import pytest

from chalicelib.errors import Unavailable
from chalicelib.oauth.clients.origins import KEPT_SECONDS, Origins
from chalicelib.oauth.clients.redirect_uris import origin_of


class Clients:
    """Answers like PostgreSQL, and counts how often it is asked."""

    def __init__(self, *uris: str) -> None:
        self.uris = list(uris)
        self.asked = 0
        self.down = False

    def public_redirect_uris(self) -> list[str]:
        self.asked += 1
        if self.down:
            raise Unavailable("postgres")
        return self.uris


def knows(origin: str, *uris: str) -> bool:
    return Origins(Clients(*uris)).know(origin)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("uri", "origin"),
    [
        ("https://app.example/callback?x=1", "https://app.example"),
        ("https://APP.example:443/", "https://app.example"),
        ("https://app.example:8443/", "https://app.example:8443"),
        ("http://127.0.0.1/cb", "http://127.0.0.1:51234"),
        ("http://127.0.0.1/cb", "http://127.0.0.1"),
        ("http://[::1]/cb", "http://[::1]:51234"),
        ("http://localhost/cb", "http://localhost:3000"),
        ("http://localhost:3000/cb", "http://localhost:3000"),
    ],
)
def test_the_origin_of_a_registered_address_is_known(uri: str, origin: str) -> None:
    assert knows(origin, "com.example.app:/cb", uri)


@pytest.mark.parametrize(
    ("uri", "origin"),
    [
        ("https://app.example/", "http://app.example"),
        ("https://app.example/", "https://app.example:8443"),
        ("https://app.example/", "https://app.example.evil.example"),
        ("https://app.example/", "https://APP.example"),
        ("https://app.example/", "null"),
        ("https://app.example/", "*"),
        ("http://127.0.0.1:8080/cb", "http://127.0.0.1:8081"),
        ("http://127.0.0.1/cb", "http://127.0.0.1:1/x"),
        ("http://localhost/cb", "http://localhost.evil.example:3000"),
        ("http://localhost:8080/cb", "http://localhost:8081"),
        ("com.example.app:/cb", "com.example.app:"),
        ("com.example.app:/cb", "null"),
    ],
)
def test_other_passwords_are_not_weak(uri: str, origin: str) -> None:
    assert not knows(origin, uri)


def test_a_star_is_not_a_port() -> None:
    assert not knows("http://127.0.0.1:*", "http://127.0.0.1/cb")


def test_an_apps_own_scheme_has_no_origin() -> None:
    assert origin_of("com.example.app:/cb") == ""


def test_they_are_cached_for_a_minute() -> None:
    now, clients = [1000.0], Clients("https://a.example/")
    origins = Origins(clients, lambda: now[0])  # type: ignore[arg-type]

    for _ in range(100):
        assert origins.know("https://a.example")
        assert not origins.know("https://b.example")
    assert clients.asked == 1
    clients.uris = ["https://b.example/"]
    now[0] += KEPT_SECONDS
    assert origins.know("https://b.example")
    assert not origins.know("https://a.example")
    now[0] -= 10 * KEPT_SECONDS  # the clock was set back
    origins.know("https://b.example")
    assert clients.asked == 3


def test_an_outage_is_not_cached() -> None:
    clients = Clients("https://a.example/")
    origins = Origins(clients)  # type: ignore[arg-type]
    clients.down = True
    with pytest.raises(Unavailable):
        origins.know("https://a.example")
    clients.down = False

    assert origins.know("https://a.example")
