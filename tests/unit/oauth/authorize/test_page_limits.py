"""Who still gets the provider's pages when the bucket of their address is empty."""

from collections.abc import Callable
from contextlib import suppress

import pytest

from chalicelib.errors import RateLimited
from chalicelib.oauth.authorize.shown import Shown
from chalicelib.oauth.clients.registration import RegisteredClient
from chalicelib.wire import Sent
from tests.unit.auth.fakes import PHONE
from tests.unit.conftest import PASSWORD
from tests.unit.oauth.conftest import ASKED, Provider, make_provider
from tests.unit.settings import rates


class Browser:
    """Keeps cookies. All browsers are at one address."""

    def __init__(self, provider: Provider, program: RegisteredClient) -> None:
        self.provider = provider
        self.query = {
            name: [value] for name, value in {**ASKED, "client_id": program.client_id}.items()
        }
        self.cookies: dict[str, str] = {}
        self.seal = ""

    def ask(self) -> Shown:
        sent = Sent(query=self.query, cookies=self.cookies)
        return self._kept(self.provider.browsers.ask(sent, PHONE))

    def submit(self, do: str, **form: str) -> Shown:
        given = {name: [value] for name, value in {"do": do, "seal": self.seal, **form}.items()}
        sent = Sent(query=self.query, form=given, cookies=self.cookies)
        return self._kept(self.provider.browsers.answer(sent, PHONE))

    def sign_in(self, password: str = PASSWORD) -> Shown:
        return self.submit("sign_in", login="ana", password=password)

    def sign_out(self) -> None:
        shown = self.provider.sign_out.take(Sent(cookies=self.cookies), PHONE)
        seal = shown.body.partition('name="seal" value="')[2].partition('"')[0]
        sent = Sent(form={"seal": [seal]}, cookies=self.cookies)
        self._kept(self.provider.sign_out.take(sent, PHONE))

    def _kept(self, shown: Shown) -> Shown:
        for cookie in shown.cookies:
            name, _, value = cookie.partition(";")[0].partition("=")
            self.cookies[name] = value
        self.seal = shown.body.partition('name="seal" value="')[2].partition('"')[0]
        return shown


Open = Callable[[], Browser]


@pytest.fixture
def provider() -> Provider:
    buckets = {"page.address": 5, "page.target": 4, "step.address": 3}
    provider = make_provider(rate_limits=rates(buckets))
    provider.world.register()
    return provider


@pytest.fixture
def new(provider: Provider) -> Open:
    """Opens a new browser."""
    program = provider.program()
    return lambda: Browser(provider, program)


def empty(new: Open) -> None:
    """Empty the bucket of the address."""
    for _ in range(5):
        with suppress(RateLimited):
            new().ask()


def test_a_new_browser_is_rate_limited(new: Open) -> None:
    empty(new)

    with pytest.raises(RateLimited):
        new().ask()


def test_a_browser_that_has_signed_in_before_gets_the_page_and_signs_in(new: Open) -> None:
    own = new()
    own.ask()
    own.sign_in()
    own.sign_out()
    empty(new)

    assert "Sign in to continue" in own.ask().body
    assert "Allow Board?" in own.sign_in().body


def test_a_user_whose_sign_in_has_expired_signs_in_again(provider: Provider, new: Open) -> None:
    own = new()
    own.ask()
    own.sign_in()
    empty(new)
    provider.world.clock.go(days=1)

    assert "Please sign in again." in own.submit("allow").body
    assert "Allow Board?" in own.sign_in().body


def test_a_new_browser_that_has_the_page_signs_in_with_the_correct_password(new: Open) -> None:
    own = new()
    own.ask()
    empty(new)

    assert "Allow Board?" in own.sign_in().body


@pytest.mark.parametrize(
    ("do", "form"),
    [
        ("to_register", {}),
        ("google", {}),
        ("second_factor", {"kept": "x", "code": "123456"}),
        ("username", {"kept": "x", "username": "nia"}),
        ("register", {"username": "x"}),
        ("forgot", {"email": "x"}),
    ],
)
def test_unsuccessful_steps_count_separately(new: Open, do: str, form: dict[str, str]) -> None:
    stranger = new()
    stranger.ask()
    seal = stranger.seal
    for _ in range(3):
        stranger.submit(do, **form)
        stranger.seal = seal

    with pytest.raises(RateLimited):
        stranger.submit(do, **form)
    own = new()
    own.ask()
    assert "Allow Board?" in own.sign_in().body


def test_the_error_says_how_long_to_wait(new: Open) -> None:
    empty(new)
    with pytest.raises(RateLimited, match=r"Try again in \d+ (second|minute|hour)s?\."):
        new().ask()


def test_a_wrong_password_counts_by_address(new: Open) -> None:
    guesser = new()
    guesser.ask()
    for _ in range(4):
        assert "Allow Board?" not in guesser.sign_in("wrong").body

    with pytest.raises(RateLimited):
        guesser.sign_in("wrong")
    with pytest.raises(RateLimited):
        new().ask()


def test_a_missing_password_counts_as_well(new: Open) -> None:
    guesser = new()
    guesser.ask()
    for _ in range(4):
        assert "Allow Board?" not in guesser.submit("sign_in").body

    with pytest.raises(RateLimited):
        guesser.submit("sign_in")


def test_a_known_browser_has_its_own_limit(new: Open) -> None:
    noisy, other = new(), new()
    for one in (noisy, other):
        one.ask()
        one.sign_in()
        one.sign_out()
    for _ in range(4):
        noisy.ask()

    with pytest.raises(RateLimited):
        noisy.ask()
    assert other.ask().status == 200
    assert new().ask().status == 200


@pytest.mark.parametrize("proof", ["0" * 64, "", "é", "x.y", "\ud800"])
def test_an_invalid_proof_does_not_make_a_browser_known(new: Open, proof: str) -> None:
    empty(new)
    stranger = new()
    stranger.cookies["parley-mark"] = f"{'m' * 43}.{proof}"

    with pytest.raises(RateLimited):
        stranger.ask()


def test_the_proof_of_one_browser_is_invalid_for_another(new: Open) -> None:
    own = new()
    own.ask()
    own.sign_in()
    proof = own.cookies["parley-mark"].partition(".")[2]
    empty(new)
    stranger = new()
    stranger.cookies["parley-mark"] = f"{'m' * 43}.{proof}"

    with pytest.raises(RateLimited):
        stranger.ask()


def test_a_page_without_a_sign_in_gives_no_proof(new: Open) -> None:
    stranger = new()
    stranger.ask()

    assert "." not in stranger.cookies["parley-mark"]


def test_sign_outs_by_a_program_are_limited_by_session(provider: Provider, new: Open) -> None:
    """A sign-out needs no sign-in, and reads PostgreSQL each time."""
    signed_in = provider.world.login()
    program = provider.program()
    noisy, other = (
        {"id_token_hint": [provider.granted(program, signed_in, nonce=nonce)["id_token"]]}
        for nonce in ("first", "later")
    )
    for _ in range(4):
        assert provider.sign_out.take(Sent(query=noisy), PHONE).status == 200

    with pytest.raises(RateLimited):
        provider.sign_out.take(Sent(query=noisy), PHONE)
    assert provider.sign_out.take(Sent(query=other), PHONE).status == 200
    assert new().ask().status == 200
