"""The settings."""

import time

import pyotp
from playwright.sync_api import expect

from tests.e2e.web.audit.axe import Auditor
from tests.e2e.web.world import PASSWORD, World, settings


def test_every_page_of_the_settings(world: World, auditor: Auditor) -> None:
    ada = world.person("Ada Okafor").open()
    page = ada.page
    settings(page, "Profile")
    for name in page.locator(".settings-name").all_inner_texts():
        section = settings(page, name)
        expect(section.get_by_text("Loading…")).to_have_count(0)
        for closed in section.locator("details:not([open]) > summary").all():
            closed.click()
        auditor.look(page)


def test_a_second_factor_that_is_set_up(world: World, auditor: Auditor) -> None:
    page = world.person("Ada").open().page
    section = settings(page, "Second factor")
    section.get_by_label("Password, to be sure").fill(PASSWORD)
    section.get_by_role("button", name="Set up a second factor").click()
    app = pyotp.TOTP(section.locator(".secret").inner_text().replace(" ", ""))
    expect(section.get_by_role("img")).to_be_visible()
    section.get_by_label("Code that the app shows").fill("000000")
    section.get_by_role("button", name="Turn it on").click()
    expect(section.get_by_text("This code is wrong")).to_be_visible()
    auditor.look(page, strong=True)
    section.get_by_label("Code that the app shows").fill(app.at(int(time.time())))
    section.get_by_role("button", name="Turn it on").click()
    expect(section.locator(".recovery-codes code")).to_have_count(10)
    auditor.look(page)


def test_another_address_that_waits(world: World, auditor: Auditor) -> None:
    ada = world.person("Ada")
    ada.api(
        "POST", "/v1/users/me/email", {"email": f"x{ada.username}@a.example", "password": PASSWORD}
    )
    page = ada.open().page
    section = settings(page, "Account & e-mail")
    for closed in section.locator("summary").all():
        closed.click()
    auditor.look(page)


def test_own_data(world: World, auditor: Auditor) -> None:
    page = world.person("Ada").open().page
    section = settings(page, "Your data")
    for button in ("Export my data", "Get a link"):
        expect(section.get_by_role("button", name=button)).to_be_visible()
        section.get_by_label("Password, to be sure").fill(PASSWORD)
        section.get_by_role("button", name=button).click()
    expect(section.get_by_role("link")).to_be_focused()
    auditor.look(page)
