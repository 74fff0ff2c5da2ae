"""Passkeys in the web client, with an authenticator that Chromium makes up."""

import time
from typing import Any

import pyotp
from playwright.sync_api import Locator, Page, expect

from tests.e2e.web.world import PASSWORD, Person, World, settings, sign_in


def named(world: World) -> str:
    """The client where it has a name, which passkeys need."""
    return world.url.replace("127.0.0.1", "localhost")


def authenticator(page: Page) -> Any:
    """A key that verifies its user; answers the session that it is controlled by."""
    control = page.context.new_cdp_session(page)
    control.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    control.send("WebAuthn.addVirtualAuthenticator", {"options": options})
    return control


def opened(world: World, person: Person) -> Page:
    page = world.new_page()
    authenticator(page)
    page.goto(named(world))
    sign_in(page, person.username)
    expect(page.get_by_text("No chats yet")).to_be_visible()
    return page


def add(section: Locator) -> None:
    section.get_by_label("Name of the new passkey").fill("Laptop")
    section.get_by_label("Password, to be sure").fill(PASSWORD)
    section.get_by_role("button", name="Add a passkey").click()
    expect(section.get_by_text("Added. You can sign in with it.")).to_be_visible()


def leave(page: Page) -> None:
    """Back to the sign-in page, with the authenticator."""
    page.evaluate("sessionStorage.clear()")
    page.reload()


def test_one_is_added_renamed_used_and_removed(world: World) -> None:
    page = opened(world, world.person("Ada"))
    section = settings(page, "Passkeys")
    add(section)
    section.get_by_role("button", name="Rename Laptop").click()
    section.get_by_label("Name", exact=True).fill("Desk")
    section.get_by_role("button", name="Save").click()
    expect(section.get_by_text("Not used yet")).to_be_visible()

    leave(page)
    page.get_by_role("button", name="Use a passkey").click()
    expect(page.get_by_text("No chats yet")).to_be_visible()

    section = settings(page, "Passkeys")
    expect(section.get_by_text("Last used")).to_be_visible()
    section.get_by_role("button", name="Remove Desk").click()
    expect(section.get_by_text("Desk is removed.")).to_be_visible()

    leave(page)
    page.get_by_role("button", name="Use a passkey").click()
    expect(page.get_by_text("This passkey did not sign you in.")).to_be_visible()


def test_a_device_has_one_passkey_for_an_account(world: World) -> None:
    section = settings(opened(world, world.person("Ada")), "Passkeys")
    add(section)

    section.get_by_label("Password, to be sure").fill(PASSWORD)
    section.get_by_role("button", name="Add a passkey").click()

    expect(section.get_by_text("This device has a passkey")).to_be_visible()


def test_it_takes_the_place_of_a_code(world: World) -> None:
    ada = world.person("Ada")
    page = opened(world, ada)
    add(settings(page, "Passkeys"))
    secret = ada.api("POST", "/v1/auth/second-factor", {"password": PASSWORD})["secret"]
    code = pyotp.TOTP(secret).at(int(time.time()))
    ada.api("POST", "/v1/auth/second-factor/confirm", {"code": code})

    leave(page)
    sign_in(page, ada.username)
    expect(page.get_by_label("Code")).to_be_visible()
    page.get_by_role("button", name="Use a passkey").click()

    expect(page.get_by_text("No chats yet")).to_be_visible()


def test_at_an_address_it_says_where_to_go(world: World) -> None:
    page = world.new_page()
    page.goto(world.url)

    page.get_by_role("link", name=f"{named(world)}/").click()

    expect(page.get_by_role("button", name="Use a passkey")).to_be_visible()


def test_without_one_nothing_happens(world: World) -> None:
    page = world.new_page()
    authenticator(page)
    page.goto(named(world))

    page.get_by_role("button", name="Use a passkey").click()

    expect(page.get_by_text("Nothing was done")).to_be_visible()
