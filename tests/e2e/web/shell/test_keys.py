"""Input methods: the keys that end a word send, close and start nothing."""

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.web.world import PASSWORD, World, settings

SAYS_SO = {"isComposing": True, "keyCode": 13}
BY_CODE = {"isComposing": False, "keyCode": 229}  # Safari, after the word has ended


def press(page: Page, key: str, how: dict[str, object]) -> None:
    """A key as the browser reports it while an input method has it, where the focus is."""
    page.evaluate(
        """([key, how]) => document.activeElement.dispatchEvent(new KeyboardEvent("keydown",
            { key, bubbles: true, cancelable: true, ...how }))""",
        [key, how],
    )


def compose(page: Page, text: str) -> None:
    """Types with an input method that has not ended its word yet."""
    control = page.context.new_cdp_session(page)
    at = {"text": text, "selectionStart": len(text), "selectionEnd": len(text)}
    control.send("Input.imeSetComposition", at)


def process(page: Page, key: str) -> None:
    """A real key that goes to the input method."""
    control = page.context.new_cdp_session(page)
    given = {"key": key, "code": key, "windowsVirtualKeyCode": 229}
    control.send("Input.dispatchKeyEvent", {"type": "rawKeyDown", **given})
    control.send("Input.dispatchKeyEvent", {"type": "keyUp", **given})


@pytest.mark.parametrize("how", [SAYS_SO, BY_CODE], ids=["composing", "by its code"])
def test_enter_and_escape_do_nothing_in_a_message(world: World, how: dict[str, object]) -> None:
    ada, ben, _ = world.pair()
    ada.open().talk_to(ben)
    write = ada.page.get_by_label("Write a message")
    write.fill("にほんご")
    for key in ("Enter", "Escape"):
        press(ada.page, key, how)
    expect(write).to_have_value("にほんご")
    expect(ada.page.locator(".talk h2")).to_be_visible()
    write.press("Enter")
    ada.expect_tick("にほんご", "sent")
    assert ada.texts() == ["にほんご"]


@pytest.mark.parametrize("how", [SAYS_SO, BY_CODE], ids=["composing", "by its code"])
def test_nor_in_any_other_field(world: World, how: dict[str, object]) -> None:
    ada, ben, _ = world.pair()
    page = ada.open().page
    search = page.get_by_role("searchbox")
    search.fill("べん")
    search.focus()
    for key in ("Enter", "Escape", "ArrowDown"):
        press(page, key, how)
    expect(search).to_have_value("べん")
    expect(search).to_be_focused()
    search.fill("")
    ada.talk_to(ben)
    page.get_by_role("button", name="Phone").click()
    page.get_by_label("Close the phone").focus()
    press(page, "Escape", how)
    expect(page.get_by_role("complementary", name="Phone")).to_be_visible()


def test_a_real_composition_keeps_its_keys(world: World) -> None:
    ada, ben, _ = world.pair()
    page = ada.open().page
    ada.talk_to(ben)
    write = page.get_by_label("Write a message")
    write.focus()
    compose(page, "かな")
    for key in ("Enter", "Escape"):
        process(page, key)
    expect(write).to_have_value("かな")
    expect(page.locator(".talk h2")).to_be_visible()

    settings(page, "Profile")
    page.get_by_label("About you").focus()
    compose(page, "かな")
    for key in ("Enter", "Escape"):
        process(page, key)
    expect(page.get_by_role("dialog")).to_be_visible()
    expect(page.get_by_text("Saved.")).to_be_hidden()


def test_what_a_browser_does_because_of_such_a_key_is_stopped(world: World) -> None:
    """As in browsers that submit a form, or close a dialog, by the key that ended a word."""
    page = world.new_page()
    page.goto(world.url)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.get_by_label("Username or e-mail").fill("somebody")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_label("Username or e-mail").focus()
    page.evaluate("""() => {
        const field = document.activeElement;
        const event = { key: "Enter", keyCode: 229, bubbles: true, cancelable: true };
        field.dispatchEvent(new KeyboardEvent("keydown", event));
        field.form.requestSubmit();
    }""")
    expect(page.get_by_role("button", name="Signing in…")).to_have_count(0)
    assert not [url for url in asked if "login" in url]

    page.get_by_label("Password").press("Enter")
    expect(page.locator(".form-message.is-problem")).not_to_be_empty()
