"""The reference for people in a browser: complete, alone, on a phone and in the dark."""

import re
from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.cloud import Cloud
from tests.e2e.web.audit.axe import Auditor

PAGES = ("", "quickstart.html", "errors.html", "openapi.html", "asyncapi.html")


@pytest.fixture
def page(browser: Browser, cloud: Cloud) -> Iterator[Page]:
    """A small dark page. Afterwards, nothing may have failed, or come from another host."""
    httpx.get(f"{cloud.http_url}/docs/", timeout=120)  # the first question builds the pages
    context = browser.new_context(
        viewport={"width": 360, "height": 740}, color_scheme="dark", base_url=cloud.http_url
    )
    page, problems = context.new_page(), list[str]()
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on(
        "console",
        lambda said: problems.append(said.text) if said.type == "error" else None,
    )
    page.on(
        "request",
        lambda sent: None if sent.url.startswith(cloud.http_url) else problems.append(sent.url),
    )
    yield page
    context.close()
    assert problems == []


def test_all_pages_fit_a_phone_and_follow_the_dark_mode(page: Page) -> None:
    for name in PAGES:
        page.goto(f"/docs/{name}")
        expect(page.locator("h1").first).to_be_visible()
        width = page.evaluate("document.documentElement.scrollWidth")
        colour = page.locator("h1").first.evaluate("one => getComputedStyle(one).color")
        assert (name, width) == (name, 360)
        assert all(int(part) > 192 for part in re.findall(r"\d+", colour)[:3]), f"{name}: {colour}"


@pytest.mark.parametrize("name", ["", "quickstart.html", "errors.html"])
def test_pages_are_for_everybody(page: Page, name: str) -> None:
    """Without the references, whose pages Redoc makes."""
    page.goto(f"/docs/{name}")
    Auditor().look(page)


def test_the_references_are_read_and_left(page: Page) -> None:
    page.set_viewport_size({"width": 1280, "height": 800})
    for name, held in (("openapi", "/v1/auth/register"), ("asyncapi", "session.ended")):
        page.goto(f"/docs/{name}.html")
        expect(page.get_by_text(held).first).to_be_visible()
        page.get_by_role("link", name="All documentation").click()
        expect(page.get_by_role("heading", name="Parley's documentation")).to_be_visible()


def test_the_type_of_a_problem_opens_its_entry(page: Page, cloud: Cloud) -> None:
    problem = httpx.get(f"{cloud.http_url}/v1/chats").json()
    page.goto(problem["type"])

    entry = page.locator(":target")
    expect(entry).to_be_in_viewport()
    expect(entry).to_contain_text(problem["code"])
    expect(entry).to_contain_text("What to do:")
