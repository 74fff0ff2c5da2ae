"""The ways to sign in on the provider's page, in a browser."""

import re
import secrets
import time
from collections.abc import Iterator
from typing import Any

import pyotp
import pytest
from playwright.sync_api import Page, expect

from tests.cloud import Cloud
from tests.e2e.oauth.oauth import Program, asking, registered
from tests.e2e.web.account.test_google import at_google
from tests.e2e.web.account.test_passkeys import add, authenticator, leave, opened
from tests.e2e.web.framing import Framing, framing
from tests.e2e.web.shell.test_storage import BLOCKED, FULL, MISSING
from tests.e2e.web.world import PASSWORD, Person, World, settings, sign_in


@pytest.fixture
def server() -> Iterator[Framing]:
    with framing() as server:
        yield server


@pytest.fixture
def back(server: Framing) -> str:
    return server.back


@pytest.fixture
def program(cloud: Cloud, back: str) -> Program:
    return registered(cloud, name="Board", redirect_uris=[back])


@pytest.fixture
def url(cloud: Cloud, program: Program, back: str) -> str:
    return asking(cloud.http_url, program, redirect_uri=back)


def by_password(page: Page, person: Person) -> None:
    page.get_by_label("E-mail address or username").fill(person.username)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()


def allow(page: Page) -> None:
    expect(page.get_by_role("heading", level=1)).to_have_text("Allow Board?")
    page.get_by_role("button", name="Allow", exact=True).click()
    expect(page.get_by_text("Welcome back")).to_be_visible()
    assert "code=" in page.url


def with_second_factor(person: Person) -> tuple[pyotp.TOTP, list[str]]:
    secret = person.api("POST", "/v1/auth/second-factor", {"password": PASSWORD})["secret"]
    app = pyotp.TOTP(secret)
    code = app.at(int(time.time()))
    made = person.api("POST", "/v1/auth/second-factor/confirm", {"code": code})
    return app, made["recovery_codes"]


def test_a_recovery_code_is_the_second_step_without_a_script(world: World, url: str) -> None:
    ada = world.person("Ada")
    _, codes = with_second_factor(ada)
    page = world.new_page(java_script_enabled=False)
    page.goto(url)
    expect(page.get_by_role("button", name="Use a passkey")).to_be_hidden()
    expect(page.get_by_role("button", name="Continue with Google")).to_be_hidden()
    by_password(page, ada)

    page.get_by_label("Code").fill("wrong")
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("A code of the app has 6 digits")
    page.get_by_label("Code").fill(codes[0])
    page.get_by_role("button", name="Sign in", exact=True).click()

    allow(page)


def test_a_passkey_alone_signs_in(world: World, url: str) -> None:
    page = opened(world, world.person("Ada"))
    add(settings(page, "Passkeys"))
    leave(page)
    page.goto(url.replace("127.0.0.1", "localhost", 1))

    page.get_by_role("button", name="Use a passkey").click()

    allow(page)


def test_a_passkey_is_the_second_step(world: World, url: str) -> None:
    ada = world.person("Ada")
    page = opened(world, ada)
    add(settings(page, "Passkeys"))
    with_second_factor(ada)
    page.goto(url.replace("127.0.0.1", "localhost", 1))
    by_password(page, ada)
    expect(page.get_by_label("Code")).to_be_focused()

    page.get_by_role("button", name="Use a passkey").click()

    allow(page)


def test_a_passkey_is_not_offered_at_an_address_where_it_cannot_work(
    world: World, url: str
) -> None:
    page = world.new_page()
    page.goto(url)

    expect(page.get_by_role("button", name="Continue with Google")).to_be_visible()
    expect(page.get_by_role("button", name="Use a passkey")).to_be_hidden()


def test_a_browser_without_a_passkey_says_so(world: World, url: str) -> None:
    page = world.new_page()
    authenticator(page)
    page.goto(url.replace("127.0.0.1", "localhost", 1))

    page.get_by_role("button", name="Use a passkey").click()

    expect(page.get_by_role("alert")).to_contain_text("Nothing was done")
    expect(page.get_by_role("button", name="Use a passkey")).to_be_enabled()


def test_somebody_new_at_google_chooses_a_username_and_is_known_from_then_on(
    world: World, url: str
) -> None:
    page, name = world.new_page(), f"g_{secrets.token_hex(5)}"
    page.goto(url)
    page.get_by_role("button", name="Continue with Google").click()
    at_google(page, f"{name}@gmail.com")
    page.get_by_label("Username").fill("no")
    page.get_by_role("button", name="Join").click()
    expect(page.get_by_role("alert")).to_be_visible()
    page.get_by_label("Username").fill(name)
    page.get_by_role("button", name="Join").click()
    allow(page)

    other = world.new_page()
    other.goto(url)
    other.get_by_role("button", name="Continue with Google").click()
    at_google(other, f"{name}@gmail.com")
    expect(other.get_by_text("Welcome back")).to_be_visible()
    assert "id_token" not in other.url


def test_google_asks_for_the_second_factor_too(world: World, url: str) -> None:
    page, name = world.new_page(), f"g_{secrets.token_hex(5)}"
    page.goto(world.url)
    page.get_by_role("button", name="Continue with Google").click()
    at_google(page, f"{name}@gmail.com")
    page.get_by_label("Username").fill(name)
    page.get_by_role("button", name="Join").click()
    expect(page.get_by_text("No chats yet")).to_be_visible()
    ada = world.person("Ada")
    _, codes = with_second_factor(ada)
    linked = world.new_page()
    linked.goto(world.url)
    sign_in(linked, ada.username)
    linked.get_by_label("Code").fill(codes[0])
    linked.get_by_role("button", name="Sign in", exact=True).last.click()
    section = settings(linked, "Google")
    section.get_by_role("button", name="Link Google").click()
    at_google(linked, f"{ada.username}@firm.example")
    section.get_by_label("Password, to be sure").fill(PASSWORD)
    section.get_by_role("button", name="Finish linking Google").click()
    section.get_by_label("Code").fill(codes[1])
    section.get_by_role("button", name="Finish linking Google").last.click()
    expect(section.get_by_text("You can sign in with your Google account")).to_be_visible()

    fresh = world.new_page()
    fresh.goto(url)
    fresh.get_by_role("button", name="Continue with Google").click()
    at_google(fresh, f"{ada.username}@firm.example")
    fresh.get_by_label("Code").fill(codes[2])
    fresh.get_by_role("button", name="Sign in", exact=True).click()

    allow(fresh)


def test_an_answer_of_google_that_this_browser_did_not_ask_for_signs_nobody_in(
    world: World, url: str
) -> None:
    """Else a stranger could have somebody else sign in to the stranger's account."""
    page = world.new_page()
    page.goto(url)
    page.evaluate(
        "(request) => sessionStorage.setItem('parley.google', JSON.stringify("
        "{ request, answer: 'id_token=a.b.c&state=n.' + '0'.repeat(64) }))",
        url,
    )

    with page.expect_navigation(url=re.compile("authorize")):
        page.reload()

    expect(page.get_by_text("This form was not made for this browser")).to_be_visible()
    page.goto(f"{world.url}/oauth2/google#id_token=a.b.c&state=s")
    expect(page.get_by_role("alert")).to_contain_text("This tab asked for nothing")


@pytest.mark.parametrize("script", [FULL, BLOCKED, MISSING], ids=["full", "blocked", "missing"])
def test_without_storage_google_says_what_does_not_work(
    world: World, url: str, script: str
) -> None:
    page = world.new_page()
    page.add_init_script(script)
    page.goto(url)
    page.get_by_role("button", name="Continue with Google").click()
    expect(page.get_by_role("alert")).to_contain_text("This browser keeps no data of this page")
    assert page.url == url

    page.goto(f"{world.url}/oauth2/google#id_token=a.b.c&state=s")
    expect(page.get_by_role("alert")).to_contain_text("This tab asked for nothing")


def test_somebody_new_makes_an_account_and_goes_on(world: World, url: str) -> None:
    page, name = world.new_page(java_script_enabled=False), f"n_{secrets.token_hex(5)}"
    page.goto(url)
    page.get_by_role("button", name="Create an account").click()
    page.get_by_label("Your name").fill("Nia")
    page.get_by_label("Username").fill(f"{name}!")
    page.get_by_label("E-mail address").fill(f"{name}@example.org")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Create account").click()
    field = page.get_by_label("Username")
    expect(field).to_have_attribute("aria-invalid", "true")
    expect(page.get_by_label("Your name")).to_have_value("Nia")
    expect(page.get_by_label("Password")).to_have_value("")
    field.fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Create account").click()

    allow(page)


def test_a_forgotten_password_is_reset_and_the_sign_in_goes_on(world: World, url: str) -> None:
    ada = world.person("Ada")
    page = world.new_page(java_script_enabled=False)
    page.goto(url)
    page.get_by_role("button", name="Forgot your password?").click()
    page.get_by_label("E-mail address").fill(f"{ada.username}@example.org")
    page.get_by_role("button", name="Mail me a link").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Look into your mailbox")
    link = mailed_link(world, f"{ada.username}@example.org")
    other = world.new_page()
    other.goto(link)
    other.get_by_label("New password").fill("a new password 43")
    other.get_by_role("button", name="Set new password").click()
    expect(other.get_by_text("Your new password is set")).to_be_visible()

    page.get_by_role("button", name="Back to signing in").click()
    page.get_by_label("E-mail address or username").fill(ada.username)
    page.get_by_label("Password").fill("a new password 43")
    page.get_by_role("button", name="Sign in", exact=True).click()

    allow(page)


def mailed_link(world: World, to: str) -> str:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        items: list[dict[str, Any]] = world.call("GET", "/_local/mails")["items"]
        for mail in items:
            if mail["to"] == to and (found := re.search(r"http\S+#reset=\S+", mail["text"])):
                return found[0]
        time.sleep(0.1)
    raise AssertionError("no link was mailed")


def test_a_frame_of_the_program_learns_in_silence_that_it_must_ask(
    world: World, url: str, server: Framing
) -> None:
    """From another site no cookie comes along, so nobody is signed in there."""
    page = world.new_page()
    page.goto(url)
    by_password(page, world.person("Ada"))
    allow(page)
    server.framed = f"{url}&prompt=none"

    for host, answer in (("localhost", "error=login_required"), ("127.0.0.1", "code=")):
        page.goto(f"http://{host}:{server.server_port}/frame")
        expect(page.frame_locator("iframe").get_by_text("Welcome back")).to_be_visible()
        assert answer in page.frames[1].url


def test_a_program_is_asked_for_once_and_ended_in_the_settings(world: World, url: str) -> None:
    ada = world.person("Ada")
    page = world.new_page()
    page.goto(url)
    by_password(page, ada)
    allow(page)
    page.goto(url)
    expect(page.get_by_text("Welcome back")).to_be_visible()

    client = world.new_page()
    client.goto(world.url)
    sign_in(client, ada.username)
    section = settings(client, "Programs")
    expect(section.get_by_text("read your chats")).to_be_visible()
    section.get_by_role("button", name="End access of Board").click()
    expect(section.get_by_text("Board no longer has access.")).to_be_visible()

    page.goto(url)
    expect(page.get_by_role("heading", level=1)).to_have_text("Allow Board?")
