"""Choosing emoji in the composer."""

import re

from playwright.sync_api import Locator, Page, Route, expect

from tests.e2e.web.world import PHONE, World, wait_for


def opened(page: Page, *, on_phone: bool = False) -> Locator:
    page.get_by_role("button", name="Emoji").click()
    picker = page.get_by_role("dialog", name="Emoji")
    # On a phone, a focused field would open the keyboard over the emoji.
    first = picker.locator(".emoji").first if on_phone else picker.get_by_label("Find an emoji")
    expect(first).to_be_focused()
    return picker


def test_emoji_are_found_by_name_and_put_at_the_caret(world: World) -> None:
    ada, ben, _ = world.pair()
    ada.open().talk_to(ben)
    page, box = ada.page, ada.page.get_by_label("Write a message")
    scripts = page.evaluate("() => performance.getEntriesByType('resource').map((one) => one.name)")
    assert not any("emoji" in one for one in scripts)  # only who wants them loads them
    box.fill("well done!")
    box.evaluate("(box) => box.setSelectionRange(4, 4)")
    picker = opened(page)
    page.keyboard.type("thumbs up")
    expect(picker.locator(".emoji").first).to_have_attribute("aria-label", "thumbs up")
    page.keyboard.press("Enter")
    expect(box).to_have_value("well👍️ done!")
    picker.get_by_label("Skin tone", exact=True).select_option(label="✋🏽")
    picker.get_by_role("button", name="thumbs up: medium skin tone", exact=True).click()
    expect(box).to_have_value("well👍️👍🏽 done!")

    page.keyboard.press("Escape")
    expect(picker).to_have_count(0)
    page.keyboard.press("Enter")
    expect(ada.message("well👍️👍🏽 done!")).to_be_visible()

    # The last ones and the tone are known to the next page.
    page.reload()
    picker = opened(page)
    shown = picker.locator(".emoji").evaluate_all("all => all.map((one) => one.dataset.emoji)")
    assert shown == ["👍🏽", "👍️"]
    page.keyboard.type("fingerprint")
    expect(picker.locator(".emoji")).to_have_count(1)  # of Unicode 16
    page.keyboard.press("Control+A")
    page.keyboard.type("no such thing")
    expect(picker.get_by_role("status")).to_have_text("No emoji has this name.")


def test_keys_lead_through_the_emoji(world: World) -> None:
    ada, ben, _ = world.pair()
    ada.open().talk_to(ben)
    page = ada.page
    picker = opened(page)
    panel = picker.locator(".emoji")
    page.keyboard.press("ArrowDown")
    expect(panel.first).to_be_focused()
    page.keyboard.press("ArrowRight")
    expect(panel.nth(1)).to_be_focused()
    page.keyboard.press("ArrowDown")
    below, above = page.locator(".emoji:focus").bounding_box(), panel.nth(1).bounding_box()
    assert below is not None
    assert above is not None
    assert (below["x"], below["y"] > above["y"]) == (above["x"], True)
    page.keyboard.press("Enter")
    expect(page.get_by_label("Write a message")).not_to_have_value("")
    picker.get_by_role("tab", name="Smileys and feelings").focus()
    page.keyboard.press("ArrowRight")
    chosen = picker.get_by_role("tab", name="People and bodies")
    expect(chosen).to_have_attribute("aria-selected", "true")
    expect(picker.get_by_role("tabpanel", name="People and bodies")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_label("Write a message")).to_be_focused()
    opened(page)
    page.keyboard.press("Shift+Tab")  # To the newest message, which it would hide.
    expect(page.locator(".message:focus")).to_have_count(1)
    expect(picker).to_have_count(0)


def test_back_closes_the_emoji_and_not_the_chat(world: World) -> None:
    ada, ben, _ = world.pair()
    ada.open(**PHONE).talk_to(ben)
    picker = opened(ada.page, on_phone=True)
    assert ada.page.evaluate("document.documentElement.scrollWidth") <= PHONE["viewport"]["width"]
    ada.page.go_back()
    expect(picker).to_have_count(0)
    expect(ada.page.locator(".talk")).to_be_visible()
    expect(ada.page.get_by_role("button", name="Emoji")).to_be_focused()
    ada.page.route(re.compile("emoji"), lambda route: route.abort())
    ada.page.reload()
    ada.page.get_by_role("button", name="Emoji").click()
    note = ada.page.get_by_text("The emoji could not be loaded. Try again.")
    expect(note).to_be_visible()


def test_emoji_that_come_late_do_not_open_over_what_came_after(world: World) -> None:
    ada, ben, _ = world.pair()
    page = ada.open().page
    ada.talk_to(ben)
    held: list[Route] = []
    page.route(re.compile("emoji"), lambda route: held.append(route))
    button = page.get_by_role("button", name="Emoji")
    button.click()
    wait_for(lambda: held, page)
    page.go_back()
    expect(page.locator(".talk")).to_be_hidden()
    for route in held:
        route.continue_()
    page.unroute_all()
    expect(page.locator(".composer .tool")).to_be_enabled()
    assert page.locator(".emoji-picker").count() == 0
    ada.talk_to(ben)
    opened(page)
