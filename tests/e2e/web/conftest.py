"""Fixtures: a browser, and an empty world in it."""

import os
import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import (
    Browser,
    Playwright,
    sync_playwright,
)

from tests.cloud import Cloud
from tests.e2e.web.world import World
from tests.stored import StoredChanges, stored_in

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
SHELL = os.environ.get("CHROMIUM") or shutil.which("chromium-headless-shell") or CHROMIUM
"""Chromium without the pages that draw its own window: these cost as much as the page in it."""


# Not for the session: while Playwright's loop runs, asyncio.run of other tests would fail.
@pytest.fixture(scope="package")
def playwright() -> Iterator[Playwright]:
    if CHROMIUM is None:
        pytest.skip("needs Chromium: apt-get install chromium, or name one in CHROMIUM")
    with sync_playwright() as playwright:
        yield playwright


@pytest.fixture(scope="package")
def browser(playwright: Playwright) -> Iterator[Browser]:
    options = ["--no-sandbox", "--disable-background-networking"]
    browser = playwright.chromium.launch(executable_path=SHELL, args=options)
    yield browser
    browser.close()


@pytest.fixture
def world(cloud: Cloud, browser: Browser, playwright: Playwright) -> Iterator[World]:
    """An empty world. Afterwards, no page may have had an error."""
    http = playwright.request.new_context()
    world = World(cloud.http_url, browser, http)
    yield world
    world.close()
    http.dispose()
    assert world.problems == []


@pytest.fixture
def stored(cloud: Cloud) -> Iterator[StoredChanges]:
    """Makes changes of chats that no route makes yet."""
    with stored_in(cloud) as stored:
        yield stored
