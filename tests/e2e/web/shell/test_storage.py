"""A browser that keeps nothing: storage that is full, blocked or missing loses nobody's words."""

import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, Playwright, Route, expect

from local.web.site import WEB
from tests.e2e.web.conftest import CHROMIUM
from tests.e2e.web.world import Person, World, sign_in

FULL = """(() => {
    const full = () => { throw new DOMException("Quota exceeded.", "QuotaExceededError") };
    Storage.prototype.setItem = full;
})()"""
BLOCKED = """(() => {
    const refuse = { get() { throw new DOMException("Access is denied.", "SecurityError") } };
    for (const name of ["localStorage", "sessionStorage", "indexedDB"])
        Object.defineProperty(window, name, refuse);
    Object.defineProperty(navigator, "locks", { value: {
        request: async () => { throw new DOMException("Denied.", "SecurityError") } } });
    window.BroadcastChannel = class { constructor() {
        throw new DOMException("Denied.", "SecurityError") } };
})()"""
MISSING = """(() => {
    for (const name of ["localStorage", "sessionStorage", "indexedDB", "BroadcastChannel"])
        Object.defineProperty(window, name, { value: undefined });
    Object.defineProperty(navigator, "locks", { value: undefined });
})()"""


def open_with(world: World, person: Person, script: str) -> Page:
    """A page of somebody whose browser runs `script` before anything else."""
    context = world.new_context()
    context.add_init_script(script)
    return person.open(context).page


@pytest.mark.parametrize("script", [FULL, BLOCKED, MISSING], ids=["full", "blocked", "missing"])
def test_one_chats_without_storage(world: World, script: str) -> None:
    ada, ben, _ = world.pair()
    page = open_with(world, ada, script)
    ada.talk_to(ben)
    ada.write("kept nowhere")
    ada.expect_tick("kept nowhere", "sent")
    expect(page.get_by_label("Write a message")).to_have_value("")
    notice = page.locator(".storage-notice")
    expect(notice).to_contain_text("This browser has no space left for Parley")
    assert not re.search("quota|denied", page.content(), re.IGNORECASE)
    notice.get_by_role("button").click()
    expect(notice).to_be_hidden()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_text("You are signed out.")).to_be_visible()


@pytest.mark.parametrize("script", [FULL, BLOCKED], ids=["full", "blocked"])
def test_what_is_not_sent_yet_waits_in_the_page(world: World, script: str) -> None:
    ada, ben, _ = world.pair()
    page = open_with(world, ada, script)
    ada.talk_to(ben)
    ada.wire.cut()
    expect(ada.status).to_have_text(re.compile("Reconnecting…"))
    ada.write("later")
    page.get_by_label("Write a message").fill("a draft")
    ada.expect_tick("later", "queued")
    page.keyboard.press("Escape")
    expect(ada.row(ben)).to_contain_text("Draft: a draft")
    ada.talk_to(ben)
    expect(page.get_by_label("Write a message")).to_have_value("a draft")
    prevented = page.evaluate(
        "() => !window.dispatchEvent(new Event('beforeunload', { cancelable: true }))"
    )
    assert prevented  # the browser asks before it loses the message
    ada.wire.mend()
    ada.expect_tick("later", "sent")


@pytest.mark.parametrize("script", [FULL, BLOCKED, MISSING], ids=["full", "blocked", "missing"])
def test_a_refresh_that_cannot_be_kept_signs_nobody_out(world: World, script: str) -> None:
    ada, ben, chat = world.pair()
    context = world.new_context()
    context.add_init_script(script)
    refused: list[str] = []

    def once(route: Route) -> None:
        """The access token runs out at the first question after signing in."""
        token = route.request.headers.get("authorization", "")
        if not refused and token:
            refused.append(token)
        if token in refused:
            problem = {"code": "unauthorized", "detail": "The token has run out."}
            route.fulfill(status=401, json=problem)
        else:
            route.continue_()

    context.route(re.compile(r"/v1/(chats|users|socket-tickets)"), once)
    ada.open(context).talk_to(ben)
    ben.post(chat, "still here?")

    expect(ada.message("still here?")).to_be_visible()
    assert len(set(refused)) == 1


@pytest.mark.parametrize("script", [FULL, BLOCKED], ids=["full", "blocked"])
def test_what_needs_storage_says_so(world: World, script: str) -> None:
    page = world.new_page()
    page.add_init_script(script)
    page.goto(world.url)
    page.get_by_role("button", name="Continue with Google").click()
    expect(page.get_by_text("This browser keeps no data of this page, so Google")).to_be_visible()
    page.get_by_text("Server", exact=True).click()
    page.get_by_label("Address of the API").fill("https://chat.example.org")
    page.get_by_role("button", name="Use this server").click()
    expect(page.get_by_text("so it cannot remember a server.")).to_be_visible()


def test_storage_that_fills_up_brings_no_older_session_back(world: World) -> None:
    page = world.new_page()
    page.goto(world.url)

    left = page.evaluate("""async () => {
        const { browser, tab } = await import("/js/browser/storage.js");
        browser.write("parley.x", "old");
        const { setItem } = Storage.prototype;
        Storage.prototype.setItem = () => { throw new DOMException("full", "QuotaExceededError") };
        const kept = browser.write("parley.x", "new");
        const seen = [kept, browser.read("parley.x"), localStorage.getItem("parley.x")];
        Storage.prototype.setItem = setItem;
        return [...seen, browser.write("parley.x", "newer"), localStorage.getItem("parley.x"),
            tab.read("parley.x")];
    }""")

    assert left == [False, "new", None, True, '"newer"', None]


def test_a_browser_that_is_told_to_keep_no_data_shows_the_page(
    world: World, playwright: Playwright, tmp_path: Path
) -> None:
    profile = tmp_path / "profile"
    (profile / "Default").mkdir(parents=True)
    blocked = {"profile": {"default_content_setting_values": {"cookies": 2}}}
    (profile / "Default" / "Preferences").write_text(json.dumps(blocked))
    ada = world.person("Ada")
    context = playwright.chromium.launch_persistent_context(
        profile,
        executable_path=CHROMIUM,
        args=["--no-sandbox", "--disable-background-networking"],
    )
    try:
        page = context.new_page()
        page.goto(world.url)
        denied = page.evaluate("() => { try { localStorage } catch (error) { return error.name } }")
        assert denied == "SecurityError"
        sign_in(page, ada.username)
        expect(page.get_by_text("No chats yet")).to_be_visible()
        expect(page.locator(".storage-notice")).to_be_visible()
    finally:
        context.close()


def test_one_module_touches_storage() -> None:
    """Besides the lines in the page itself that know the theme, and the worker with its files."""
    kept = re.compile("localStorage|sessionStorage|indexedDB|document.cookie|caches")

    touching = [path.name for path in (WEB / "js").rglob("*.js") if kept.search(path.read_text())]

    assert sorted(touching) == ["splash.js", "storage.js", "worker.js"]
