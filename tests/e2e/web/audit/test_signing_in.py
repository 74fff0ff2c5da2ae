"""The pages before the user is signed in."""

import re
import secrets

from playwright.sync_api import expect

from tests.e2e.web.account.test_google import at_google
from tests.e2e.web.account.test_passkeys import add, authenticator, named
from tests.e2e.web.account.test_sign_in_page import with_second_factor
from tests.e2e.web.audit.axe import Auditor
from tests.e2e.web.world import World, settings, sign_in

NEW_WORKERS = """for (const worker of ["the first", "a newer one"]) {
    navigator.serviceWorker.dispatchEvent(new Event("controllerchange"));
}"""


def test_the_page_before_the_client_is_there(world: World, auditor: Auditor) -> None:
    page = world.new_page()
    page.route(re.compile(r"/assets/main.*\.js"), lambda route: route.abort())
    page.goto(world.url)
    expect(page.locator(".splash")).to_be_visible()
    auditor.look(page)


def test_signing_in(world: World, auditor: Auditor) -> None:
    page = world.new_page()
    page.goto(named(world))
    expect(page.get_by_role("button", name="Use a passkey")).to_be_visible()
    page.get_by_text("Server", exact=True).click()
    page.get_by_text("Mails of the local cloud").click()
    expect(page.locator(".mail, .mailbox .hint:not(:empty)").first).to_be_visible()
    auditor.look(page)

    sign_in(page, "nobody", "not the password")
    expect(page.locator(".form-message.is-problem")).not_to_be_empty()
    page.evaluate(NEW_WORKERS)
    expect(page.locator(".new-version")).to_be_visible()
    auditor.look(page, strong=True)


def test_making_an_account_and_asking_for_a_password(world: World, auditor: Auditor) -> None:
    page = world.new_page()
    page.goto(world.url)
    page.get_by_role("button", name="Create account").first.click()
    page.locator("form").get_by_role("button", name="Create account").click()
    expect(page.get_by_text("Please fill this in.")).to_have_count(4)
    auditor.look(page)

    page.get_by_role("button", name="Sign in").first.click()
    page.get_by_role("button", name="Forgot password?").click()
    auditor.look(page)
    page.get_by_label("E-mail").fill("nobody@example.org")
    page.get_by_role("button", name="Mail me a link").click()
    expect(page.get_by_text("If an account has this address")).to_be_visible()
    auditor.look(page)

    page.goto("about:blank")
    page.goto(f"{world.url}/#reset=token")
    expect(page.get_by_label("New password")).to_be_visible()
    auditor.look(page)


def test_passkeys_and_the_second_step(world: World, auditor: Auditor) -> None:
    ada = world.person("Ada")
    page = world.new_page()
    authenticator(page)
    page.goto(named(world))
    sign_in(page, ada.username)
    section = settings(page, "Passkeys")
    add(section)
    auditor.look(page)
    section.get_by_role("button", name="Rename").click()
    auditor.look(page)

    with_second_factor(ada)
    page.evaluate("sessionStorage.clear()")
    page.goto(named(world))
    sign_in(page, ada.username)
    expect(page.get_by_label("Code")).to_be_focused()
    auditor.look(page)


def test_a_username_after_google(world: World, auditor: Auditor) -> None:
    page = world.new_page()
    page.goto(world.url)
    page.get_by_role("button", name="Continue with Google").click()
    auditor.look(page)
    at_google(page, f"{secrets.token_hex(5)}@gmail.com")
    expect(page.get_by_role("button", name="Join")).to_be_visible()
    auditor.look(page)
