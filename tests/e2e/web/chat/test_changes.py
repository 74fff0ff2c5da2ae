"""Changes of messages and of chats, as the client merges them: late, twice and in any order."""

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.web.chat.test_notifications import (
    expect_notices,
    look,
    notices,
    turn_on,
    watched,
)
from tests.e2e.web.world import World
from tests.stored import StoredChanges

MADE = """
    const { Chat } = await import("/js/chats/chat.js");
    const { Store } = await import("/js/chats/store.js");
    const message = (seq, rev = seq, text = `m${seq}`) => ({
        id: `${seq}`, chat_id: "c", seq, rev, client_id: `${seq}`,
        sender_id: seq % 2 ? "me" : "you", created_at: new Date(seq * 1000).toISOString(),
        content: text === null ? null : { kind: "text", text },
        edited_at: rev > seq && text !== null ? new Date(rev * 1000).toISOString() : null,
        deleted_at: text === null ? new Date(rev * 1000).toISOString() : null });
    const state = (rev, title = `t${rev}`) =>
        ({ chat_id: "c", rev, title, photo: null, member_count: rev });
    const snapshot = (last, more = {}) => ({
        id: "c", kind: "direct", title: null, photo: null, member_count: 2,
        me: { role: "member", joined_rev: 0, read_seq: 0, delivered_seq: 0 },
        partner: { user_id: "you", read_seq: 0, delivered_seq: 0 }, answered: true,
        last_rev: last?.rev ?? 0, state_rev: 0, last_message: last, unread_count: 0,
        created_at: new Date(0).toISOString(), last_activity_at: new Date(0).toISOString(),
        ...more });
    const group = (last, more = {}) => snapshot(last, {
        kind: "group", title: "Friends", partner: null, member_count: 3, ...more });
    const texts = (chat) => chat.messages.map((one) => one.content?.text ?? null);
"""
"""A chat of `me` and `you`: odd messages are mine."""


@pytest.fixture
def page(world: World) -> Page:
    page = world.new_page()
    page.goto(world.url)
    return page


def outcome(page: Page, script: str) -> Any:
    """What a script with the client's modules returns."""
    return page.evaluate(f"async () => {{ {MADE} {script} }}")


def test_changes_in_any_order_make_the_same_chat(page: Page) -> None:
    seen = outcome(
        page,
        """
        const all = [4, 5, 6, 7, 8].map((seq) => message(seq));
        const versions = [message(5, 9, "edited"), message(6, 11, null), message(5, 12, "again")];
        const states = [state(10), state(13)];
        const events = [...all, ...versions, ...states, all[2], all[0], states[0]];
        const seen = new Set();
        for (let round = 0; round < 500; round += 1) {
            const chat = new Chat(group(message(3)), "me");
            const order = events.map((event) => [Math.random(), event]).sort((a, b) => a[0] - b[0]);
            const received = [];
            for (const [, event] of order) {
                if (event.seq) chat.merge(event);
                else chat.applyState(event);
                received.push(chat.receivedSeq <= chat.rev);
            }
            seen.add(JSON.stringify([texts(chat), chat.title, chat.memberCount, chat.rev,
                chat.hasGap, chat.unread, chat.receivedSeq, received.every(Boolean)]));
        }
        return [...seen].map((one) => JSON.parse(one));
        """,
    )
    messages = ["m3", "m4", "again", None, "m7", "m8"]
    assert seen == [[messages, "t13", 13, 13, False, 2, 8, True]]


def test_a_version_stands_for_its_message_and_a_missing_change_is_a_gap(page: Page) -> None:
    assert outcome(
        page,
        """
        const chat = new Chat(snapshot(message(3)), "me");
        const isNew = [chat.merge(message(4, 5, "edited"))];
        const known = [chat.rev, chat.hasGap];
        isNew.push(chat.merge(message(4)), chat.merge(message(4, 7, "again")));
        const missing = [chat.rev, chat.hasGap];
        chat.completeTo(7);
        return [isNew, known, missing, [chat.rev, chat.hasGap], texts(chat)];
        """,
    ) == [[True, False, False], [5, False], [5, True], [7, False], ["m3", "again"]]


def test_an_older_version_never_wins(page: Page) -> None:
    assert outcome(
        page,
        """
        const store = new Store("me");
        const chat = store.applyChat(group(message(4), { state_rev: 2, title: "t2" }));
        store.applyMessage(message(4, 5, "edited"));
        store.applyState(state(6));
        store.applyChat(group(message(4), { state_rev: 2, title: "t2" }));
        const listed = [chat.last.content.text, store.titleOf(chat)];
        chat.prepend([message(3), message(4)], 0);
        store.applyState(state(5));
        const loaded = [texts(chat), store.titleOf(chat)];
        chat.restart(group(message(4), { state_rev: 2, title: "t2" }));
        const restarted = [texts(chat), store.titleOf(chat), chat.hasGap];
        return [listed, loaded, restarted];
        """,
    ) == [["edited", "t6"], [["m3", "edited"], "t6"], [["edited"], "t6", False]]


def test_the_last_message_is_edited_before_the_list_is_read(page: Page) -> None:
    """Its rev does not say that we have all before it: a sync brings them."""
    assert outcome(
        page,
        """
        const chat = new Chat(snapshot(message(4, 8, "edited")), "me");
        const before = [chat.rev, chat.hasGap];
        [message(6), message(4, 8, "edited")].forEach((one) => chat.merge(one));
        chat.completeTo(8);
        return [before, [chat.rev, chat.hasGap], texts(chat)];
        """,
    ) == [[4, True], [8, False], ["edited", "m6"]]


def test_deleted_messages_are_not_unread(page: Page) -> None:
    """Also those that are counted by the server, and are not loaded."""
    assert outcome(
        page,
        """
        const chat = new Chat(snapshot(message(20), { unread_count: 10 }), "me");
        const counts = [chat.unread];
        const take = (one) => { chat.merge(one); counts.push(chat.unread); };
        take(message(4, 21, null));
        take(message(4, 21, null)); // twice
        take(message(5, 22, null)); // our own
        take(message(6, 23, "edited"));
        take(message(20, 24, null));
        take(message(26));
        take(message(26, 27, null));
        chat.apply(snapshot(message(26, 27, null), { last_rev: 27, unread_count: 8 }));
        counts.push(chat.unread);
        chat.receipt("me", { read_seq: 26 });
        return [...counts, chat.unread];
        """,
    ) == [10, 9, 9, 9, 9, 8, 9, 8, 8, 0]


def test_receipts_of_a_partner_make_ticks_and_those_of_a_group_do_not(page: Page) -> None:
    assert outcome(
        page,
        """
        return [snapshot(message(5)), group(message(5))].map((one) => {
            const store = new Store("me");
            const chat = store.applyChat(one);
            const states = [chat.stateOf(message(5))];
            for (const read_seq of [0, 5]) {
                const receipt = { chat_id: "c", user_id: "you", delivered_seq: 5, read_seq };
                store.applyReceipt(receipt);
                states.push(chat.stateOf(message(5)));
            }
            store.applyReceipt({ chat_id: "c", user_id: "you", delivered_seq: 4, read_seq: 4 });
            store.applyReceipt({ chat_id: "c", user_id: "me", delivered_seq: 3, read_seq: 2 });
            return [...states, chat.stateOf(message(5)), chat.readSeq, chat.deliveredSeq];
        });
        """,
    ) == [["sent", "delivered", "read", "read", 2, 3], ["sent", "sent", "sent", "sent", 2, 3]]


def test_a_group_has_a_title_and_no_partner(page: Page) -> None:
    assert outcome(
        page,
        """
        return [snapshot(message(4)), group(message(4))].map((one) => {
            const store = new Store("me");
            const chat = store.applyChat(one);
            store.applyTyping({ chat_id: "c", user_id: "you", typing: true });
            return [store.titleOf(chat), store.isNamed(chat), store.idsIn(chat), chat.partnerId,
                chat.faceId, store.isTyping("c")];
        });
        """,
    ) == [
        ["…", False, ["you"], "you", "you", True],
        ["Friends", True, ["you"], None, "c", False],
    ]


def test_a_page_of_history_brings_no_text_back_that_was_deleted_meanwhile(page: Page) -> None:
    """The server has read the page before the deletion."""
    assert outcome(
        page,
        """
        const chat = new Chat(snapshot(message(51)), "me");
        chat.loading = true;
        chat.merge(message(3, 52, null));
        chat.merge(message(1, 53, "edited"));
        chat.prepend([message(3), message(2)], 2);
        chat.loading = false;
        const first = [texts(chat), chat.hasGap];
        chat.loading = true;
        chat.prepend([message(1, 53, "edited")], 0);
        chat.loading = false;
        return [first, texts(chat)];
        """,
    ) == [[["m2", None, "m51"], False], ["edited", "m2", None, "m51"]]


def test_that_a_chat_is_answered_is_told_once(page: Page) -> None:
    assert outcome(
        page,
        """
        const store = new Store("me");
        let told = 0;
        store.onAnswered = () => (told += 1);
        const counts = [false, false, true, true, false].map((answered) => {
            store.applyChat(snapshot(message(4), { answered }));
            return told;
        });
        return [counts, store.chats.get("c").answered];
        """,
    ) == [[0, 0, 1, 1, 1], True]


def test_an_edit_and_a_deletion_are_seen_live_and_nobody_is_notified(
    stored: StoredChanges, world: World
) -> None:
    ada, ben, chat = world.pair()
    ben.post(chat, "helo")
    page = ada.open(watched(world)).page
    turn_on(page)
    ada.talk_to(ben)
    message = ada.message("helo")
    expect(message).to_be_visible()
    row = ada.row(ben)
    look(page, False)

    stored.edit(chat, 3, ben.id, "hello")
    message = ada.message("hello")
    expect(message.locator(".meta")).to_contain_text("edited")
    expect(row).to_contain_text("hello")
    message.focus()
    page.keyboard.press("Enter")
    page.get_by_role("menuitem", name="Info").click()
    expect(page.get_by_role("dialog")).to_contain_text("Edited")
    page.keyboard.press("Escape")

    stored.delete(chat, 3, ben.id)
    expect(page.locator(".message").last).to_contain_text("This message was deleted")
    expect(row).to_contain_text("Message deleted")
    expect(page.locator(".message").last).to_be_focused()
    assert ada.texts() == ["This message was deleted"]
    assert notices(page) == []
    ben.post(chat, "news")
    expect_notices(page, (ben.name, "news"))


def test_what_changed_while_away_comes_with_the_connection(
    stored: StoredChanges, world: World
) -> None:
    ada, ben, chat = world.pair()
    for text in ("one", "two", "three"):
        ben.post(chat, text)
    ada.open()
    badge = ada.row(ben).locator(".badge")
    expect(badge).to_have_text("3")
    ada.wire.cut()
    expect(ada.status).to_be_visible()
    stored.edit(chat, 3, ben.id, "first")
    stored.delete(chat, 5, ben.id)

    ada.wire.mend()

    expect(badge).to_have_text("2")
    expect(ada.row(ben)).to_contain_text("Message deleted")
    ada.talk_to(ben)
    expect(ada.message("first")).to_contain_text("edited")
    assert ada.texts() == ["first", "two", "This message was deleted"]


def test_people_talk_in_a_group(stored: StoredChanges, world: World) -> None:
    ada, ben, cleo = (world.person(name) for name in ("Ada Okafor", "Ben Lindqvist", "Cleo Marsh"))
    group = stored.group("Boat trip", ada.id, ben.id, cleo.id)
    ben.post(group, "who comes?")
    page = ada.open(watched(world)).page
    turn_on(page)
    row = page.locator(".chat-row", has=page.get_by_text("Boat trip", exact=True))
    expect(row.locator(".badge")).to_have_text("1")
    row.click()
    expect(page).to_have_title("Boat trip - Parley")
    expect(page.locator(".presence")).to_have_text("3 members")
    expect(page.get_by_role("button", name="Boat trip", exact=True)).to_be_disabled()

    ada.write("me")
    ada.expect_tick("me", "sent")
    look(page, False)
    cleo.post(group, "me too")
    expect(row).to_contain_text(f"{cleo.name}: me too")
    expect(ada.message("me too").locator(".sender")).to_have_text(cleo.name)
    cleo.post(group, "with cake")
    expect(ada.message("with cake").locator(".sender")).to_have_count(0)
    expect(page.locator(".sender")).to_have_text([ben.name, cleo.name])
    expect_notices(page, ("Boat trip", f"{cleo.name}: with cake"))
    look(page, True)
    for one in (ben, cleo):
        one.api("POST", f"/v1/chats/{group}/read", {"seq": 4})
    stored.rename(group, cleo.id, "Boat trip on Sunday")

    expect(page.locator(".talk h2")).to_have_text("Boat trip on Sunday")
    expect(page.locator(".chat-name")).to_have_text("Boat trip on Sunday")
    expect(page).to_have_title("Boat trip on Sunday - Parley")
    ada.expect_tick("me", "sent")
    ada.message("me").focus()
    page.keyboard.press("Enter")
    page.get_by_role("menuitem", name="Info").click()
    expect(page.get_by_role("dialog")).to_contain_text("Sent")


def test_a_message_that_its_version_overtakes_is_told_once(world: World) -> None:
    ada, ben, chat = world.pair()
    page = ada.open(watched(world)).page
    turn_on(page)
    look(page, False)
    message = {
        "id": "01890000-0000-7000-8000-000000000001", "chat_id": chat, "sender_id": ben.id,
        "client_id": "x", "seq": 3, "rev": 3, "created_at": "2026-01-01T12:00:00Z",
        "edited_at": None, "deleted_at": None,
    }  # fmt: skip
    first = message | {"content": {"kind": "text", "text": "helo"}}
    edited = {"rev": 4, "edited_at": "2026-01-01T12:01:00Z"}
    version = message | edited | {"content": {"kind": "text", "text": "hello"}}

    ada.wire.say("message.changed", version)
    expect(ada.row(ben)).to_contain_text("hello")
    assert notices(page) == []
    ada.wire.say("message.new", first)
    expect_notices(page, (ben.name, "hello"))
    ada.wire.say("message.new", first)
    ada.wire.say("message.changed", version)

    second = {"id": message["id"][:-1] + "2", "client_id": "y", "seq": 5, "rev": 5}
    ada.wire.say("message.new", first | second | {"content": {"kind": "text", "text": "news"}})
    expect_notices(page, (ben.name, "news"))  # it replaces the one before
