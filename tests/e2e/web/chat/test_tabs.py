"""Several tabs of one browser: one session for all of them, or one each."""

import re
from typing import Any

from playwright.sync_api import BrowserContext, Page, Route, expect

from tests.e2e.web.world import Person, World, settings, sign_in, wait_for


def open_everywhere(world: World, person: Person, context: BrowserContext) -> Page:
    """A tab in which somebody signs in for all tabs."""
    page = world.new_page(context)
    page.goto(world.url)
    page.get_by_label("Stay signed in").check()
    sign_in(page, person.username)
    expect(page.get_by_title("Settings").first).to_contain_text(person.name)
    return page


def expect_signed_in(page: Page, person: Person) -> None:
    expect(page.get_by_title("Settings").first).to_contain_text(person.name)


def stored(page: Page) -> Any:
    return page.evaluate("() => JSON.parse(localStorage.getItem('parley.session'))")


def expire(page: Page) -> None:
    """The access token that is kept has run out."""
    page.evaluate("""() => {
        const session = JSON.parse(localStorage.getItem("parley.session"));
        session.access_token = "expired";
        localStorage.setItem("parley.session", JSON.stringify(session));
    }""")


def test_a_new_tab_is_signed_in_and_a_waiting_one_follows(world: World) -> None:
    ada, ben, chat = world.pair()
    context = world.new_context()
    waiting = world.new_page(context)
    waiting.goto(world.url)
    expect(waiting.get_by_label("Username or e-mail")).to_be_visible()
    first = open_everywhere(world, ada, context)
    expect_signed_in(waiting, ada)
    first.close()
    waiting.close()

    again = world.new_page(context)
    again.goto(world.url)

    expect_signed_in(again, ada)
    ben.post(chat, "welcome back")
    expect(again.locator(".chat-row")).to_contain_text("welcome back")
    assert len(ada.api("GET", "/v1/auth/sessions")["items"]) == 2  # the other one registered


def test_the_client_of_a_deployed_server_stays_signed_in_by_default(world: World) -> None:
    page = world.new_page()
    page.route("**/config.json", lambda route: route.fulfill(json={"api": ""}))
    page.goto(world.url)

    expect(page.get_by_label("Stay signed in")).to_be_checked()


def test_tabs_that_wake_together_trade_one_refresh_token_once(world: World) -> None:
    ada, ben, _ = world.pair()
    context = world.new_context()
    pages = [open_everywhere(world, ada, context)]
    pages += [world.new_page(context) for _ in range(3)]
    for page in pages[1:]:
        page.goto(world.url)
        expect_signed_in(page, ada)
    before = stored(pages[0])["refresh_token"]
    expire(pages[0])
    traded: list[str] = []

    def count(route: Route) -> None:
        traded.append(str(route.request.post_data))
        route.continue_()

    context.route("**/v1/auth/refresh", count)
    for page in pages:
        page.evaluate("() => setTimeout(() => location.reload())")
    for page in pages:
        expect(page.locator(".chat-row")).to_contain_text(ben.name)
        expect(page.locator(".status")).to_be_hidden()

    assert len(traded) == 1
    assert before in traded[0]
    assert stored(pages[0])["refresh_token"] != before
    expire(pages[0])
    pages[3].reload()
    expect(pages[3].locator(".chat-row")).to_contain_text(ben.name)
    assert len(traded) == 2
    for page in pages:  # Those that did not ask took the new tokens.
        settings(page, "Devices")
        expect(page.get_by_text("This device")).to_be_visible()
    assert len(traded) == 2


def test_without_locks_tabs_still_take_turns(world: World) -> None:
    ada, ben, _ = world.pair()
    context = world.new_context()
    context.add_init_script("Object.defineProperty(navigator, 'locks', { value: undefined })")
    pages = [open_everywhere(world, ada, context)]
    pages += [world.new_page(context) for _ in range(2)]
    for page in pages[1:]:
        page.goto(world.url)
        expect_signed_in(page, ada)
    expire(pages[0])
    traded: list[str] = []
    context.on("request", lambda request: traded.append(request.url))
    for page in pages:
        page.evaluate("() => setTimeout(() => location.reload())")
    for page in pages:
        expect(page.locator(".chat-row")).to_contain_text(ben.name)

    assert len([url for url in traded if url.endswith("/v1/auth/refresh")]) == 1
    left = "() => Object.keys(localStorage).filter((key) => key.startsWith('parley.lease'))"
    assert pages[0].evaluate(left) == []


def test_signing_out_in_one_tab_signs_out_all(world: World) -> None:
    ada, ben, chat = world.pair()
    ben.post(chat, "private")
    context = world.new_context()
    first = open_everywhere(world, ada, context)
    second = world.new_page(context)
    second.goto(world.url)
    expect_signed_in(second, ada)
    first.get_by_role("button", name="Sign out").click()

    for page in (first, second):
        expect(page.get_by_text("You are signed out.")).to_be_visible()
        assert "private" not in page.content()
    kept = first.evaluate("() => Object.keys(localStorage)")
    assert [key for key in kept if not key.startswith("parley.device")] == []
    third = world.new_page(context)
    third.goto(world.url)
    expect(third.get_by_label("Username or e-mail")).to_be_visible()


def test_a_lost_session_ends_in_all_tabs(world: World) -> None:
    ada = world.person("Ada")
    context = world.new_context()
    pages = [open_everywhere(world, ada, context), world.new_page(context)]
    pages[1].goto(world.url)
    expect_signed_in(pages[1], ada)
    ada.api("DELETE", "/v1/auth/sessions")

    for page in pages:
        expect(page.get_by_text("You were signed out from another device.")).to_be_visible()
    assert stored(pages[0]) is None


def test_a_failed_refresh_of_a_sick_server_ends_nothing(world: World) -> None:
    ada, ben, _ = world.pair()
    context = world.new_context()
    page = open_everywhere(world, ada, context)
    expire(page)
    answers = [(503, {"code": "unavailable"}), (404, {"message": "Not Found"}), (200, None)]

    def sick(route: Route) -> None:
        status, body = answers[0]
        if len(answers) > 1:
            answers.pop(0)
            route.fulfill(status=status, json=body)
        else:
            route.continue_()

    context.route("**/v1/auth/refresh", sick)
    page.reload()
    expect(page.locator(".chat-row")).to_contain_text(ben.name, timeout=40_000)


def test_signing_in_for_all_tabs_switches_all_tabs_to_that_user(world: World) -> None:
    """Two tabs at the sign-in page that do not hear of each other in time."""
    ada, ben, _ = world.pair()
    context = world.new_context()
    first = open_everywhere(world, ada, context)
    token = stored(first)["access_token"]
    deaf = world.new_page(context)
    deaf.add_init_script("""
        const { getItem } = Storage.prototype;
        Storage.prototype.getItem = function (key) {
            return key === "parley.session" ? null : getItem.call(this, key);
        };
    """)
    deaf.goto(world.url)
    deaf.get_by_label("Stay signed in").check()
    sign_in(deaf, ben.username)
    expect_signed_in(deaf, ben)

    expect_signed_in(first, ben)
    wait_for(
        lambda: (
            deaf.request.get(
                f"{world.url}/v1/users/me", headers={"Authorization": f"Bearer {token}"}
            ).status
            == 401
        ),
        first,
    )


def test_a_tab_of_its_own_hears_nothing_of_the_others(world: World) -> None:
    ada, ben, _ = world.pair()
    ada.open()
    page = open_everywhere(world, ben, ada.page.context)
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_text("You are signed out.")).to_be_visible()

    expect_signed_in(ada.page, ada)
    ada.page.reload()
    expect_signed_in(ada.page, ada)
    assert re.search("parley.session", ada.page.evaluate("Object.keys(sessionStorage).join()"))
