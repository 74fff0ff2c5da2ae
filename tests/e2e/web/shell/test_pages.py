"""Signing in, phones, keyboards: the web client around the chat."""

import re

import pytest
from playwright.sync_api import expect

from tests.e2e.web.world import PASSWORD, PHONE, World, settings, sign_in


def test_a_wrong_password_is_shown_as_a_sentence(world: World) -> None:
    ada = world.person("Ada")
    page = world.new_page()
    page.goto(world.url)
    sign_in(page, ada.username, "not the password")
    expect(page.locator(".form-message.is-problem")).not_to_be_empty()
    expect(page.get_by_label("Username or e-mail")).to_have_value(ada.username)
    sign_in(page, ada.username)
    expect(page.get_by_text("No chats yet")).to_be_visible()


def test_what_is_wrong_stands_beside_its_field(world: World) -> None:
    ada = world.person("Ada")
    page = world.new_page()
    page.goto(world.url)
    page.get_by_role("button", name="Create account").first.click()
    create = page.locator("form").get_by_role("button", name="Create account")
    create.click()
    expect(page.get_by_text("Please fill this in.")).to_have_count(4)
    expect(page.get_by_label("Your name")).to_be_focused()

    page.get_by_label("Your name").fill("Somebody")
    page.get_by_label("Username").fill("not ok!")
    page.get_by_label("E-mail").fill("nowhere")
    page.get_by_label("Password").fill("short")
    create.click()
    for label in ("Username", "E-mail", "Password"):
        expect(page.get_by_label(label)).to_have_attribute("aria-invalid", "true")
    expect(page.get_by_label("Your name")).to_have_attribute("aria-invalid", "false")

    page.get_by_label("Username").fill(ada.username.upper())
    page.get_by_label("E-mail").fill(f"x{ada.username}@example.org")
    page.get_by_label("Password").fill(PASSWORD)
    create.click()
    expect(page.get_by_label("Username")).to_have_attribute("aria-invalid", "true")
    expect(page.locator(".has-problem .field-note")).to_have_count(1)


def test_an_unreachable_server_is_shown_as_a_sentence(world: World) -> None:
    page = world.new_page()
    page.goto(world.url)
    page.get_by_text("Server", exact=True).click()
    page.get_by_label("Address of the API").fill("ftp://example.org")
    page.get_by_role("button", name="Use this server").click()
    expect(page.get_by_text("The address must start with https:// or http://.")).to_be_visible()
    page.get_by_label("Address of the API").fill("http://127.0.0.1:9")
    page.get_by_role("button", name="Use this server").click()
    expect(page.get_by_text("Server: 127.0.0.1:9")).to_be_visible()
    sign_in(page, "somebody")
    expect(page.get_by_text("The server cannot be reached.")).to_be_visible()


def test_another_address_of_the_api_works_too(world: World) -> None:
    """The page on one origin, the API on another, as with a deployed one."""
    ada, ben, chat = world.strangers()
    ben.post(chat, "hello over there")
    page = world.new_page()
    page.goto(world.url.replace("127.0.0.1", "localhost"))
    page.get_by_text("Server", exact=True).click()
    page.get_by_label("Address of the API").fill(world.url + "/")
    page.get_by_role("button", name="Use this server").click()
    expect(page.get_by_text("Server: 127.0.0.1")).to_be_visible()
    sign_in(page, ada.username)
    page.locator(".chat-row").click()
    expect(page.locator(".theirs .text")).to_have_text("hello over there")
    expect(page.get_by_role("button", name="Phone")).to_have_count(0)


def test_two_tabs_are_two_people(world: World) -> None:
    ada, ben, _ = world.pair()
    ada.open()
    ben.open(ada.page.context)
    ada.talk_to(ben)
    ada.write("same browser, two people")
    ben.talk_to(ada)
    expect(ben.message("same browser, two people")).to_be_visible()
    ben.page.reload()
    expect(ben.page.get_by_title("Settings").first).to_contain_text(ben.name)


def test_signing_out_ends_the_session_and_keeps_nothing(world: World) -> None:
    ada, ben, chat = world.pair()
    ben.post(chat, "private")
    ada.open().talk_to(ben)
    token = ada.page.evaluate("() => JSON.parse(sessionStorage['parley.session']).access_token")
    ada.page.get_by_role("button", name="Sign out").click()
    expect(ada.page.get_by_text("You are signed out.")).to_be_visible()
    assert ada.page.evaluate("() => sessionStorage.length") == 0
    assert "private" not in ada.page.evaluate("() => JSON.stringify(localStorage)")
    assert "private" not in ada.page.content()
    answer = ada.page.request.get(
        f"{world.url}/v1/users/me", headers={"Authorization": f"Bearer {token}"}
    )
    assert answer.status == 401


def test_devices_are_listed_and_signed_out(world: World) -> None:
    ada = world.person("Ada")
    ada.open()
    other, third = world.new_page(), world.new_page()
    for page in (other, third):
        page.goto(world.url)
        sign_in(page, ada.username)
        expect(page.get_by_text("No chats yet")).to_be_visible()
    settings(ada.page, "Devices")
    devices = ada.page.get_by_role("list", name="Devices").get_by_role("listitem")
    expect(devices).to_have_count(4)  # with the session that the account was made with
    expect(devices.filter(has_text="This device")).to_have_count(1)
    expect(devices.filter(has_text="Chrome on Linux")).to_have_count(3)

    devices.nth(0).get_by_role("button", name="Sign out").click()
    expect(devices).to_have_count(3)
    expect(third.get_by_text("You were signed out from another device.")).to_be_visible()
    expect(other.get_by_text("No chats yet")).to_be_visible()

    ada.page.get_by_role("button", name="Sign out all others").click()
    expect(ada.page.get_by_text("Your other devices are signed out.")).to_be_visible()
    expect(devices).to_have_count(1)
    expect(other.get_by_text("You were signed out from another device.")).to_be_visible()


def test_a_phone_shows_one_thing_at_a_time(world: World) -> None:
    ada, ben, chat = world.pair()
    ben.post(chat, "fits?")
    ada.open(**PHONE)
    conversation, chats = ada.page.locator(".pane"), ada.page.locator(".chat-list")
    expect(chats).to_be_visible()
    expect(conversation).to_be_hidden()
    ada.talk_to(ben)
    expect(chats).to_be_hidden()
    expect(ada.message("fits?")).to_be_in_viewport()
    write, send = ada.page.get_by_label("Write a message"), ada.page.get_by_label("Send")
    expect(send).to_be_in_viewport(ratio=1)
    write.fill("yes")
    write.press("Enter")  # a new line: phones have a button
    expect(write).to_have_value("yes\n")
    send.click()
    ada.expect_tick("yes", "sent")
    wide = "() => document.documentElement.scrollWidth > document.documentElement.clientWidth"
    assert not ada.page.evaluate(wide)
    ada.page.get_by_label("Back to the chats").click()
    expect(chats).to_be_visible()
    ada.talk_to(ben)
    expect(chats).to_be_hidden()
    ada.page.go_back()
    expect(chats).to_be_visible()
    expect(conversation).to_be_hidden()


def test_the_keyboard_is_enough(world: World) -> None:
    ada, ben, chat = world.strangers()
    cleo = world.person("Cleo Marsh")
    ben.post(chat, "from ben")
    cleo.post(cleo.chat_with(ada), "from cleo")
    ada.open()
    keys = ada.page.keyboard
    ada.page.get_by_role("searchbox").focus()
    keys.press("ArrowDown")
    expect(ada.row(cleo)).to_be_focused()
    keys.press("ArrowDown")
    expect(ada.row(ben)).to_be_focused()
    keys.press("Enter")
    expect(ada.page.get_by_label("Write a message")).to_be_focused()
    keys.type("one")
    keys.press("Shift+Enter")
    keys.type("two")
    keys.press("Enter")
    expect(ada.page.locator(".mine .text")).to_have_text("one\ntwo")
    keys.press("Escape")
    expect(ada.page.locator(".talk")).to_be_hidden()
    expect(ada.row(ben)).to_be_focused()
    ada.page.get_by_role("searchbox").fill("cle")
    expect(ada.page.locator(".chat-row")).to_have_count(1)
    keys.press("Escape")
    expect(ada.page.locator(".chat-row")).to_have_count(2)


def test_a_message_that_is_too_long_is_refused_before_it_is_sent(world: World) -> None:
    ada, ben, _ = world.strangers()
    ada.open().talk_to(ben)
    write = ada.page.get_by_label("Write a message")
    write.fill("é" * 4097)
    expect(ada.page.get_by_text("1 over the limit of 4,096 characters.")).to_be_visible()
    expect(ada.page.get_by_label("Send")).to_be_disabled()
    write.fill("😀" * 4096)
    expect(ada.page.get_by_text("0 characters left")).to_be_visible()
    write.press("Enter")
    expect(ada.page.locator(".mine .tick")).to_have_attribute("data-state", re.compile("sent"))


def test_new_messages_are_announced(world: World) -> None:
    ada, ben, chat = world.pair()
    ada.open()
    ben.post(chat, "hear me")
    expect(ada.page.locator("#announcer")).to_contain_text("Ben Lindqvist: hear me")


EDGE = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) \
Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
SAFARI = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) \
Version/18.6 Safari/605.1.15"
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like \
Gecko) CriOS/140.0.0.0 Mobile/15E148 Safari/604.1"
ANDROID = "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) \
SamsungBrowser/28.0 Chrome/130.0.0.0 Mobile Safari/537.36"


@pytest.mark.parametrize(
    ("agent", "name"),
    [
        (EDGE, "Edge on Windows"),
        (FIREFOX, "Firefox on Linux"),
        (SAFARI, "Safari on macOS"),
        (IPHONE, "Chrome on iPhone"),
        (ANDROID, "Samsung Internet on Android"),
        ("Parley/1.0 (Linux)", "Linux"),
        ("curl/8.5.0", ""),
        ("", ""),
        (None, ""),
    ],
    ids=["edge", "firefox", "safari", "chrome", "samsung", "app", "curl", "empty", "none"],
)
def test_devices_are_called_by_browser_and_system(
    world: World, agent: str | None, name: str
) -> None:
    page = world.new_page()
    page.goto(world.url)

    found = page.evaluate(
        "async (agent) => (await import('/js/account/device.js')).browserOf(agent)", agent
    )

    assert found == name


def test_colours_are_chosen_and_kept(world: World) -> None:
    ada = world.person("Ada").open(color_scheme="light")
    page = ada.page
    paper = "() => getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(paper)
    settings(page, "Appearance & language")
    page.get_by_label("Colours").select_option("Dark")
    dark = page.evaluate(paper)
    assert dark != light
    page.reload()
    expect(page.get_by_label("Colours")).to_be_visible()
    assert page.evaluate(paper) == dark

    expect(page.get_by_label("Colours")).to_have_value("dark")
    page.get_by_label("Colours").select_option("As the system")
    assert page.evaluate(paper) == light
    page.emulate_media(color_scheme="dark")
    assert page.evaluate(paper) == dark
