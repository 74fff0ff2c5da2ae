"""A chat of thousands of messages, and a list of a thousand chats: few nodes, and no jumps."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from statistics import median
from typing import Any

import pytest
from playwright.sync_api import CDPSession, Locator, Page, Route, expect

from tests.e2e.web.wire import Wire
from tests.e2e.web.world import Person, World, sign_in, top_of, wait_for

MESSAGES = 3000
CHATS = 1000
PAGE = 250
"""More than the client asks for, so that the whole history is there sooner."""
MOST_NODES = 900
FEW = 200
"""Messages, or chats: more than fit into the window, and few to work on."""
MOST_TIMES = 3.0
"""A step may take so many times the work that it takes with FEW. Milliseconds would depend on what
else the machine does: they are in docs/benchmarks.md."""
START = datetime(2026, 1, 1, 8, tzinfo=UTC)
BEGINNING = "This is where your chat begins."
SAID = "so we went to the harbour and looked at the old boats until it rained"
SCROLL = """async (by) => {
    const area = document.querySelector(".scroll");
    area.scrollTop += by;
    await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
    return { top: area.scrollTop, nodes: area.querySelectorAll("*").length,
        left: area.scrollHeight - area.scrollTop - area.clientHeight };
}"""


def message(chat: str, seq: int, sender: str) -> dict[str, Any]:
    """One of many, as the server would tell it. Its length and its sender go by its number."""
    text = f"#{seq} {SAID * 5}"[: 5 + seq * 67 % 300]
    time = (START + timedelta(minutes=4 * seq)).isoformat().replace("+00:00", "Z")
    place = {"id": f"m{seq}", "client_id": f"c{seq}", "chat_id": chat, "seq": seq, "rev": seq}
    said = {"sender_id": sender, "content": {"kind": "text", "text": text}, "created_at": time}
    return {**place, **said, "edited_at": None, "deleted_at": None}


class LongChat:
    """The open page of somebody whose only chat has a long history. The history is made up, so that
    nobody has to write it."""

    def __init__(self, world: World, messages: int = MESSAGES) -> None:
        self.ada, self.ben, self.chat = world.pair()
        self.messages = messages
        page = self.ada.page = world.new_page()
        self.ada.wire = Wire(page)
        page.route(re.compile(r"/v1/chats\?"), self._chats)
        page.route(re.compile(r"before="), self._history)
        page.goto(world.url)
        sign_in(page, self.ada.username)
        self.ada.talk_to(self.ben)
        expect(page.locator(".message").nth(10)).to_be_attached()
        self.page = page
        self.costs = Costs(page)
        self.next = messages + 1
        self.most_nodes = 0

    def scroll(self, by: int) -> dict[str, float]:
        at: dict[str, float] = self.costs.of("scroll", lambda: self.page.evaluate(SCROLL, by))
        self.most_nodes = max(self.most_nodes, int(at["nodes"]))
        return at

    def receive(self) -> str:
        """One more message of Ben's; answers the beginning of its text."""
        seq = self.next
        self.next += 1
        self.ada.wire.say("message.new", message(self.chat, seq, self.ben.id))
        return f"#{seq} "

    def _sender(self, seq: int) -> str:
        sender: str = (self.ada, self.ben)[seq // 3 % 2].id
        return sender

    def _chats(self, route: Route) -> None:
        answer = route.fetch()
        body = answer.json()
        last = message(self.chat, self.messages, self._sender(self.messages))
        for item in body["items"]:
            item.update(last_message=last, last_rev=self.messages, unread_count=0)
            for receipts in (item["me"], item["partner"]):
                receipts.update(read_seq=self.messages, delivered_seq=self.messages)
        route.fulfill(response=answer, json=body)

    def _history(self, route: Route) -> None:
        found = re.search(r"before=(\d+)", route.request.url)
        assert found is not None
        end = int(found[1])
        first = max(1, end - PAGE)
        items = [message(self.chat, seq, self._sender(seq)) for seq in range(first, end)]
        route.fulfill(json={"items": items, "next": str(first) if first > 1 else None})


class Costs:
    """What the main thread works for a step, in its own time: other processes do not count."""

    def __init__(self, page: Page) -> None:
        self._session: CDPSession = page.context.new_cdp_session(page)
        self._session.send("Performance.enable", {"timeDomain": "threadTicks"})
        self._found: dict[str, list[float]] = {}

    def of(self, step: str, act: Callable[[], Any]) -> Any:
        before = self._worked()
        done = act()
        self._found.setdefault(step, []).append(self._worked() - before)
        return done

    @property
    def usual(self) -> dict[str, float]:
        """The median of each step, in ms. One step alone may meet a garbage collection."""
        return {step: median(found) for step, found in self._found.items()}

    def _worked(self) -> float:
        metrics = self._session.send("Performance.getMetrics")["metrics"]
        (seconds,) = [one["value"] for one in metrics if one["name"] == "TaskDuration"]
        return float(seconds) * 1000


def test_a_chat_of_3000_messages_stays_smooth(world: World) -> None:
    short, long = LongChat(world, FEW), LongChat(world)
    _read_back(short)
    _read_back(long)
    assert long.most_nodes < MOST_NODES
    _compare(long.costs, short.costs)


def _read_back(long: LongChat) -> None:
    """Goes through all of a chat, and writes and receives in it."""
    page, area = long.page, long.page.locator(".scroll")
    # All the way up, page after page.
    while not page.get_by_text(BEGINNING).count():
        first = page.locator(".message").first.get_attribute("data-key")
        if long.scroll(-2000)["top"] == 0:
            changed = f"document.querySelector('.message')?.dataset.key !== {first!r}"
            page.wait_for_function(f"() => {changed} || document.querySelector('.beginning')")
    while long.scroll(-2000)["top"]:
        pass
    expect(page.locator(".message").first).to_contain_text("#1 ")
    # Down to the middle, where what arrives moves nothing.
    for _ in range(long.messages // 150):
        long.scroll(1500)
    anchor = page.locator(".message", has_text=re.compile(r"#\d")).nth(12)
    key = anchor.get_attribute("data-key")
    anchor = page.locator(f'[data-key="{key}"]')
    before = top_of(anchor)
    unread = page.locator(".jump .badge")
    for count in range(1, 6):
        long.costs.of("receive", partial(_receive, long, unread, str(count)))
    assert top_of(anchor) == pytest.approx(before, abs=2)
    # And back to the end, at once.
    page.get_by_role("button", name="Go to the newest message").click()
    expect(page.locator(".message").last).to_be_in_viewport()
    box = page.get_by_label("Write a message")
    box.focus()
    for _ in range(10):
        long.costs.of("type", lambda: page.keyboard.type("a"))
    text = long.receive()
    expect(page.locator(".message", has_text=text)).to_be_in_viewport()
    assert area.evaluate("area => area.querySelectorAll('*').length") < MOST_NODES


def _receive(long: LongChat, unread: Locator, count: str) -> None:
    long.receive()
    expect(unread).to_have_text(count)


def _compare(many: Costs, few: Costs) -> None:
    usual = {step: (few.usual[step], cost) for step, cost in many.usual.items()}
    assert {step: both for step, both in usual.items() if both[1] > MOST_TIMES * both[0]} == {}


def test_scrolling_back_is_steady_though_heights_were_guessed(world: World) -> None:
    long = LongChat(world)
    for _ in range(12):
        long.scroll(-900)
        node = long.page.evaluate_handle(
            """() => {
                const { top } = document.querySelector(".scroll").getBoundingClientRect();
                return [...document.querySelectorAll(".message")].find((one) =>
                    one.firstElementChild.getBoundingClientRect().top > top + 100);
            }"""
        ).as_element()
        assert node is not None
        before = node.bounding_box()
        long.scroll(-40)
        after = node.bounding_box()
        assert before is not None
        assert after is not None
        assert after["y"] - before["y"] == pytest.approx(40, abs=2)


def test_keys_lead_through_the_messages_and_the_focus_stays(world: World) -> None:
    long = LongChat(world)
    page = long.page
    focused = page.locator(".message:focus")
    page.get_by_label("Write a message").focus()
    for _ in range(2):
        page.keyboard.press("Shift+Tab")
    expect(focused).to_contain_text(f"#{MESSAGES} ")
    page.keyboard.press("ArrowUp")
    expect(focused).to_contain_text(f"#{MESSAGES - 1} ")
    page.keyboard.press("PageUp")
    expect(focused).not_to_contain_text(f"#{MESSAGES - 1} ")
    expect(focused).to_be_in_viewport()
    page.keyboard.press("End")
    expect(focused).to_contain_text(f"#{MESSAGES} ")
    # Far away from the window, it still has the focus, and keys go on from it.
    for _ in range(5):
        long.scroll(-2000)
    expect(focused).to_contain_text(f"#{MESSAGES} ")
    expect(focused).not_to_be_in_viewport()
    page.keyboard.press("ArrowUp")
    expect(focused).to_contain_text(f"#{MESSAGES - 1} ")
    expect(focused).to_be_in_viewport()
    page.keyboard.press("Home")
    expect(focused).not_to_contain_text(f"#{MESSAGES - 1} ")
    expect(focused).to_be_in_viewport()
    expect(focused).to_have_attribute("aria-setsize", "-1")  # nobody knows how many are earlier


def test_what_is_selected_stays_while_scrolling(world: World) -> None:
    long = LongChat(world)
    long.page.evaluate("""() => {
        const nodes = [...document.querySelectorAll(".message .text")].slice(-3);
        getSelection().setBaseAndExtent(nodes[0].firstChild, 0, nodes[2].firstChild, 3);
    }""")
    selected = long.page.evaluate("() => String(getSelection())")
    for _ in range(3):
        long.scroll(-900)
    assert long.page.evaluate("() => String(getSelection())") == selected
    long.page.evaluate("() => getSelection().removeAllRanges()")


def test_a_list_of_1000_chats_stays_smooth(world: World) -> None:
    _compare(_beside_a_list(world, CHATS), _beside_a_list(world, FEW))


def _beside_a_list(world: World, chats: int) -> Costs:
    """Goes through a list of chats, and types beside it."""
    ada, ben, chat = world.pair()
    page = ada.page = world.new_page()
    ada.wire = Wire(page)
    page.route(re.compile(r"/v1/chats\?"), lambda route: _many_chats(route, chat, chats))
    page.route(re.compile(r"/v1/users\?ids="), lambda route: _made_up_people(route, ben))
    page.goto(world.url)
    sign_in(page, ada.username)
    expect(page.locator(".chat-row").nth(5)).to_be_visible()
    wait_for(lambda: "…" not in page.locator(".chat-name").all_inner_texts(), page)
    assert page.locator(".chat-row").count() < 60

    page.locator(".chat-row").first.focus()
    page.keyboard.press("End")
    expect(page.locator(".chat-row:focus")).to_be_in_viewport()
    last = page.locator(".chats > li").last
    expect(last).to_have_attribute("aria-posinset", str(chats))
    page.keyboard.press("Home")
    expect(page.locator(".chats > li").first).to_have_attribute("aria-posinset", "1")
    ada.talk_to(ben)
    costs = Costs(page)
    page.get_by_label("Write a message").focus()
    for _ in range(10):
        costs.of("type", lambda: page.keyboard.type("a"))
    return costs


def _many_chats(route: Route, chat: str, chats: int) -> None:
    answer = route.fetch()
    body = answer.json()
    (real,) = [item for item in body["items"] if item["id"] == chat]
    for at in range(1, chats):
        partner = {**real["partner"], "user_id": f"u{at}"}
        last = {**message(f"c{at}", 1, f"u{at}"), "created_at": START.isoformat()}
        about = {"partner": partner, "last_message": last, "last_activity_at": START.isoformat()}
        body["items"].append({**real, **about, "id": f"c{at}", "last_rev": 1, "unread_count": 0})
    route.fulfill(response=answer, json={**body, "next": None})


def _made_up_people(route: Route, ben: Person) -> None:
    ids = route.request.url.partition("ids=")[2].replace("%2C", ",").split(",")
    names = {one: f"Person {one}" for one in ids} | {ben.id: ben.name}
    about = {"about": "", "avatar_url": None, "deleted": False}
    people = [{"id": one, "username": one, "display_name": names[one], **about} for one in ids]
    route.fulfill(json={"items": people})
