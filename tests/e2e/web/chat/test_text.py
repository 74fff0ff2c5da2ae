"""Text of any language and any damage: what is sent, cut and shown of it."""

import json
import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.web.world import World, settings, sign_in

HALF = "\\ud83d"
"""Half of an emoji, as JavaScript writes it: no text of any language has it alone."""


def evaluated(world: World, module: str, call: str) -> Any:
    page = world.new_page()
    page.goto(world.url)
    return page.evaluate(
        f"async () => {{ const m = await import('/js/text/{module}'); return {call}; }}"
    )


def put(page: Page, label: str, text: str) -> None:
    """Gives a field a text that no keyboard makes. `text` is written as in JavaScript."""
    page.get_by_label(label, exact=True).evaluate(
        f'field => {{ field.value = "{text}"; field.dispatchEvent(new Event("input")) }}'
    )


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Ada Okafor", "AO"),
        ("  Ada \\t\\n  Okafor  ", "AO"),
        ("ada\\u00a0\\u2003okafor", "AO"),
        ("\\ud83d\\udc69\\u200d\\ud83d\\ude80 Rocket", "\\ud83d\\udc69\\u200d\\ud83d\\ude80R"),
        ("\\ud83c\\uddf8\\ud83c\\uddea Sven", "\\ud83c\\uddf8\\ud83c\\uddeaS"),
        ("\\ud83d\\udc4d\\ud83c\\udffd", "\\ud83d\\udc4d\\ud83c\\udffd"),
        ("e\\u0301mile zola", "E\\u0301Z"),
        ("\\u0928\\u093f\\u0936\\u093e", "\\u0928\\u093f"),
        ("\\u00dfen", "\\u00df"),
        ("(Ada) \\u201cOkafor\\u201d", "AO"),
        ("\\u202eAda", "A"),
        ("!! ??", "!?"),
        ("\\u200b\\u0301", "?"),
        ("\\ud83d", "?"),
        ("", "?"),
    ],
    ids=[
        *("two words", "runs of white space", "other white space", "joined emoji", "flag"),
        *("skin tone", "combining mark", "mark that is drawn before", "two capitals", "brackets"),
        *("turned around", "marks alone", "nothing to see", "half an emoji", "empty"),
    ],
)
def test_initials_are_whole_characters(world: World, name: str, shown: str) -> None:
    assert evaluated(world, "format.js", f'm.initials("{name}")') == json.loads(f'"{shown}"')


def test_halves_of_pairs_are_replaced_and_pairs_are_kept(world: World) -> None:
    text = f"a{HALF}b\\ude00c\\ud83d\\ude00{HALF}"

    sent = evaluated(world, "text.js", f'm.toJson({{ a: ["{text}"], n: 1, none: null }})')

    assert json.loads(sent) == {"a": ["a\ufffdb\ufffdc😀\ufffd"], "n": 1, "none": None}


def test_half_an_emoji_is_sent_as_a_replacement_and_the_next_message_follows(world: World) -> None:
    ada, ben, _ = world.pair()
    ada.open().talk_to(ben)
    ben.open().talk_to(ada)

    put(ada.page, "Write a message", f"half {HALF}")
    ada.page.get_by_label("Send").click()
    ada.write("whole")

    ada.expect_tick("whole", "read")
    assert ben.texts() == ["half \ufffd", "whole"]


def test_half_an_emoji_goes_into_every_other_field_too(world: World) -> None:
    ada = world.person("Ada").open()
    page = ada.page
    put(page, "Find a chat or a username", f"x{HALF}")
    page.get_by_role("searchbox").press("Enter")
    expect(page.locator(".find-problem")).not_to_be_empty()
    settings(page, "Profile")
    put(page, "Your name", f"Ada {HALF}")
    put(page, "About you", f"{HALF}")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved.")).to_be_visible()
    assert ada.api("GET", "/v1/users/me")["display_name"] == "Ada \ufffd"

    other = world.new_page()
    other.goto(world.url)
    put(other, "Password", f"{HALF}")
    put(other, "Username or e-mail", f"{HALF}")
    other.locator("form").get_by_role("button", name="Sign in").click()
    expect(other.locator(".form-message.is-problem")).not_to_be_empty()
    sign_in(other, ada.username)
    expect(other.get_by_text("No chats yet")).to_be_visible()


def test_a_name_is_measured_in_characters_and_never_cut(world: World) -> None:
    ada = world.person("Ada").open()
    page = ada.page
    settings(page, "Profile")
    name = page.get_by_label("Your name")
    name.fill("😀" * 65)
    expect(page.get_by_text("1 over the limit of 64 characters.")).to_be_visible()
    page.get_by_role("button", name="Save").click()
    expect(name).to_be_focused()
    expect(name).to_have_value("😀" * 65)
    assert ada.api("GET", "/v1/users/me")["display_name"] == "Ada"

    name.fill("😀" * 64)
    page.get_by_role("button", name="Save").click()

    expect(page.get_by_text("Saved.")).to_be_visible()
    assert ada.api("GET", "/v1/users/me")["display_name"] == "😀" * 64


def test_no_file_cuts_text_by_code_units(world: World) -> None:
    sources = evaluated(
        world,
        "text.js",
        """Promise.all(performance.getEntriesByType("resource").map((one) => one.name)
            .filter((name) => name.endsWith(".js"))
            .map(async (name) => [name, await (await fetch(name)).text()]))""",
    )

    for name, source in sources:
        assert not re.search(r"maxlength|\.substr|charAt\(|charCodeAt", source), name


def test_many_combining_marks_stay_in_their_bubble(world: World) -> None:
    ada, ben, chat = world.pair()
    heap = "Z" + "\u0335\u0310\u0301" * 60
    ben.post(chat, "above")
    ben.post(chat, heap)
    ada.open().talk_to(ben)
    bubble = ada.page.locator(".message", has_text="Z").last.locator(".bubble")

    expect(bubble).to_have_css("overflow", "clip")
