"""Answers that ask for patience, that name no request, or that never come."""

import json
import re
from typing import Any

import pytest
from playwright.sync_api import Page, Route, WebSocketRoute, expect

from tests.e2e.web.world import PASSWORD, World, settings, sign_in, wait_for

TOO_MANY = {"code": "rate_limited", "detail": "Too many requests. Try again in 90 seconds."}


@pytest.mark.parametrize(
    ("header", "wait"),
    [
        ("90", 90_000),
        (" 2 ", 2_000),
        ("0", None),
        ("Sun, 06 Nov 1994 08:50:37 GMT", 60_000),
        ("Sunday, 06-Nov-94 08:50:37 GMT", 60_000),
        ("Sun Nov  6 08:50:37 1994", 60_000),
        ("Sun, 06 Nov 1994 08:49:37 GMT", None),
        ("Sat, 05 Nov 1994 08:49:37 GMT", None),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 3_600_000),
        ("99999999999999999999", 3_600_000),
        ("-5", None),
        ("1.5", None),
        ("soon", None),
        ("Sun, 99 Nov 1994 99:99:99 GMT", None),
        ("", None),
        (None, None),
    ],
)
def test_a_wait_is_in_seconds_or_until_a_date_and_bounded(
    world: World, header: str | None, wait: int | None
) -> None:
    page = world.new_page()
    page.goto(world.url)

    found = page.evaluate(
        """async (header) => {
            const { waitOf } = await import("/js/server/errors.js");
            return waitOf(header, Date.UTC(1994, 10, 6, 8, 49, 37));
        }""",
        header,
    )

    assert found == wait


def test_nothing_in_the_page_tries_again_before_the_server_wants_it(world: World) -> None:
    ada = world.person("Ada")
    page = world.new_page()
    page.clock.install()
    page.goto(world.url)
    asked: list[str] = []

    def refuse(route: Route) -> None:
        asked.append(route.request.url)
        route.fulfill(status=429, json=TOO_MANY, headers={"Retry-After": "90"})

    page.route("**/v1/auth/login", refuse)
    sign_in(page, ada.username)
    button = page.locator("form").get_by_role("button", name="Sign in")
    expect(page.get_by_text("Try again in 90 seconds.")).to_be_visible()
    expect(button).to_be_disabled()
    page.get_by_label("Password").press("Enter")
    page.clock.run_for(88_000)
    expect(button).to_be_disabled()
    assert len(asked) == 1

    page.clock.run_for(3_000)
    expect(button).to_be_enabled()
    page.unroute_all()
    button.click()
    expect(page.get_by_text("No chats yet")).to_be_visible()


def test_a_date_holds_every_kind_of_button(world: World) -> None:
    page = world.person("Ada").open().page

    def refuse(route: Route) -> None:
        date = page.evaluate("() => new Date(Date.now() + 600_000).toUTCString()")
        route.fulfill(status=503, json=TOO_MANY, headers={"Retry-After": date})

    page.route(re.compile("/v1/auth/(email|sessions)|/v1/users/me$|/v1/users.username"), refuse)
    page.locator(".verification").get_by_role("button", name="Send the link again").click()
    expect(page.locator(".verification")).to_contain_text("Try again in 10 minutes.")
    expect(page.get_by_role("button", name="Send the link again")).to_be_disabled()
    page.get_by_role("searchbox").fill("somebody")
    page.get_by_role("searchbox").press("Enter")
    expect(page.locator(".find-problem")).to_contain_text("Try again in 10 minutes.")
    settings(page, "Notifications")
    switch = page.get_by_label("Show what a message says")
    switch.uncheck()
    expect(page.locator("#previews-note")).to_contain_text("Try again in 10 minutes.")
    expect(switch).to_be_disabled()
    expect(switch).to_be_checked()
    settings(page, "Profile")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("button", name="Save")).to_be_disabled()


def test_history_is_asked_for_again_when_the_wait_is_over(world: World) -> None:
    ada, ben, _ = world.pair()
    ada.open()
    page = ada.page
    asked: list[str] = []

    def refuse(route: Route) -> None:
        asked.append(route.request.url)
        route.fulfill(status=429, json=TOO_MANY, headers={"Retry-After": "90"})

    page.route(re.compile("before="), refuse)
    ada.talk_to(ben)
    start = page.locator(".history-start")
    expect(start).to_contain_text("Try again in 90 seconds.")
    expect(start.get_by_role("button", name="Try again")).to_be_disabled()
    page.keyboard.press("Escape")
    ada.talk_to(ben)
    expect(start).to_contain_text("Try again in 90 seconds.")
    assert len(asked) == 1


def test_words_of_a_gateway_are_not_shown(world: World) -> None:
    page = world.new_page()
    page.goto(world.url)
    answers: list[Any] = [
        (429, {"message": "Limit Exceeded"}),
        (503, {"message": "Service Unavailable", "detail": "upstream 10.0.0.1"}),
        (403, {"message": "Missing Authentication Token"}),
        (502, None),
    ]

    def refuse(route: Route) -> None:
        status, body = answers.pop(0)
        route.fulfill(status=status, json=body)

    page.route("**/v1/auth/login", refuse)
    said = page.locator(".form-message.is-problem")
    sentences = []
    while answers:
        sign_in(page, "somebody")
        expect(said).not_to_be_empty()
        sentences.append(said.inner_text())

    assert sentences == [
        "Too many requests at once. Wait a moment and try again.",
        "The server is having trouble. Try again in a moment.",
        "The server did not accept that.",
        "The server is having trouble. Try again in a moment.",
    ]


def test_what_is_wrong_is_said_where_there_is_no_field_for_it(world: World) -> None:
    page = world.new_page()
    page.goto(world.url)

    found = page.evaluate("""async () => {
        const { fromFrame, told } = await import("/js/server/errors.js");
        const errors = [{ field: "content.text", message: "Write at most 4096 characters." }];
        const refused = { code: "validation_failed", message: "Not valid.", errors };
        return [told(fromFrame(refused)), told(new TypeError("x is not a function")),
            told(new DOMException("The quota has been exceeded.", "QuotaExceededError"))];
    }""")

    mistake = "Something went wrong on this page. Reload it and try again."
    assert found == ["Write at most 4096 characters.", mistake, mistake]


class Answers:
    """The socket of one page, whose answers to some actions are replaced."""

    def __init__(self, page: Page, action: str, answer: Any) -> None:
        self.tried = 0
        self.action: str | None = action
        self._answer = answer
        page.route_web_socket(re.compile(r"\?ticket="), self._open)

    def _open(self, socket: WebSocketRoute) -> None:
        server = socket.connect_to_server()

        def from_page(text: str | bytes) -> None:
            frame = json.loads(text)
            if frame["action"] != self.action:
                server.send(text)
                return
            self.tried += 1
            if self._answer is not None:
                socket.send(json.dumps(self._answer))

        socket.on_message(from_page)


REFUSED = {"code": "bad_request", "message": "In the words of the server."}
SAID = "The request is not valid JSON."
"""The client's own sentence for the code."""


@pytest.mark.parametrize("reply", [{"re": None}, {}], ids=["null", "missing"])
def test_an_answer_that_names_no_request_fails_the_one_that_waits(
    world: World, reply: dict[str, Any]
) -> None:
    ada, ben, _ = world.pair()
    ada.page = world.new_page()
    wire = Answers(ada.page, "message.send", {**reply, "error": REFUSED})
    ada.page.goto(world.url)
    sign_in(ada.page, ada.username)
    ada.talk_to(ben)
    expect(ada.status).to_be_hidden()
    ada.write("what is this")

    expect(ada.page.locator(".failure")).to_contain_text(SAID, timeout=8_000)
    assert wire.tried == 1
    wire.action = None
    ada.write("the next one")
    ada.expect_tick("the next one", "sent")
    ada.page.locator(".failure").get_by_role("button", name="Try again").click()
    ada.expect_tick("what is this", "sent")


def test_a_message_whose_answers_name_unknown_requests_fails_in_half_a_minute(world: World) -> None:
    ada, ben, _ = world.pair()
    ada.page = world.new_page()
    wire = Answers(ada.page, "message.send", {"re": "unknown", "data": {}})
    ada.page.goto(world.url)
    sign_in(ada.page, ada.username)
    ada.talk_to(ben)
    expect(ada.status).to_be_hidden()
    ada.write("anybody?")

    failure = ada.page.locator(".failure")
    expect(failure).to_contain_text("The server did not answer. Try again.", timeout=60_000)
    assert wire.tried == 3
    wire.action = None
    failure.get_by_role("button", name="Try again").click()
    ada.expect_tick("anybody?", "sent")


def test_of_several_requests_the_unanswered_one_fails(world: World) -> None:
    page = world.new_page()
    page.goto(world.url)

    found = page.evaluate("""async () => {
        const { Socket } = await import("/js/server/socket.js");
        let sent = [];
        window.WebSocket = class {
            constructor() { setTimeout(() => this.onopen()); window.s = this; }
            send(text) { sent.push(JSON.parse(text)); } close() {} };
        const socket = new Socket({ getTicket: async () => ({ url: "ws://x", ticket: "t" }),
            onState: () => null, onEvent: () => null });
        socket.start();
        while (!socket.open) await new Promise((done) => setTimeout(done, 10));
        const first = socket.request("a").then(() => "answered", (error) => error);
        const second = socket.request("b").then(() => "answered", (error) => error);
        const say = (frame) => window.s.onmessage({ data: JSON.stringify(frame) });
        say({ re: null, error: { code: "bad_request", message: "No JSON." } });
        say({ re: sent[1].id, data: {} });
        say(null); say(7); say({ re: "99", data: {} });
        const { message, transient } = await first;
        return [message, transient, await second];
    }""")

    assert found == [SAID, False, "answered"]


def test_the_next_connection_waits_as_the_server_asks(world: World) -> None:
    ada = world.person("Ada")
    page = world.new_page()
    page.clock.install()
    asked: list[str] = []

    def refuse(route: Route) -> None:
        asked.append(route.request.url)
        route.fulfill(status=429, json=TOO_MANY, headers={"Retry-After": "90"})

    page.route("**/v1/socket-tickets", refuse)
    page.goto(world.url)
    sign_in(page, ada.username, PASSWORD)
    expect(page.locator(".status")).to_be_visible()
    wait_for(lambda: asked, page)
    expect(page.get_by_role("button", name="Try now")).to_be_hidden()
    page.evaluate("() => window.dispatchEvent(new Event('online'))")
    page.clock.run_for(85_000)
    assert len(asked) == 1
    page.unroute_all()
    page.clock.run_for(10_000)
    expect(page.locator(".status")).to_be_hidden()
