"""What somebody began to write."""

import json
import re

from playwright.sync_api import Dialog, Page, expect

from tests.e2e.web.world import Person, World, sign_in

DAY = 86_400_000


def drafts(page: Page) -> list[str]:
    kept = page.evaluate("() => Object.entries(localStorage)")
    return [json.loads(value)["text"] for key, value in kept if key.startswith("parley.draft.")]


def begun(writer: Person, reader: Person, text: str) -> Page:
    """A browser of the writer, who began to write to the reader."""
    page = writer.open().page
    writer.talk_to(reader)
    page.get_by_label("Write a message").fill(text)
    return page


def test_a_draft_is_shown_in_the_list_and_survives_a_reload(world: World) -> None:
    ada, ben, _ = world.pair()
    page = begun(ada, ben, "half a thought 👩‍🚀")
    page.reload()
    expect(page.get_by_label("Write a message")).to_have_value("half a thought 👩‍🚀")
    page.keyboard.press("Escape")
    expect(ada.row(ben)).to_contain_text("Draft: half a thought 👩‍🚀")

    ada.talk_to(ben)
    page.get_by_label("Write a message").press("Enter")
    ada.expect_tick("half a thought 👩‍🚀", "sent")
    page.keyboard.press("Escape")
    expect(ada.row(ben)).not_to_contain_text("Draft")
    assert drafts(page) == []


def test_it_survives_a_sign_out_elsewhere_and_nobody_else_sees_it(world: World) -> None:
    ada, ben, _ = world.pair()
    cleo = world.person("Cleo Marsh")
    cleo.post(cleo.chat_with(ben), "hello")
    page = begun(ada, ben, "a secret thought")
    ada.api("DELETE", "/v1/auth/sessions")
    expect(page.get_by_text("You were signed out from another device.")).to_be_visible()
    assert "secret" not in page.content()

    sign_in(page, ben.username)
    expect(page.get_by_title("Settings").first).to_contain_text(ben.name)
    for name in (ada.name, cleo.name):
        page.locator(".chat-row", has_text=name).click()
        expect(page.locator(".talk h2")).to_have_text(name)
        expect(page.get_by_label("Write a message")).to_have_value("")
    assert "secret" not in page.content()
    page.get_by_role("button", name="Sign out").click()

    sign_in(page, ada.username)
    expect(ada.row(ben)).to_contain_text("Draft: a secret thought")
    ada.talk_to(ben)
    expect(page.get_by_label("Write a message")).to_have_value("a secret thought")


def test_signing_out_asks_before_it_removes_them(world: World) -> None:
    ada, ben, _ = world.pair()
    page = begun(ada, ben, "do not lose me")
    asked: list[str] = []

    def no(dialog: Dialog) -> None:
        asked.append(dialog.message)
        dialog.dismiss()

    page.once("dialog", no)
    page.get_by_role("button", name="Sign out").click()
    assert asked == ["You have 1 draft. Sign out and lose that?"]
    expect(page.get_by_label("Write a message")).to_have_value("do not lose me")

    page.once("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_text("You are signed out.")).to_be_visible()
    assert drafts(page) == []


def test_each_chat_has_its_own_and_two_tabs_share_it(world: World) -> None:
    ada, ben, _ = world.pair()
    cleo = world.person("Cleo Marsh")
    cleo.post(cleo.chat_with(ada), "hello")
    page = begun(ada, ben, "to ben")
    ada.talk_to(cleo)
    expect(page.get_by_label("Write a message")).to_have_value("")
    page.get_by_label("Write a message").fill("to cleo")
    expect(ada.row(ben)).to_contain_text("Draft: to ben")

    second = world.person("Nobody")
    second.username, second.name = ada.username, ada.name
    second.open(page.context)
    expect(second.row(cleo)).to_contain_text("Draft: to cleo")
    second.talk_to(ben)
    expect(second.page.get_by_label("Write a message")).to_have_value("to ben")
    second.write("to ben")
    expect(ada.row(ben)).not_to_contain_text("Draft")
    second.page.get_by_label("Write a message").fill("more to ben")
    expect(ada.row(ben)).to_contain_text("Draft: more to ben")


def test_they_expire_and_are_bounded_and_whole(world: World) -> None:
    page = world.new_page()
    page.goto(world.url)

    found = page.evaluate(
        """async (day) => {
            const { Drafts } = await import("/js/chats/drafts.js");
            const keep = (key, value) => localStorage.setItem("parley.draft." + key, value);
            keep("ada.old", JSON.stringify({ text: "old", at: Date.now() - 31 * day }));
            keep("ben.old", JSON.stringify({ text: "old", at: Date.now() - 31 * day }));
            keep("ada.new", JSON.stringify({ text: "new", at: Date.now() - 29 * day }));
            keep("ada.future", JSON.stringify({ text: "x", at: Date.now() + 99 * day }));
            keep("ada.damaged", "{");
            keep("ada.wrong", "[7]");
            const drafts = new Drafts("ada", () => null);
            const first = Object.keys(localStorage).filter((key) => key.includes(".draft."));
            for (let n = 0; n < 150; n += 1) drafts.set(`chat-${n}`, `text ${n}`);
            const count = drafts.count;
            drafts.set("long", "👩‍🚀".repeat(10_000));
            const long = new Drafts("ada", () => null).of("long");
            return [first, count, drafts.of("new"), drafts.of("chat-149"), long.length,
                long.length % "👩‍🚀".length, long.isWellFormed()];
        }""",
        DAY,
    )

    first, count, oldest, newest, length, part, whole = found
    assert first == ["parley.draft.ada.new"]
    assert count == 100
    assert (oldest, newest) == ("", "text 149")
    assert 16_000 < length <= 16_384
    assert (part, whole) == (0, True)


def test_a_text_that_is_kept_in_part_stays_whole_in_its_field(world: World) -> None:
    ada, ben, chat = world.pair()
    page = begun(ada, ben, "x" * 20_000)
    ben.post(chat, "draws the page again")
    expect(ada.message("draws the page again")).to_be_visible()

    expect(page.get_by_label("Write a message")).to_have_value(re.compile("^x{20000}$"))


def test_a_text_over_the_limit_is_kept_too(world: World) -> None:
    ada, ben, _ = world.pair()
    page = begun(ada, ben, "long " * 1000)
    page.reload()

    expect(page.get_by_label("Write a message")).to_have_value(re.compile("^(long ){1000}$"))
    expect(page.get_by_text("903 over the limit of 4,096 characters.")).to_be_visible()
