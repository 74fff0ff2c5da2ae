"""Every page of the web client and of the provider, audited in every way it can be shown."""

import json
import re
import secrets
import time

import pyotp
import pytest
from playwright.sync_api import Page, Route, expect

from tests.cloud import ROOT, Cloud
from tests.e2e.oauth.oauth import asking, registered
from tests.e2e.web.account.test_google import at_google
from tests.e2e.web.account.test_passkeys import add, authenticator, named
from tests.e2e.web.account.test_sign_in_page import by_password, with_second_factor
from tests.e2e.web.axe import Auditor
from tests.e2e.web.chat.test_notifications import watched
from tests.e2e.web.conftest import PASSWORD, World, settings, sign_in
from tests.e2e.web.framing import framing
from tests.e2e.web.shell.test_storage import BLOCKED

FOREVER = "window.later = setTimeout; window.setTimeout = () => 0"
NOT_FOREVER = "window.setTimeout = window.later; null"
"""What begins between these two does not end by itself."""
NEW_WORKERS = """for (const worker of ["the first", "a newer one"]) {
    navigator.serviceWorker.dispatchEvent(new Event("controllerchange"));
}"""


@pytest.fixture(scope="module")
def auditor(cloud: Cloud) -> Auditor:
    return Auditor()


def test_the_page_before_the_client_is_there(world: World, auditor: Auditor) -> None:
    page = world.new_page()
    page.route(re.compile(r"/assets/main.*\.js"), lambda route: route.abort())
    page.goto(world.url)
    expect(page.locator(".splash")).to_be_visible()
    auditor.look(page)


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
    page.evaluate(NEW_WORKERS)
    expect(page.locator(".new-version")).to_be_visible()
    auditor.look(page, strong=True)


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


def test_passkeys_and_the_second_step(world: World, auditor: Auditor) -> None:
    ada = world.person("Ada")
    page = world.new_page()
    authenticator(page)
    page.goto(named(world))
    sign_in(page, ada.username)
    section = settings(page, "Passkeys")
    add(section)
    auditor.look(page)
    section.get_by_role("button", name="Rename").click()
    auditor.look(page)

    with_second_factor(ada)
    page.evaluate("sessionStorage.clear()")
    page.goto(named(world))
    sign_in(page, ada.username)
    expect(page.get_by_label("Code")).to_be_focused()
    auditor.look(page)


def test_a_username_after_google(world: World, auditor: Auditor) -> None:
    page = world.new_page()
    page.goto(world.url)
    page.get_by_role("button", name="Continue with Google").click()
    auditor.look(page)
    at_google(page, f"{secrets.token_hex(5)}@gmail.com")
    expect(page.get_by_role("button", name="Join")).to_be_visible()
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
    expect(ada.page.locator(".push").first).to_be_visible()
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


def test_ones_own_data(world: World, auditor: Auditor) -> None:
    page = world.person("Ada").open().page
    section = settings(page, "Your data")
    for button in ("Export my data", "Get a link"):
        expect(section.get_by_role("button", name=button)).to_be_visible()
        section.get_by_label("Password, to be sure").fill(PASSWORD)
        section.get_by_role("button", name=button).click()
    expect(section.get_by_role("link")).to_be_focused()
    auditor.look(page)


def test_the_pages_of_the_provider(world: World, cloud: Cloud, auditor: Auditor) -> None:
    ada = world.person("Ada Okafor")
    with framing() as server:
        program = registered(cloud, name="Board", redirect_uris=[server.back])
        url = asking(cloud.http_url, program, redirect_uri=server.back)
        page = world.new_page()
        page.goto(url)
        auditor.look(page)
        page.get_by_label("Password").fill("x")
        _without_checks(page, "Sign in")
        expect(page.get_by_role("alert")).not_to_be_empty()
        auditor.look(page)
        page.get_by_role("button", name="Create an account").click()
        _without_checks(page, "Create account")
        expect(page.locator(".wrong").first).to_be_visible()
        auditor.look(page)
        page.get_by_role("button", name="Back to signing in").click()
        page.get_by_role("button", name="Forgot your password?").click()
        auditor.look(page)
        page.get_by_label("E-mail address").fill("nobody@example.org")
        page.get_by_role("button", name="Mail me a link").click()
        auditor.look(page)

        with_second_factor(ada)
        page.goto(url)
        by_password(page, ada)
        expect(page.get_by_label("Code")).to_be_focused()
        auditor.look(page)
        _consent(page, world, url, auditor, server.back)


def _consent(page: Page, world: World, url: str, auditor: Auditor, back: str) -> None:
    cleo = world.person("Cleo Marsh")
    page.goto(url)
    by_password(page, cleo)
    expect(page.get_by_role("heading", level=1)).to_have_text("Allow Board?")
    auditor.look(page, strong=True)
    page.get_by_role("button", name="Allow", exact=True).click()
    page.wait_for_url(f"{back}**")
    page.goto(f"{world.url}/oauth2/logout")
    expect(page.get_by_role("heading", level=1)).to_have_text("Sign out?")
    auditor.look(page)
    page.get_by_role("button", name="Sign out").click()
    auditor.look(page)
    page.goto(f"{world.url}/oauth2/authorize?client_id=nobody")
    expect(page.get_by_role("heading", level=1)).to_have_text("This did not work")
    auditor.look(page)

    programs = settings(cleo.open().page, "Programs")
    expect(programs.get_by_role("button", name="End access of Board")).to_be_visible()
    auditor.look(cleo.page)


def _without_checks(page: Page, button: str) -> None:
    """Sends a form as a browser does that checks nothing."""
    page.evaluate("for (const form of document.forms) form.noValidate = true")
    page.get_by_role("button", name=button, exact=True).click()


def test_no_part_of_the_client_was_left_out(
    request: pytest.FixtureRequest, auditor: Auditor
) -> None:
    """A view that is new has to be shown to the auditor."""
    here = {
        item.name.partition("[")[0] for item in request.session.items if item.path == request.path
    }
    if not {name for name in globals() if name.startswith("test_")} <= here:
        pytest.skip("other tests of this file show the pages")
    made = set[str]()
    for path in (ROOT / "web/js").rglob("*.js"):
        for names in re.findall(r'\bclass: [`"]([\w -]+)', path.read_text()):
            made.update(name for name in names.split() if not name.endswith("-"))

    missing = made - auditor.seen
    assert not missing, f"No page that was audited shows {sorted(missing)}"
