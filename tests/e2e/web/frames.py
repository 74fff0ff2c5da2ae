"""Waits for what a browser does before it paints."""

from playwright.sync_api import Page


def two_frames(page: Page) -> None:
    """Wait until the page has answered a new size or place: observers run with the next frame."""
    page.evaluate(
        "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
    )
