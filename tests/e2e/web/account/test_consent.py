"""The sign-in page of the provider in a browser: by keyboard, and inside a frame of others."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.cloud import Cloud
from tests.e2e.oauth.oauth import asking, registered
from tests.e2e.web.framing import Framing, framing
from tests.e2e.web.world import PASSWORD, World


@pytest.fixture
def program() -> Iterator[Framing]:
    with framing() as server:
        yield server


@pytest.fixture
def request_url(cloud: Cloud, program: Framing) -> str:
    client = registered(cloud, name="Board", redirect_uris=[program.back])
    program.framed = asking(cloud.http_url, client, redirect_uri=program.back)
    return program.framed


def focused(page: Page) -> str:
    name: str = page.evaluate("document.activeElement.innerText || document.activeElement.name")
    return name


def test_a_user_signs_in_and_agrees_by_keyboard_alone(world: World, request_url: str) -> None:
    ada = world.person("Ada")
    page = world.new_page()
    problems: list[str] = []
    page.on("console", lambda message: problems.append(message.text))
    page.goto(request_url)
    expect(page).to_have_title("Sign in to continue to Board - Parley")
    expect(page.get_by_role("main")).to_be_visible()
    page.keyboard.press("Tab")
    page.keyboard.type(ada.username)
    page.keyboard.press("Tab")
    page.keyboard.type("not the password")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_have_text("The login or the password is wrong.")
    page.get_by_label("E-mail address or username").fill(ada.username)
    page.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")

    expect(page.get_by_role("heading", level=1)).to_have_text("Allow Board?")
    expect(page.get_by_role("listitem")).to_have_count(4)
    page.keyboard.press("Tab")
    assert focused(page) == "Allow"
    page.keyboard.press("Enter")

    expect(page.get_by_text("Welcome back")).to_be_visible()
    assert "code=" in page.url
    assert problems == []


def test_the_page_fits_a_phone(world: World, request_url: str) -> None:
    page = world.new_page(viewport={"width": 320, "height": 600})
    page.goto(request_url)

    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    for button in page.get_by_role("button").all():
        box = button.bounding_box()
        assert box
        assert box["height"] >= 36


def test_no_page_of_others_can_frame_it(world: World, request_url: str, program: Framing) -> None:
    page = world.new_page()
    page.goto(f"http://127.0.0.1:{program.server_port}/frame")
    page.wait_for_load_state("networkidle")

    (frame,) = page.frames[1:]
    assert frame.get_by_role("button").count() == 0
    (said,) = world.problems
    assert "frame-ancestors 'none'" in said
    world.problems.clear()
