"""The menu of a message, what is known of it, and the profile of the partner."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.web.world import PHONE, Person, World


def options(page: Page) -> list[str]:
    return page.get_by_role("menuitem").all_inner_texts()


def written(world: World, text: str) -> tuple[Person, Person]:
    """Ada's open chat with Ben, in which she has just written this."""
    ada, ben, _ = world.pair()
    ada.open().talk_to(ben)
    ada.write(text)
    ada.expect_tick(text, "sent")
    return ada, ben


def test_a_message_is_copied_by_mouse(world: World) -> None:
    text = "first line\n  second <b>line</b> 👍🏽"
    ada, _ = written(world, text)
    ada.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    ada.page.emulate_media(reduced_motion="reduce")  # The notice stays where nothing moves, too.
    bubble = ada.page.locator(".mine .bubble").last
    bubble.hover()
    bubble.get_by_role("button", name="Message options").click()
    assert options(ada.page) == ["Copy text", "Info"]
    ada.page.get_by_role("menuitem", name="Copy text").click()
    expect(ada.page.get_by_role("menu")).to_have_count(0)
    expect(ada.page.locator(".toast")).to_have_text("Copied.")
    assert ada.page.evaluate("() => navigator.clipboard.readText()") == text


@pytest.mark.parametrize("can", [True, False], ids=["the old way", "no way"])
def test_without_the_clipboard_of_the_browser_copying_says_how_it_went(
    world: World, can: bool
) -> None:
    ada, _ = written(world, "copy me")
    ada.page.evaluate("() => Object.defineProperty(navigator, 'clipboard', { value: undefined })")
    if not can:
        ada.page.evaluate("() => { document.execCommand = () => false }")
    ada.message("copy me").locator(".bubble").click(button="right")
    ada.page.get_by_role("menuitem", name="Copy text").click()
    said = "Copied." if can else "This browser does not let the page copy."
    expect(ada.page.locator(".toast")).to_have_text(said)
    expect(ada.page.locator("#announcer")).to_contain_text(said)


@pytest.mark.parametrize("key", ["Enter", "Shift+F10", "ContextMenu"])
def test_keys_open_the_menu_and_close_it(world: World, key: str) -> None:
    ada, _ = written(world, "by keys")
    page = ada.page
    for _ in range(2):
        page.keyboard.press("Shift+Tab")
    message = ada.message("by keys")
    expect(message).to_be_focused()
    page.keyboard.press(key)
    items = page.get_by_role("menuitem")
    expect(items.first).to_be_focused()
    page.keyboard.press("ArrowUp")
    expect(items.last).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(items.first).to_be_focused()
    page.keyboard.press("i")
    expect(items.last).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.get_by_role("menu")).to_have_count(0)
    expect(message).to_be_focused()
    expect(page.locator(".talk")).to_be_visible()  # Escape closed the menu alone


def test_back_and_a_click_elsewhere_close_the_menu(world: World) -> None:
    ada, _ = written(world, "look")
    bubble, menu = ada.message("look").locator(".bubble"), ada.page.get_by_role("menu")
    bubble.click(button="right")
    expect(menu).to_be_visible()
    ada.page.go_back()
    expect(menu).to_have_count(0)
    expect(ada.page.locator(".talk")).to_be_visible()
    bubble.click(button="right")
    expect(menu).to_be_visible()
    ada.page.locator(".scroll").click(position={"x": 5, "y": 5})
    expect(menu).to_have_count(0)


def test_a_finger_that_rests_opens_the_menu(world: World) -> None:
    ada, ben, chat = world.pair()
    ben.post(chat, "hold me")
    ada.open(**PHONE).talk_to(ben)
    expect(ada.page.get_by_text("This is where your chat begins.")).to_be_visible()
    box = ada.message("hold me").locator(".bubble").bounding_box()
    assert box is not None
    point = {"x": box["x"] + 20, "y": box["y"] + 10}
    touch = ada.page.context.new_cdp_session(ada.page)
    touch.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [point]})
    expect(ada.page.get_by_role("menu")).to_be_visible()
    touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    assert options(ada.page) == ["Copy text", "Info"]
    ada.page.get_by_role("menuitem", name="Info").tap()
    expect(ada.page.get_by_role("dialog", name="Info")).to_contain_text(ben.name)


def test_info_says_how_far_a_message_got_and_follows_it(world: World) -> None:
    ada, ben = written(world, "how far?")
    ada.message("how far?").locator(".bubble").click(button="right")
    ada.page.get_by_role("menuitem", name="Info").click()
    info = ada.page.get_by_role("dialog", name="Info")
    expect(info).to_contain_text(re.compile("Delivered\\s*Not yet\\s*Read\\s*Not yet"))
    ben.open().talk_to(ada)
    expect(info).to_contain_text(re.compile(f"Read\\s*Yes, by {ben.name}"))
    ada.page.keyboard.press("Escape")
    expect(info).to_have_count(0)
    expect(ada.message("how far?")).to_be_focused()


def test_info_says_what_happens_to_what_was_not_sent(world: World) -> None:
    ada, ben, _ = world.pair()
    ada.open().talk_to(ben)
    ada.wire.refusing = "message.send"
    ada.write("refused")
    expect(ada.page.locator(".failure")).to_be_visible()
    ada.message("refused").locator(".bubble").click(button="right")
    ada.page.get_by_role("menuitem", name="Info").click()
    info = ada.page.get_by_role("dialog", name="Info")
    expect(info).to_contain_text(re.compile(r"Not sent\. .+ Try again, or discard it\."))
    ada.page.keyboard.press("Escape")
    expect(info).to_have_count(0)
    ada.wire.cut()
    ada.write("waiting")
    ada.message("waiting").locator(".bubble").click(button="right")
    ada.page.get_by_role("menuitem", name="Info").click()
    expect(info).to_contain_text("Waiting. It is sent as soon as there is a connection.")


def test_the_header_leads_to_the_profile(world: World) -> None:
    ada, ben, _ = world.pair()
    ben.api("PATCH", "/v1/users/me", {"about": "Gone fishing."})
    ada.open().talk_to(ben)
    opener = ada.page.locator(".talk h2").get_by_role("button")
    opener.click()
    profile = ada.page.get_by_role("dialog", name="Profile")
    for part in (ben.name, f"@{ben.username}", "Gone fishing.", "Chat since"):
        expect(profile).to_contain_text(part)
    ben.open()
    expect(profile).to_contain_text("online")
    ada.page.go_back()
    expect(profile).to_have_count(0)
    expect(opener).to_be_focused()


def test_the_profile_of_somebody_who_left_says_so(world: World) -> None:
    ada, ben, _ = world.pair()
    ada.open().talk_to(ben)
    gone = {"id": ben.id, "username": None, "display_name": "", "about": "", "deleted": True}
    ada.page.route(
        re.compile(r"/v1/users\?ids="), lambda route: route.fulfill(json={"items": [gone]})
    )
    ada.page.reload()
    ada.page.locator(".talk h2", has_text="Deleted user").get_by_role("button").click()
    profile = ada.page.get_by_role("dialog", name="Profile")
    expect(profile).to_contain_text("This account was deleted.")
    expect(profile).not_to_contain_text("Username")
