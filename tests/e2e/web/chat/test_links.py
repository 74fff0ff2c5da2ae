"""Addresses in messages, as links."""

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.web.world import World

WIKI = "https://en.wikipedia.org/wiki/Parley_(disambiguation)"


def links(page: Page, text: str) -> Any:
    """[shown, target] of each link, after a check that nothing of the text was lost."""
    return page.evaluate(
        """async (text) => {
            const { linkified } = await import("/js/text/linkify.js");
            const nodes = linkified(text);
            const shown = nodes.map((node) => node.textContent ?? node).join("");
            if (shown !== text) throw new Error(`lost: ${shown}`);
            return nodes.filter((node) => node.href)
                .map((node) => [node.textContent, node.getAttribute("href")]);
        }""",
        text,
    )


@pytest.fixture
def page(world: World) -> Page:
    page = world.new_page()
    page.goto(world.url)
    return page


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (f"see {WIKI}.", [(WIKI, WIKI)]),
        (f"(see {WIKI})", [(WIKI, WIKI)]),
        ("(https://a.example/b)", [("https://a.example/b", "https://a.example/b")]),
        ("[https://a.example/b[1]]!", [("https://a.example/b[1]", "https://a.example/b[1]")]),
        ("https://a.example/?q={x}}…", [("https://a.example/?q={x}", "https://a.example/?q={x}")]),
        ("www.example.org, or", [("www.example.org", "https://www.example.org")]),
        ("WWW.Example.org/a", [("WWW.Example.org/a", "https://WWW.Example.org/a")]),
        ("mail ada@example.org.", [("ada@example.org", "mailto:ada@example.org")]),
        (
            "<a.b+c@mail.example.org>",
            [("a.b+c@mail.example.org", "mailto:a.b%2Bc@mail.example.org")],
        ),
        ("zoë@bücher.example", [("zoë@bücher.example", "mailto:zo%C3%AB@b%C3%BCcher.example")]),
        (
            "http://a.example http://b.example",
            [("http://a.example", "http://a.example"), ("http://b.example", "http://b.example")],
        ),
        ("https://a.example/😀", [("https://a.example/😀", "https://a.example/😀")]),
        ("https://a.example/x\u202egnp.exe", [("https://a.example/x", "https://a.example/x")]),
    ],
)
def test_are_whole_and_end_before_the_sentence_does(
    page: Page, text: str, found: list[tuple[str, str]]
) -> None:
    assert links(page, text) == [list(one) for one in found]


@pytest.mark.parametrize(
    "text",
    [
        "javascript:alert(1) data:text/html,x file:///etc vbscript:x",
        "//example.org example.org ftp://example.org",
        "www. www.a www.localhost https:// http://. https://)",
        "https://bank.example@evil.example/ https://a:b@c.example",
        "a@b @ada ada@ a@b.c @example.org a..b@@c.org",
        "nothttps://example.org awww.example.org",
        "a\ud83d",
    ],
)
def test_nothing_else_is_one(page: Page, text: str) -> None:
    assert links(page, text) == []


@pytest.mark.parametrize("part", ["(", ")", "www.", "a@", "a.a", "https://", "https://a.b)", "🙂"])
def test_a_long_text_of_any_kind_is_shown_at_once(page: Page, part: str) -> None:
    text = f"https://a.example/{part * (4096 // len(part))}"
    took = page.evaluate(
        """async (text) => {
            const { linkified } = await import("/js/text/linkify.js");
            linkified(text.slice(0, 100));
            const before = performance.now();
            linkified(text); linkified(text.slice(18)); linkified("x".repeat(9) + text);
            return performance.now() - before;
        }""",
        text,
    )

    assert took < 2_000  # seconds where it depends on more than the length


def test_a_mail_address_opens_no_page(world: World) -> None:
    ada, ben, chat = world.strangers()
    ben.post(chat, f"{WIKI}, www.example.org or me@example.org")
    ada.open().talk_to(ben)
    shown = ada.page.locator(".theirs .text a")
    expect(shown).to_have_text([WIKI, "www.example.org", "me@example.org"])
    assert shown.nth(0).get_attribute("target") == "_blank"
    assert shown.nth(1).get_attribute("rel") == "noopener noreferrer"
    assert shown.nth(2).get_attribute("target") is None
