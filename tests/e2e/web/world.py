"""People with a browser each: what the tests of the web client work with."""

import re
import secrets
import time
from collections.abc import Callable
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import (
    APIRequestContext,
    Browser,
    BrowserContext,
    Locator,
    Page,
    Route,
    expect,
)

from local.web.site import WEB, BuildFailed, esbuild
from tests.e2e.web.wire import Wire

PASSWORD = "correct horse battery 42"
GREETING = "Hi, here is"
PHONE: dict[str, Any] = {
    "viewport": {"width": 390, "height": 780},
    "has_touch": True,
    "is_mobile": True,
}
# The machine may be busy; a test that fails is slow, one that passes is not.
expect.set_options(timeout=20_000)


WALK = """async (area) => {
    const frame = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
    const seen = new Map();
    for (let top = 0; ; top += 500) {
        area.scrollTop = top;
        await frame();
        for (const one of area.querySelectorAll(".message")) {
            seen.set(Number(one.ariaPosInSet), one.querySelector(".text").innerText);
        }
        if (top >= area.scrollHeight - area.clientHeight) break;
    }
    return [...seen].sort(([a], [b]) => a - b).map(([, text]) => text);
}"""
"""The texts of all loaded messages: only those near the window are in the page."""


class Person:
    """Somebody with an account and, once `open` was called, a page."""

    def __init__(self, username: str, name: str, user: dict[str, Any], world: "World") -> None:
        self.username, self.name, self.id = username, name, user["user"]["id"]
        self.token: str = user["access_token"]
        self.world = world
        self.page: Page
        self.wire: Wire

    def open(
        self, context: BrowserContext | None = None, *, own_clock: bool = False, **options: Any
    ) -> "Person":
        """A browser of one's own (or a tab in `context`), signed in."""
        self.page = self.world.new_page(context, **options)
        if own_clock:
            self.page.clock.install()
        self.wire = Wire(self.page)
        self.page.goto(self.world.url)
        sign_in(self.page, self.username)
        expect(self.page.get_by_title("Settings").first).to_contain_text(self.name)
        expect(self.status).to_be_hidden()
        return self

    def close(self) -> None:
        self.page.close()

    @property
    def status(self) -> Locator:
        return self.page.locator(".status")

    def row(self, other: "Person") -> Locator:
        """The chat with somebody, in the list."""
        return self.page.locator(".chat-row", has=self.page.get_by_text(other.name, exact=True))

    def talk_to(self, other: "Person") -> None:
        self.row(other).click()
        expect(self.page.locator(".talk h2")).to_have_text(other.name)

    def write(self, text: str) -> None:
        self.page.get_by_label("Write a message").fill(text)
        self.page.get_by_label("Write a message").press("Enter")

    def message(self, text: str) -> Locator:
        """The one message with exactly this text."""
        return self.page.locator(".message", has=self.page.get_by_text(text, exact=True))

    def all_texts(self) -> list[str]:
        """As `texts`, of all that is loaded: goes through it from the top."""
        found: list[str] = self.page.locator(".scroll").evaluate(WALK)
        return [text for text in found if not text.startswith(GREETING)]

    def texts(self) -> list[str]:
        """The texts in the page, from the top, without the greetings of a `pair`."""
        found = self.page.locator(".message .text").all_inner_texts()
        return [text for text in found if not text.startswith(GREETING)]

    def expect_tick(self, text: str, state: str) -> None:
        expect(self.message(text).locator(".tick")).to_have_attribute("data-state", state)

    def api(self, method: str, path: str, body: Any = None) -> Any:
        """Does something over HTTP, as this person but from elsewhere."""
        return self.world.call(method, path, body, self.token)

    def chat_with(self, other: "Person") -> str:
        chat = self.api("POST", "/v1/chats", {"kind": "direct", "user_id": other.id})
        return str(chat["id"])

    def post(self, chat_id: str, text: str) -> None:
        """Sends a message from elsewhere."""
        content = {"kind": "text", "text": text}
        body = {"client_id": secrets.token_hex(8), "content": content}
        self.api("POST", f"/v1/chats/{chat_id}/messages", body)


class World:
    """Makes people and pages; remembers what went wrong inside the pages."""

    def __init__(self, url: str, browser: Browser, http: APIRequestContext) -> None:
        self.url = url
        self.problems: list[str] = []
        self._browser = browser
        self._http = http
        self._contexts: list[BrowserContext] = []

    def person(self, name: str) -> Person:
        """A new account; the username is made from the name."""
        username = f"{name.split()[0].lower()}_{secrets.token_hex(4)}"
        email = f"{username}@example.org"
        body = {"email": email, "username": username, "password": PASSWORD, "display_name": name}
        return Person(username, name, self.call("POST", "/v1/auth/register", body), self)

    def pair(self) -> tuple[Person, Person, str]:
        """Two people with a chat in which both have written, and read it."""
        ada, ben, chat = self.strangers()
        for one in (ada, ben):
            one.post(chat, f"{GREETING} {one.name}")
        for one in (ada, ben):
            one.api("POST", f"/v1/chats/{chat}/read", {"seq": 2})
        return ada, ben, chat

    def strangers(self) -> tuple[Person, Person, str]:
        """Two people with an empty chat."""
        ada, ben = self.person("Ada Okafor"), self.person("Ben Lindqvist")
        return ada, ben, ada.chat_with(ben)

    def new_context(self, **options: Any) -> BrowserContext:
        """A browser of one's own. It has no service worker, unless that is what is tried."""
        given = {"locale": "en-GB", "service_workers": "block", **options}
        context = self._browser.new_context(**given)
        self._contexts.append(context)
        return context

    def new_page(self, context: BrowserContext | None = None, **options: Any) -> Page:
        page = (context or self.new_context(**options)).new_page()
        page.on("pageerror", lambda error: self.problems.append(str(error)))
        page.on("console", lambda said: self._heard(said.type, said.text))
        page.route(re.compile(r"/js/.+\.js$"), _fulfil_with_module)
        return page

    def call(self, method: str, path: str, body: Any = None, token: str | None = None) -> Any:
        """The body of an answer that must be a success; waits where there was too much at once."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        for _ in range(20):
            answer = self._http.fetch(self.url + path, method=method, data=body, headers=headers)
            if answer.status != 429:
                break
            time.sleep(float(answer.headers["retry-after"]))
        assert answer.ok, f"{method} {path}: {answer.status} {answer.text()}"
        return answer.json() if answer.body() else None

    def close(self) -> None:
        for context in self._contexts:
            context.close()

    def _heard(self, kind: str, text: str) -> None:
        # Refused requests and cut sockets are what tests ask for; all else is a bug.
        expected = ("Failed to load resource", "WebSocket")
        if kind == "error" and not text.startswith(expected):
            self.problems.append(text)


def sign_in(page: Page, login: str, password: str = PASSWORD) -> None:
    """Fills the form in and sends it."""
    page.get_by_label("Username or e-mail").fill(login)
    page.get_by_label("Password").fill(password)
    page.locator("form").get_by_role("button", name="Sign in").click()


def settings(page: Page, name: str) -> Locator:
    """The page of the settings that has this name, opened."""
    dialog = page.locator("dialog.settings")
    if not dialog.count():
        page.get_by_role("button", name="Settings", exact=True).last.click()
    line = dialog.locator(".settings-list a", has=page.get_by_text(name, exact=True))
    if not line.is_visible():
        dialog.get_by_role("button", name="Back").click()
    line.click()
    section = dialog.locator("section")
    expect(section.get_by_role("heading", name=name, exact=True)).to_be_focused()
    return section


@lru_cache
def _module(name: str) -> str:
    return esbuild(WEB, [name, "--bundle", "--format=esm"])


def _fulfil_with_module(route: Route) -> None:
    """Single modules, for tests of them: what is served is one bundle."""
    name = urlsplit(route.request.url).path.removeprefix("/")
    try:
        body = _module(name)
    except BuildFailed:
        route.abort()  # else the import of a module that is not there would wait for ever
        raise
    route.fulfill(body=body, content_type="text/javascript")


def top_of(locator: Locator) -> float:
    """Where something visible begins, in pixels from the top."""
    box = locator.bounding_box()
    assert box is not None
    return box["y"]


def wait_for(true: Callable[[], object], page: Page) -> None:
    """Returns once `true()` is."""
    deadline = time.monotonic() + 20
    while not true():
        assert time.monotonic() < deadline, "waited in vain"
        page.wait_for_timeout(50)
