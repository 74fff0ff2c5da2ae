"""Every page of the web client and of the provider, audited in every way it can be shown."""

import json
import os
import re
import secrets
from collections.abc import Iterator
from pathlib import Path

import pyotp
import pytest
from playwright.sync_api import Page, Route, expect

from tests.cloud import Cloud
from tests.e2e.oauth import Program, asking, registered
from tests.e2e.web.axe import Auditor
from tests.e2e.web.conftest import PASSWORD, World, sign_in
from tests.e2e.web.framing import framing
from tests.e2e.web.test_passkeys import add, authenticator, named
from tests.e2e.web.test_storage import BLOCKED


@pytest.fixture(scope="module")
def auditor() -> Auditor:
    return Auditor()


def refuse(page: Page, path: str, status: int, code: str, **headers: str) -> None:
    """Has requests of `path` answered with an error, until `page.unroute_all()`."""
    body = json.dumps({"error": {"code": code, "message": "This is refused."}})
    page.route(
        re.compile(path), lambda route: route.fulfill(status=status, body=body, headers=headers)
    )


def test_signing_in(world: World, auditor: Auditor) -> None:
    page = world.new_page()
    page.goto(named(world))
    expect(page.get_by_role("button", name="Use a passkey")).to_be_visible()
    page.get_by_text("Server", exact=True).click()
    page.get_by_text("Mails of the local cloud").click()
    expect(page.locator(".mail, .mailbox .hint:not(:empty)").first).to_be_visible()
    auditor.look(page)

    sign_in(page, "nobody", "not the password")
    expect(page.locator(".form-message.is-problem")).not_to_be_empty()
    auditor.look(page)


def test_making_an_account_and_asking_for_a_password(world: World, auditor: Auditor) -> None:
    page = world.new_page()
    page.goto(world.url)
    page.get_by_role("button", name="Create account").first.click()
    page.locator("form").get_by_role("button", name="Create account").click()
    expect(page.get_by_text("Please fill this in.")).to_have_count(4)
    auditor.look(page)

    page.get_by_role("button", name="Sign in").first.click()
    page.get_by_role("button", name="Forgot password?").click()
    auditor.look(page)
    page.get_by_label("E-mail").fill("nobody@example.org")
    page.get_by_role("button", name="Mail me a link").click()
    expect(page.get_by_text("If an account has this address")).to_be_visible()
    auditor.look(page)

    page.goto("about:blank")
    page.goto(f"{world.url}/#reset=token")
    expect(page.get_by_label("New password")).to_be_visible()
    auditor.look(page)


def test_the_second_step(world: World, auditor: Auditor) -> None:
    ada = world.person("Ada")
    page = world.new_page()
    authenticator(page)
    page.goto(named(world))
    sign_in(page, ada.username)
    page.get_by_role("button", name="Settings", exact=True).last.click()
    add(page.get_by_role("dialog").locator(".passkeys"))
    secret = ada.api("POST", "/v1/auth/second-factor", {"password": PASSWORD})["secret"]
    ada.api("POST", "/v1/auth/second-factor/confirm", {"code": pyotp.TOTP(secret).now()})
    page.evaluate("sessionStorage.clear()")
    page.reload()
    sign_in(page, ada.username)
    expect(page.get_by_label("Code")).to_be_focused()
    auditor.look(page)


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
    auditor.look(ada.page)

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
    ada.open()
    ben.open()
    cleo.chat_with(ada)
    for number in range(30):
        ben.post(chat, f"Look at https://example.org/{number}")
    expect(ada.row(ben).locator(".badge")).to_have_text("30")
    ada.page.get_by_role("searchbox").fill("somebody")
    auditor.look(ada.page)
    ada.page.get_by_role("searchbox").fill("")

    ada.talk_to(ben)
    expect(ada.page.locator(".new-mark")).to_be_visible()
    expect(ada.page.locator(".jump")).to_be_visible()
    auditor.look(ada.page)

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


def test_messages_in_every_state(world: World, auditor: Auditor) -> None:
    ada, ben, chat = world.pair()
    for person in (ada, ben):
        person.post(chat, "edited")
        person.post(chat, "deleted")
    ben.post(chat, "newest")
    ada.open()
    ada.page.route(re.compile("/messages"), _changed)
    ada.talk_to(ben)
    expect(ada.page.get_by_text("This message was deleted")).to_have_count(2)
    ada.wire.refusing = "message.send"
    ada.write("refused")
    expect(ada.page.get_by_text("Not sent.").first).to_be_visible()
    ada.wire.refusing = None
    ada.write("sent")
    ada.expect_tick("sent", "sent")
    ada.wire.silent = True
    ada.write("waiting")
    auditor.look(ada.page)


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


def test_a_conversation_that_does_not_load(world: World, auditor: Auditor) -> None:
    ada, ben, _ = world.pair()
    ada.open()
    refuse(ada.page, "/messages", 503, "unavailable")
    ada.row(ben).click()
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
    expect(ada.page.locator(".push").first).to_be_visible()
    expect(ada.page.locator(".mail").first).to_be_visible()
    auditor.look(ada.page)
