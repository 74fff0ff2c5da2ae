"""Mails and their links, in the web client."""

import time

from playwright.sync_api import expect

from tests.e2e.web.world import PASSWORD, World, sign_in

NEW = "another horse battery 43"


def test_a_forgotten_password_is_set_by_a_mailed_link(world: World) -> None:
    ada = world.person("Ada")
    page = world.new_page()
    page.goto(world.url)
    page.get_by_role("button", name="Forgot password?").click()
    page.get_by_label("E-mail").fill(f"{ada.username}@example.org")
    page.get_by_role("button", name="Mail me a link").click()
    expect(page.get_by_text("If an account has this address")).to_be_visible()

    page.get_by_text("Mails of the local cloud").click()
    mail = page.locator(
        ".mail", has_text=f"@{ada.username}", has=page.get_by_text("Set a new password")
    )
    expect(mail).to_have_count(1)
    link = mail.get_by_role("link").get_attribute("href")
    assert link is not None
    page.goto(link)
    page.get_by_label("New password").fill("short")
    page.get_by_role("button", name="Set new password").click()
    expect(page.get_by_label("New password")).to_have_attribute("aria-invalid", "true")
    assert "reset=" not in page.url
    page.get_by_label("New password").fill(NEW)
    page.get_by_role("button", name="Set new password").click()
    expect(page.get_by_text("Your new password is set. Sign in with it.")).to_be_visible()
    sign_in(page, ada.username, NEW)
    expect(page.get_by_text("No chats yet")).to_be_visible()

    page.goto("about:blank")
    page.goto(link)
    page.get_by_label("New password").fill(NEW + "!")
    page.get_by_role("button", name="Set new password").click()
    expect(page.get_by_text("This link is not valid any more.")).to_be_visible()


def test_a_line_asks_for_verification_until_the_link_is_followed(world: World) -> None:
    ada = world.person("Ada").open()
    line = ada.page.locator(".verification")
    expect(line).to_contain_text(f"{ada.username}@example.org")
    line.get_by_role("button", name="Send the link again").click()
    expect(line).to_contain_text("unless one was mailed within the last 10 minutes")

    ada.page.get_by_role("button", name="Phone").click()
    ada.page.get_by_text("Mails of the local cloud").click()
    mails = ada.page.locator(".mail", has_text=f"@{ada.username}")
    # The one that registering mailed is fresh: there is no second one.
    expect(mails).to_have_count(1)
    link = mails.get_by_role("link").get_attribute("href")
    assert link is not None
    # In another tab one is asked to sign in; then the link does what it is for.
    tab = world.new_page()
    tab.goto(link)
    expect(tab.get_by_text("Sign in to verify your e-mail address.")).to_be_visible()
    sign_in(tab, ada.username)
    expect(tab.get_by_text("No chats yet")).to_be_visible()
    expect(tab.locator(".verification")).to_be_hidden()
    ada.page.reload()
    expect(ada.page.get_by_text("No chats yet")).to_be_visible()
    expect(line).to_be_hidden()


def test_the_line_stays_hidden_after_later_was_chosen(world: World) -> None:
    ada, ben, _ = world.pair()
    ada.open()
    line = ada.page.locator(".verification")
    line.get_by_role("button", name="Later").click()
    expect(line).to_be_hidden()
    ada.page.reload()
    expect(ada.row(ben)).to_be_visible()
    expect(ada.status).to_be_hidden()
    expect(line).to_be_hidden()

    ben.open(ada.page.context)
    expect(ben.page.locator(".verification")).to_be_visible()
    ada.page.clock.install(time=time.time() + 8 * 86_400)
    ada.page.reload()
    expect(line).to_be_visible()


def test_a_sign_in_elsewhere_is_shown_on_the_page(world: World) -> None:
    ada = world.person("Ada").open()
    expect(ada.page.get_by_text("Your account was signed in to")).to_be_hidden()
    credentials = {"login": ada.username, "password": PASSWORD, "device_name": "Old tablet"}
    world.call("POST", "/v1/auth/login", credentials)

    told = ada.page.locator(".sign-in-notice", has_text="The device: Old tablet.")
    expect(told).to_be_visible()
    told.get_by_role("button", name="Show my devices").click()
    expect(ada.page.get_by_role("list", name="Devices")).to_contain_text("Old tablet")
    expect(told).to_be_hidden()
