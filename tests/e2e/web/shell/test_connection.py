"""The web client on a bad network: drops, silence, reloads, tokens that run out."""

import json
import re
from contextlib import suppress

from playwright.sync_api import Error, expect

from tests.e2e.web.world import World, wait_for


def test_a_dropped_connection_comes_back_and_catches_up(world: World) -> None:
    ada, ben, chat = world.pair()
    ben.post(chat, "before")
    ada.open().talk_to(ben)
    expect(ada.message("before")).to_be_visible()

    ada.wire.cut()
    expect(ada.status).to_have_text(re.compile("Reconnecting…"))
    ada.write("from ada")
    ada.expect_tick("from ada", "queued")
    for number in range(70):
        ben.post(chat, f"missed {number}")
    ada.wire.mend()
    with suppress(Error):  # on a slow machine it is back by itself by now
        ada.page.get_by_role("button", name="Try now").click(timeout=5000)

    expect(ada.status).to_be_hidden(timeout=40_000)
    ada.expect_tick("from ada", "sent")
    expect(ada.message("missed 69")).to_be_attached()
    assert ada.all_texts() == ["before", *(f"missed {number}" for number in range(70)), "from ada"]
    ben.post(chat, "live again")
    expect(ada.message("live again")).to_be_attached()


def test_it_comes_back_by_itself_and_does_not_hammer(world: World) -> None:
    ada, ben, chat = world.pair()
    ada.open().talk_to(ben)
    opened = ada.wire.opened
    ada.wire.cut()
    ada.page.wait_for_timeout(6_000)
    assert 1 <= ada.wire.opened - opened <= 6
    ada.wire.mend()
    ben.post(chat, "are you back?")
    expect(ada.message("are you back?")).to_be_visible(timeout=60_000)
    expect(ada.status).to_be_hidden()


def test_receipts_missed_while_away_are_made_up_for(world: World) -> None:
    ada, ben, _ = world.pair()
    ada.open().talk_to(ben)
    ada.write("hello")
    ada.expect_tick("hello", "sent")
    ada.wire.cut()
    expect(ada.status).to_have_text(re.compile("Reconnecting…"))
    ben.open().talk_to(ada)
    expect(ben.message("hello")).to_be_visible()
    expect(ben.row(ada).locator(".badge")).to_be_hidden()
    ada.wire.mend()
    ada.expect_tick("hello", "read")


def test_a_socket_that_fell_silent_is_given_up(world: World) -> None:
    ada, ben, chat = world.pair()
    ada.open().talk_to(ben)
    ada.wire.silent = True
    ben.post(chat, "into the void")
    # The network says that it changed, so the client asks whether anybody is still there.
    ada.page.context.set_offline(True)
    expect(ada.status).to_have_text(re.compile("Offline"))
    ada.wire.mend()
    ada.page.context.set_offline(False)
    expect(ada.message("into the void")).to_be_visible(timeout=40_000)
    expect(ada.status).to_be_hidden()


def test_pings_find_a_dead_socket(world: World) -> None:
    ada, ben, chat = world.pair()
    ada.open(own_clock=True).talk_to(ben)
    ada.wire.silent = True
    ben.post(chat, "nobody heard this")
    opened = ada.wire.opened
    ada.page.clock.fast_forward(46_000)
    ada.page.wait_for_timeout(200)
    ada.wire.mend()
    ada.page.clock.fast_forward(11_000)
    ada.page.clock.run_for(3_000)
    expect(ada.message("nobody heard this")).to_be_visible()
    assert ada.wire.opened > opened


def test_many_messages_sent_at_once_keep_their_order(world: World) -> None:
    ada, ben, _ = world.pair()
    ada.open().talk_to(ben)
    ben.open().talk_to(ada)
    wanted = [f"number {number}" for number in range(20)]
    ada.wire.losing_answers = True
    for text in wanted:
        ada.write(text)
    ada.page.wait_for_timeout(500)
    assert ada.wire.actions.count("message.send") == 1  # the others wait for its answer
    ada.wire.cut()
    ada.wire.mend()
    ada.expect_tick(wanted[-1], "read")
    assert ada.texts() == wanted
    assert ben.texts() == wanted


def test_unsent_messages_and_the_session_survive_a_reload(world: World) -> None:
    ada, ben, chat = world.strangers()
    ada.open().talk_to(ben)
    ada.wire.cut()
    expect(ada.status).to_have_text(re.compile("Reconnecting…"))
    ada.write("first")
    ada.write("second")
    ada.page.reload()
    expect(ada.page.locator(".talk h2")).to_have_text(ben.name)  # the same chat is open
    ada.expect_tick("second", "queued")
    ada.wire.mend()
    ada.expect_tick("second", "sent")
    stored = ada.api("GET", f"/v1/chats/{chat}/messages")["items"]
    assert [one["content"]["text"] for one in stored] == ["second", "first"]


def test_a_lost_answer_makes_no_duplicate(world: World) -> None:
    ada, ben, chat = world.strangers()
    ada.open().talk_to(ben)
    ada.wire.losing_answers = True
    ada.write("only once")
    wait_for(lambda: ada.api("GET", f"/v1/chats/{chat}/messages")["items"], ada.page)
    ada.expect_tick("only once", "sending")
    ada.wire.cut()
    ada.wire.mend()
    ada.expect_tick("only once", "sent")
    ben.open().talk_to(ada)
    expect(ben.message("only once")).to_have_count(1)
    assert len(ada.api("GET", f"/v1/chats/{chat}/messages")["items"]) == 1


def test_a_refused_message_says_why_and_can_be_sent_again(world: World) -> None:
    ada, ben, _ = world.pair()
    ada.open().talk_to(ben)
    ada.wire.refusing = "message.send"
    ada.write("please")
    failure = ada.page.locator(".failure")
    expect(failure).to_contain_text("Not sent. You may not do this.")
    ada.expect_tick("please", "failed")
    ada.wire.refusing = None
    failure.get_by_role("button", name="Try again").click()
    ada.expect_tick("please", "sent")
    expect(failure).to_have_count(0)


def test_an_expired_access_token_is_renewed_unseen(world: World) -> None:
    ada, ben, chat = world.pair()
    ada.open().talk_to(ben)
    spoil = """() => {
        const session = JSON.parse(sessionStorage.getItem("parley.session"));
        session.access_token = "expired";
        sessionStorage.setItem("parley.session", JSON.stringify(session));
        return session.refresh_token;
    }"""
    refresh_token = ada.page.evaluate(spoil)
    asked: list[str] = []
    ada.page.on("request", lambda request: asked.append(request.url))
    ada.page.reload()
    expect(ada.row(ben)).to_be_visible()
    expect(ada.status).to_be_hidden()
    ben.post(chat, "still here?")
    expect(ada.message("still here?")).to_be_visible()
    assert len([url for url in asked if url.endswith("/v1/auth/refresh")]) == 1
    session = json.loads(ada.page.evaluate("() => sessionStorage.getItem('parley.session')"))
    assert session["refresh_token"] != refresh_token


def test_a_revoked_session_is_shown_the_sign_in_page(world: World) -> None:
    ada, ben, _ = world.pair()
    ada.open().talk_to(ben)
    ada.api("DELETE", "/v1/auth/sessions")  # all but the one that asks, which is not the page's
    expect(ada.page.get_by_text("You were signed out from another device.")).to_be_visible()
    expect(ada.page.get_by_label("Username or e-mail")).to_be_focused()


def test_a_gap_that_stays_open_is_asked_for(world: World) -> None:
    ada, ben, chat = world.pair()
    ben.post(chat, "one")
    ada.open().talk_to(ben)
    expect(ada.message("one")).to_be_visible()
    ada.wire.events_to_lose = 1
    ben.post(chat, "two")
    ada.page.wait_for_timeout(300)
    ben.post(chat, "three")
    expect(ada.message("three")).to_be_visible()
    expect(ada.message("two")).to_be_visible()
    assert ada.texts() == ["one", "two", "three"]
    assert ada.wire.actions.count("chat.changes") == 1


def test_a_new_chat_whose_lookup_fails_is_there_all_the_same(world: World) -> None:
    ada, ben, _ = world.pair()
    ada.open().talk_to(ben)
    cleo = world.person("Cleo Marsh")
    chat = cleo.chat_with(ada)
    ada.page.route(f"**/v1/chats/{chat}", lambda route: route.abort(), times=1)
    cleo.post(chat, "hello, it's me")

    expect(ada.row(cleo)).to_contain_text("hello, it's me", timeout=20_000)
    expect(ada.row(cleo).locator(".badge")).to_have_text("1")
    expect(ada.status).to_be_hidden()
