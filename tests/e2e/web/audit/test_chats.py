"""The chats, and what opens in a conversation."""

import json
import re

from playwright.sync_api import Route, expect

from tests.e2e.web.audit.axe import Auditor
from tests.e2e.web.chat.test_notifications import watched
from tests.e2e.web.shell.test_storage import BLOCKED
from tests.e2e.web.world import PASSWORD, World, sign_in
from tests.stored import StoredChanges

FOREVER = "window.later = setTimeout; window.setTimeout = () => 0"
NOT_FOREVER = "window.setTimeout = window.later; null"
"""What begins between these two does not end by itself."""


def test_an_empty_list_with_all_its_notices(world: World, auditor: Auditor) -> None:
    context = world.new_context()
    context.add_init_script(BLOCKED)
    ada = world.person("Ada Okafor").open(context)
    elsewhere = {"login": ada.username, "password": PASSWORD}
    world.call("POST", "/v1/auth/login", elsewhere)
    for notice in (".storage-notice", ".sign-in-notice", ".verification"):
        expect(ada.page.locator(notice)).to_be_visible()
    ada.page.get_by_role("searchbox").fill("nobody_there")
    ada.page.get_by_role("searchbox").press("Enter")
    expect(ada.page.locator(".find-problem")).not_to_be_empty()
    auditor.look(ada.page, strong=True)

    ada.page.get_by_role("searchbox").fill("")
    ada.wire.cut()
    expect(ada.page.get_by_role("button", name="Try now")).to_be_visible()
    auditor.look(ada.page)


def test_a_list_that_is_loading(world: World, auditor: Auditor) -> None:
    ada, waiting = world.person("Ada"), list[Route]()
    page = world.new_page()
    page.goto(world.url)
    page.route(re.compile("/v1/chats"), lambda route: waiting.append(route))
    sign_in(page, ada.username)
    expect(page.locator(".chat-list.is-loading")).to_be_visible()
    auditor.look(page)
    for route in waiting:
        route.continue_()


def test_chats(world: World, auditor: Auditor) -> None:
    ada, ben, chat = world.pair()
    cleo = world.person("Cleo Marsh")
    ada.chat_with(cleo)
    ada.open()
    ben.open()
    for number in range(30):
        ben.post(chat, f"Look at https://example.org/{number}")
    expect(ada.row(ben).locator(".badge")).to_have_text("30")
    ada.page.get_by_role("searchbox").fill("somebody")
    auditor.look(ada.page)
    ada.page.get_by_role("searchbox").fill("")

    ada.talk_to(ben)
    expect(ada.page.locator(".new-mark")).to_be_visible()
    expect(ada.page.locator(".jump")).to_be_visible()
    auditor.look(ada.page, strong=True)

    ada.write("seen")
    ben.talk_to(ada)
    ada.expect_tick("seen", "read")
    ben.page.get_by_label("Write a message").press_sequentially("typing")
    expect(ada.page.locator(".presence")).to_have_text("typing…")
    ada.page.get_by_label("Write a message").fill("é" * 4097)
    auditor.look(ada.page)

    ada.page.get_by_label("Write a message").fill("a draft")
    ada.row(cleo).click()
    expect(ada.page.get_by_text("This is where your chat begins.")).to_be_visible()
    expect(ada.row(ben)).to_contain_text("Draft: a draft")
    auditor.look(ada.page)


def test_from_right_to_left(world: World, auditor: Auditor) -> None:
    ada, ben, _ = world.pair()
    page = world.new_page(locale="ar-MA")
    page.goto(world.url)
    page.get_by_label("اسم المستخدم أو البريد الإلكتروني").fill(ada.username)
    page.get_by_label("كلمة المرور").fill(PASSWORD)
    page.get_by_label("كلمة المرور").press("Enter")
    page.locator(".chat-row", has=page.get_by_text(ben.name, exact=True)).click()
    expect(page.locator(".message").first).to_be_visible()
    auditor.look(page)


def test_messages_in_every_state(world: World, auditor: Auditor) -> None:
    ada, ben, chat = world.pair()
    for person in (ada, ben):
        person.post(chat, "edited")
        person.post(chat, "deleted")
    ben.post(chat, "newest")
    ada.open(watched(world))
    ada.page.route(re.compile("/messages"), _changed)
    ada.talk_to(ben)
    expect(ada.page.get_by_text("This message was deleted")).to_have_count(2)
    ada.wire.refusing = "message.send"
    ada.write("refused")
    expect(ada.page.get_by_text("Not sent.").first).to_be_visible()
    ada.wire.refusing = None
    ada.write("sent")
    ada.expect_tick("sent", "sent")
    expect(ada.page.locator(".notification-offer")).to_be_visible()
    ada.wire.silent = True
    ada.write("waiting")
    auditor.look(ada.page, strong=True)


def _changed(route: Route) -> None:
    """Answers as if messages had been edited and deleted."""
    answer = route.fetch()
    body = answer.json()
    for message in body["items"]:
        if message["content"]["text"] == "edited":
            message["edited_at"] = message["created_at"]
        if message["content"]["text"] == "deleted":
            message |= {"deleted_at": message["created_at"], "content": None}
    route.fulfill(response=answer, json=body)


def test_a_group(stored: StoredChanges, world: World, auditor: Auditor) -> None:
    ada, ben, cleo = (world.person(name) for name in ("Ada Okafor", "Ben Lindqvist", "Cleo Marsh"))
    group = stored.group("Boat trip", ada.id, ben.id, cleo.id)
    for one in (ada, ben, cleo):
        one.post(group, f"from {one.name}")
    page = ada.open().page
    page.locator(".chat-row").click()
    expect(page.locator(".sender")).to_have_text([ben.name, cleo.name])
    auditor.look(page, strong=True)


def test_a_conversation_that_does_not_load(world: World, auditor: Auditor) -> None:
    ada, ben, _ = world.pair()
    ada.open()
    waiting = list[Route]()
    ada.page.route(re.compile("/messages"), lambda route: waiting.append(route))
    ada.row(ben).click()
    expect(ada.page.locator(".loading")).to_be_visible()
    auditor.look(ada.page)
    body = json.dumps({"error": {"code": "unavailable", "message": "This is refused."}})
    ada.page.route(re.compile("/messages"), lambda route: route.fulfill(status=503, body=body))
    while waiting:
        waiting.pop().fulfill(status=503, body=body)
    expect(ada.page.get_by_role("button", name="Try again")).to_be_visible()
    auditor.look(ada.page)


def test_the_phone_of_the_local_cloud(world: World, auditor: Auditor) -> None:
    ada, ben, chat = world.pair()
    with ada.open().page.expect_response(re.compile("/push-tokens/")):
        ada.page.reload()
    ada.close()
    ben.post(chat, "a push")
    ada.open()
    ada.page.get_by_role("button", name="Phone").click()
    ada.page.locator(".phone-panel").get_by_text("Mails of the local cloud").click()
    # The message may have reached the socket while its page closed: then the push waits until the
    # acknowledgement is overdue.
    expect(ada.page.locator(".push").first).to_be_visible(timeout=60_000)
    expect(ada.page.locator(".mail").first).to_be_visible()
    auditor.look(ada.page, strong=True)


def test_what_opens_in_a_conversation(world: World, auditor: Auditor) -> None:
    ada, ben, _ = world.pair()
    ada.open().talk_to(ben)
    page = ada.page
    page.get_by_role("button", name=ben.name).last.click()
    expect(page.get_by_role("dialog")).to_be_visible()
    auditor.look(page)
    page.keyboard.press("Escape")

    page.locator(".message").last.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("menu")).to_be_visible()
    auditor.look(page, resize=False)  # A menu closes when the window changes.
    page.evaluate(FOREVER)
    page.get_by_role("menuitem", name="Copy").click()
    expect(page.locator(".toast")).to_be_visible()
    page.evaluate(NOT_FOREVER)
    auditor.look(page, resize=False)
    page.locator(".message").last.focus()
    page.keyboard.press("Enter")
    page.get_by_role("menuitem", name="Info").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    auditor.look(page)
    page.keyboard.press("Escape")

    page.get_by_role("button", name="Emoji").click()
    expect(page.get_by_role("tablist")).to_be_visible()
    page.get_by_role("tab").nth(1).click()
    auditor.look(page, strong=True)
    page.get_by_role("searchbox", name="emoji").fill("no such emoji")
    expect(page.locator(".emoji-none")).not_to_be_empty()
    auditor.look(page)
