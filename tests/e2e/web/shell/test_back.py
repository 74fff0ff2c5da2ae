"""Going back closes what is open, and nothing else."""

from playwright.sync_api import expect

from tests.e2e.web.world import PHONE, World


def test_back_closes_the_settings_and_stays_in_the_chat(world: World) -> None:
    ada, ben, _ = world.pair()
    page = ada.open(**PHONE).page
    settings = page.get_by_role("dialog")
    page.get_by_role("button", name="Settings").last.click()
    expect(settings).to_be_visible()
    page.go_back()
    expect(settings).to_have_count(0)
    expect(page.locator(".chat-list")).to_be_visible()
    ada.talk_to(ben)
    page.go_back()
    expect(page.locator(".chat-list")).to_be_visible()


def test_what_was_closed_by_hand_takes_no_step_of_going_back(world: World) -> None:
    ada, ben, _ = world.pair()
    page = ada.open().page
    ada.talk_to(ben)
    for _ in range(3):
        page.get_by_role("button", name="Settings").last.click()
        page.get_by_role("dialog").get_by_label("Close").click()
        expect(page.get_by_role("dialog")).to_have_count(0)
        page.get_by_role("button", name="Settings").last.click()
        page.keyboard.press("Escape")
        expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.locator(".talk h2")).to_have_text(ben.name)
    page.go_back()
    expect(page.locator(".talk")).to_be_hidden()
    expect(ada.row(ben)).to_be_visible()


def test_back_closes_the_phone_before_the_chat(world: World) -> None:
    ada, ben, _ = world.pair()
    page = ada.open().page
    ada.talk_to(ben)
    phone = page.get_by_role("complementary", name="Phone")
    page.get_by_role("button", name="Phone").click()
    page.get_by_role("button", name="Settings").last.click()
    page.go_back()
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(phone).to_be_visible()
    page.go_back()
    expect(phone).to_be_hidden()
    expect(page.locator(".talk h2")).to_have_text(ben.name)
    page.go_back()
    expect(page.locator(".talk")).to_be_hidden()


def test_a_session_that_ends_leaves_nothing_open(world: World) -> None:
    ada, ben, _ = world.pair()
    page = ada.open().page
    ada.talk_to(ben)
    page.get_by_role("button", name="Phone").click()
    page.get_by_role("button", name="Settings").last.click()
    ada.api("DELETE", "/v1/auth/sessions")
    expect(page.get_by_text("You were signed out from another device.")).to_be_visible()
    expect(page.get_by_role("dialog")).to_have_count(0)
    assert "#" not in page.url
    expect(page.get_by_label("Username or e-mail")).to_be_focused()
