"""Another e-mail address, asked for and confirmed in the web client."""

import re
import secrets

import pyotp
from playwright.sync_api import Locator, Page, expect

from tests.e2e.web.world import PASSWORD, Person, World, settings, sign_in, wait_for


def mailed(world: World, page: Page, address: str) -> str:
    """The link of the newest mail to an address."""
    found: list[str] = []

    def look() -> bool:
        mails = world.call("GET", "/_local/mails")["items"]
        texts = "\n".join(mail["text"] for mail in mails if mail["to"] == address)
        found[:] = re.findall(r"https?://\S+#\S+", texts)
        return bool(found)

    wait_for(look, page)
    return found[0]


def verified(world: World, name: str) -> Person:
    person = world.person(name)
    person.open()
    link = mailed(world, person.page, f"{person.username}@example.org")
    person.api("POST", "/v1/auth/email/verify", {"token": link.partition("=")[2]})
    return person


def ask(section: Locator, email: str, password: str = PASSWORD) -> None:
    form = section.locator("form", has=section.page.get_by_label("New e-mail address"))
    form.get_by_label("New e-mail address").fill(email)
    form.get_by_label("Password, to be sure").fill(password)
    form.get_by_role("button", name="Change address").click()


def new_address() -> str:
    return f"new_{secrets.token_hex(5)}@example.org"


def test_an_address_is_changed_by_the_link_in_another_tab(world: World) -> None:
    ada, new = verified(world, "Ada"), new_address()
    page = ada.page
    page.reload()
    section = settings(page, "Account & e-mail")
    line = page.locator(".settings-list a", has_text="Account & e-mail")
    expect(line).to_contain_text("Verified")
    ask(section, new, "wrong horse battery 43")
    expect(section.get_by_text("The password is wrong.")).to_be_visible()
    ask(section, "no address")
    expect(section.get_by_label("New e-mail address")).to_have_attribute("aria-invalid", "true")
    ask(section, new)
    expect(section.get_by_text(f"A link was mailed to {new}.")).to_be_visible()
    expect(line).to_contain_text("Change not confirmed yet")
    expect(section.locator("dd").nth(1)).to_have_text(f"{ada.username}@example.org")

    tab = world.new_page()
    tab.goto(mailed(world, page, new))
    sign_in(tab, ada.username)
    expect(tab.get_by_text("No chats yet")).to_be_visible()

    expect(section.get_by_text(f"Your address is {new} now.")).to_be_visible()
    expect(section.locator("dd").nth(1)).to_have_text(new)
    expect(line).to_contain_text("Verified")
    expect(section.get_by_text("A link was mailed")).to_have_count(0)


def test_a_change_is_asked_for_again_and_given_up(world: World) -> None:
    ada, new = world.person("Ada"), new_address()
    page = ada.open().page
    secret = ada.api("POST", "/v1/auth/second-factor", {"password": PASSWORD})["secret"]
    code = {"code": pyotp.TOTP(secret).now()}
    codes = ada.api("POST", "/v1/auth/second-factor/confirm", code)["recovery_codes"]
    section = settings(page, "Account & e-mail")
    ask(section, new)
    section.get_by_label("Code").fill(codes[0])
    section.get_by_role("button", name="Change address").click()
    expect(section.get_by_text(f"A link was mailed to {new}.")).to_be_visible()

    page.reload()
    section.get_by_text("No mail?").click()
    again = section.locator("details", has_text="No mail?")
    again.get_by_label("Password, to be sure").fill(PASSWORD)
    again.get_by_role("button", name="Send the link again").click()
    again.get_by_label("Code").fill(codes[1])
    again.get_by_role("button", name="Send the link again").click()
    expect(again.get_by_text(f"A new link is on its way to {new}")).to_be_visible()

    section.get_by_text("Changed your mind?").click()
    cancel = section.locator("details", has_text="Changed your mind?")
    cancel.get_by_label("Password, to be sure").fill(PASSWORD)
    cancel.get_by_role("button", name="Cancel the change").click()
    cancel.get_by_label("Code").fill(codes[2])
    cancel.get_by_role("button", name="Cancel the change").click()
    expect(section.get_by_text("The change has ended.")).to_be_focused()
    assert ada.api("GET", "/v1/users/me")["pending_email"] is None


def test_an_address_of_another_account_looks_like_any_other(world: World) -> None:
    ben = verified(world, "Ben")
    page = world.person("Ada").open().page
    section = settings(page, "Account & e-mail")

    ask(section, f"{ben.username}@example.org")

    expect(section.get_by_text(f"Open the link that was mailed to {ben.username}")).to_be_visible()
    expect(section.locator(".is-problem, .has-problem")).to_have_count(0)


def test_ones_own_address_changes_nothing(world: World) -> None:
    ada = world.person("Ada")
    section = settings(ada.open().page, "Account & e-mail")

    ask(section, f" {ada.username.upper()}@example.org ")

    expect(section.get_by_text("This is your address already.")).to_be_visible()


def test_a_first_address_that_is_verified_elsewhere_is_shown_as_such(world: World) -> None:
    ada = world.person("Ada")
    page = ada.open().page
    section = settings(page, "Account & e-mail")
    section.get_by_role("button", name="Send the link again").click()
    expect(section.get_by_text("A new link is on its way")).to_be_visible()
    link = mailed(world, page, f"{ada.username}@example.org")
    ada.api("POST", "/v1/auth/email/verify", {"token": link.partition("=")[2]})

    page.evaluate("() => document.dispatchEvent(new Event('visibilitychange'))")

    expect(section.locator("dd").nth(2)).to_have_text("Verified")
    expect(page.locator(".verification")).to_be_hidden()
    expect(section.get_by_role("button", name="Send the link again")).to_be_hidden()
