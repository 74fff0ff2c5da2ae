"""The settings as pages: the list, what it says, going to and fro, and what is not lost."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Dialog, Locator, Page, expect

from tests.e2e.web.world import PASSWORD, PHONE, World, settings, wait_for

PAGES = [
    *["Profile", "Account & e-mail", "Password", "Second factor", "Passkeys", "Google"],
    *[
        "Notifications",
        "Appearance & language",
        "Devices",
        "Programs",
        "Your data",
        "Delete account",
    ],
]


def line(page: Page, name: str) -> Locator:
    """The line of a page in the list."""
    return page.locator(".settings-list a", has=page.get_by_text(name, exact=True))


def heading(page: Page, name: str) -> Locator:
    return page.get_by_role("dialog").get_by_role("heading", level=3, name=name, exact=True)


def answering(page: Page, *, agrees: bool) -> list[str]:
    """The questions that the page asks from now on, each answered at once."""
    asked: list[str] = []

    def answer(dialog: Dialog) -> None:
        asked.append(dialog.message)
        if agrees:
            dialog.accept()
        else:
            dialog.dismiss()

    page.once("dialog", answer)
    return asked


def test_the_list_says_how_things_stand_and_only_the_page_shown_asks(world: World) -> None:
    ada = world.person("Ada")
    page = ada.open().page
    asked: list[str] = []
    page.on("request", lambda request: asked.extend(re.findall(r"/v1/.*", request.url)))
    page.get_by_role("button", name="Settings").last.click()
    for name, state in {
        "Profile": "Ada",
        "Account & e-mail": "Not verified",
        "Second factor": "Off",
        "Passkeys": "None",
        "Google": "Not linked",
        "Notifications": "Show messages",
        "Appearance & language": "As the system",
        "Devices": "2 devices",
        "Programs": "None",
    }.items():
        expect(line(page, name)).to_contain_text(state)
    expect(line(page, "Profile")).to_be_focused()
    assert len(asked) == len(set(asked)) == 5
    for name in PAGES:
        asked.clear()
        settings(page, name)
        expect(page.get_by_role("heading", level=3)).to_have_count(1)
        assert len(asked) <= 2, asked

    settings(page, "Devices")
    page.get_by_role("button", name="Sign out all others").click()
    expect(line(page, "Devices")).to_contain_text("1 device")
    settings(page, "Appearance & language").get_by_label("Colours").select_option("Dark")
    expect(line(page, "Appearance & language")).to_contain_text("Dark")
    settings(page, "Profile").get_by_label("Your name").fill("Ada O.")
    page.get_by_role("button", name="Save").click()
    expect(line(page, "Profile")).to_contain_text("Ada O.")


def test_what_could_not_be_loaded_comes_with_the_connection(world: World) -> None:
    ada = world.person("Ada")
    page = ada.open().page
    ada.wire.cut()
    expect(ada.status).to_be_visible()
    page.route(re.compile("/v1/(auth|users)/"), lambda route: route.abort())
    settings(page, "Devices")
    problem = "The server cannot be reached."
    expect(page.locator(".device-list")).to_contain_text(problem)
    expect(page.locator(".settings-list").get_by_text(problem)).to_have_count(1)
    page.unroute_all()
    ada.wire.mend()
    expect(page.locator(".device-list")).to_contain_text("This device")
    expect(line(page, "Passkeys")).to_contain_text("None")
    expect(page.locator(".settings-list").get_by_text(problem)).to_have_count(0)
    expect(heading(page, "Devices")).to_be_focused()


def test_on_a_phone_a_page_takes_the_place_of_the_list(world: World) -> None:
    ada, ben, _ = world.pair()
    page = ada.open(**PHONE).page
    ada.talk_to(ben)
    ada.page.go_back()
    page.get_by_role("button", name="Settings").last.click()
    expect(line(page, "Profile")).to_be_focused()
    for name in PAGES:
        line(page, name).click()
        expect(heading(page, name)).to_be_focused()
        expect(line(page, name)).to_be_hidden()
        assert page.evaluate("() => document.documentElement.scrollWidth") <= 390
        page.get_by_role("dialog").get_by_role("button", name="Back").click()
        expect(line(page, name)).to_be_focused()
        expect(heading(page, name)).to_be_hidden()
    line(page, "Devices").click()
    page.go_back()
    expect(line(page, "Devices")).to_be_focused()
    line(page, "Devices").click()
    page.keyboard.press("Escape")
    expect(line(page, "Devices")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(ada.row(ben)).to_be_visible()
    page.go_forward()
    expect(line(page, "Profile")).to_be_focused()
    page.get_by_role("dialog").get_by_label("Close").click()
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_what_the_pages_do_works_on_a_phone(world: World) -> None:
    ada = world.person("Ada")
    page = ada.open(permissions=["clipboard-read", "clipboard-write"], **PHONE).page
    banner = page.locator(".verification")
    banner.get_by_role("button", name="Later").click()
    expect(banner).to_be_hidden()
    devices = settings(page, "Devices").get_by_role("listitem")
    expect(devices.filter(has_text="Chrome on Linux")).to_have_count(1)
    devices.get_by_role("button", name="Sign out A device without a name").click()
    expect(devices).to_have_count(1)
    settings(page, "Appearance & language").get_by_label("Colours").select_option("Dark")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    settings(page, "Profile").get_by_label("About you").fill("On the move")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved.")).to_be_visible()

    section = settings(page, "Second factor")
    codes = {"recovery_codes": ["aaaa-bbbb", "cccc-dddd"]}
    page.route("**/second-factor/confirm", lambda route: route.fulfill(json=codes))
    section.get_by_label("Password, to be sure").fill(PASSWORD)
    section.get_by_role("button", name="Set up a second factor").click()
    section.get_by_label("Code that the app shows").fill("123456")
    section.get_by_role("button", name="Turn it on").click()
    section.get_by_role("button", name="Copy").click()
    expect(section.get_by_text("Copied.")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()").split() == codes["recovery_codes"]
    with page.expect_download() as download:
        section.get_by_role("button", name="Download").click()
    assert download.value.path().read_text().split()[3:] == codes["recovery_codes"]


@pytest.mark.parametrize("options", [{}, PHONE], ids=["wide", "phone"])
def test_the_address_names_the_page(world: World, options: dict[str, Any]) -> None:
    ada, ben, _ = world.pair()
    page = ada.open(**options).page
    ada.talk_to(ben)
    if options:
        page.go_back()
    settings(page, "Programs")
    page.reload()
    expect(heading(page, "Programs")).to_be_focused()
    page.get_by_role("dialog").get_by_label("Close").click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    assert "settings" not in page.url
    if not options:
        expect(page.locator(".talk h2")).to_have_text(ben.name)

    page.goto(f"{world.url}/#settings=devices")
    expect(heading(page, "Devices")).to_be_focused()
    page.reload()
    expect(heading(page, "Devices")).to_be_focused()
    page.go_back()
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(ada.row(ben)).to_be_visible()
    page.goto(f"{world.url}/#settings=nonsense")
    expect(line(page, "Profile")).to_be_focused()


def test_typing_is_not_lost_without_a_question(world: World) -> None:
    page = world.person("Ada").open().page
    name = settings(page, "Profile").get_by_label("Your name")
    name.fill("Ada, Countess")
    ways: dict[str, Callable[[], object]] = {
        "another page": lambda: line(page, "Devices").click(),
        "a key": lambda: page.keyboard.press("Escape"),
        "the button": lambda: page.get_by_role("dialog").get_by_label("Close").click(),
        "beside": lambda: page.mouse.click(3, 3),
        "back": lambda: page.evaluate("() => history.back()"),
        "the address": lambda: page.evaluate("() => { location.hash = '' }"),
    }
    for way, go in ways.items():
        asked = answering(page, agrees=False)
        go()
        wait_for(asked.__len__, page)
        assert asked == ["What you typed is not saved. Leave it?"], way
        expect(name).to_have_value("Ada, Countess")
        expect(page).to_have_url(re.compile("settings=profile"))
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved.")).to_be_visible()
    settings(page, "Password").get_by_label("New password").fill("another horse")

    asked = answering(page, agrees=True)
    page.keyboard.press("Escape")

    expect(page.get_by_role("dialog")).to_have_count(0)
    assert len(asked) == 1
    assert "settings" not in page.url


def test_reloading_asks_while_something_is_typed(world: World) -> None:
    page = world.person("Ada").open().page
    settings(page, "Profile").get_by_label("About you").type("x")
    asked = answering(page, agrees=True)
    page.reload()
    expect(page.get_by_label("About you")).to_have_value("")
    assert len(asked) == 1
    page.reload()
    expect(page.get_by_label("About you")).to_have_value("")
    page.get_by_role("dialog").get_by_label("Close").click()
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_recovery_codes_are_not_left_without_a_question(world: World) -> None:
    ada = world.person("Ada").open()
    section = settings(ada.page, "Second factor")
    codes = {"recovery_codes": ["aaaa-bbbb-cccc"]}
    ada.page.route("**/second-factor/confirm", lambda route: route.fulfill(json=codes))
    section.get_by_label("Password, to be sure").fill(PASSWORD)
    section.get_by_role("button", name="Set up a second factor").click()
    section.get_by_label("Code that the app shows").fill("123456")
    section.get_by_role("button", name="Turn it on").click()
    expect(section.get_by_text("aaaa-bbbb-cccc")).to_be_visible()
    expect(line(ada.page, "Second factor")).to_contain_text("On")

    asked = answering(ada.page, agrees=False)
    ada.page.keyboard.press("Escape")

    wait_for(lambda: asked, ada.page)
    assert asked == ["These recovery codes are shown only now. Leave without them?"]
    expect(section.get_by_text("aaaa-bbbb-cccc")).to_be_visible()
