"""Signing in with Google in the web client, at the local cloud's stand-in for it."""

import secrets

from playwright.sync_api import Page, expect

from tests.e2e.web.world import PASSWORD, World, settings, sign_in


def at_google(page: Page, email: str) -> None:
    """Say there who one is."""
    page.get_by_label("E-mail").fill(email)
    page.get_by_label("Name").fill("Gina G.")
    page.get_by_role("button", name="Sign in").click()


def leave(page: Page) -> None:
    page.evaluate("sessionStorage.clear()")
    page.reload()


def test_somebody_new_signs_in_with_it(world: World) -> None:
    page, name = world.new_page(), f"g_{secrets.token_hex(5)}"
    page.goto(world.url)
    page.get_by_role("button", name="Continue with Google").click()
    at_google(page, f"{name}@gmail.com")
    page.get_by_label("Username").fill(name)
    page.get_by_role("button", name="Join").click()
    expect(page.get_by_text("No chats yet")).to_be_visible()
    assert "id_token" not in page.url

    leave(page)
    page.get_by_role("button", name="Continue with Google").click()
    at_google(page, f"{name}@gmail.com")
    expect(page.get_by_text("No chats yet")).to_be_visible()


def test_an_account_is_linked_and_unlinked_in_the_settings(world: World) -> None:
    ada, email = world.person("Ada"), f"g_{secrets.token_hex(5)}@firm.example"
    page = world.new_page()
    page.goto(world.url)
    sign_in(page, ada.username)
    section = settings(page, "Google")
    section.get_by_role("button", name="Link Google").click()
    at_google(page, email)
    section.get_by_label("Password, to be sure").fill(PASSWORD)
    section.get_by_role("button", name="Finish linking Google").click()
    expect(section.get_by_text("You can sign in with your Google account")).to_be_visible()

    section.get_by_role("button", name="Unlink Google").click()
    expect(section.get_by_role("button", name="Link Google")).to_be_visible()


def test_a_token_that_this_tab_did_not_ask_for_signs_nobody_in(world: World) -> None:
    page = world.new_page()
    page.goto(f"{world.url}/#id_token=a.b.c&state=made-up")

    expect(page.get_by_label("Username or e-mail")).to_be_visible()
    assert "id_token" not in page.url
