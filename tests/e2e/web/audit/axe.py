"""Looks at a page by axe-core, and for what axe-core leaves out, in each way it can be shown."""

from pathlib import Path
from typing import Any

from playwright.sync_api import Page, ViewportSize

from local.bootstrap import STATE
from tests.e2e.web.frames import two_frames

_AXE = (STATE / "npm/clients/node_modules/axe-core/axe.min.js").read_text()
_OURS = Path(__file__).with_name("axe.js").read_text()

_WIDE: ViewportSize = {"width": 1280, "height": 800}
_PHONE: ViewportSize = {"width": 360, "height": 740}
_ZOOMED: ViewportSize = {"width": 320, "height": 256}
"""A window of 1280 by 1024 pixels at 400 %."""

# Every rule that axe-core switches on by itself, and two it leaves off. The addresses of the
# client's pages begin with "#", which it takes for links that skip something. test_access.py
# follows the link that does.
_ALL: dict[str, Any] = {
    "rules": {
        "target-size": {"enabled": True},
        "label-content-name-mismatch": {"enabled": True},
        "skip-link": {"enabled": False},
    }
}
_COLOURS: dict[str, Any] = {"runOnly": ["color-contrast", "link-in-text-block"]}
_STRONG: dict[str, Any] = {"runOnly": ["color-contrast-enhanced"]}
# What a narrow window can change: parts are hidden, or nearer to each other. Colours are as before.
_NARROW: dict[str, Any] = {
    "runOnly": [
        *["target-size", "region", "landmark-one-main", "page-has-heading-one", "heading-order"],
        *["label", "button-name", "link-name", "scrollable-region-focusable", "aria-hidden-focus"],
    ]
}


class Auditor:
    """Notes what is wrong with pages, and which classes of elements it saw."""

    def __init__(self) -> None:
        self.seen: set[str] = set()

    def look(self, page: Page, *, resize: bool = True, strong: bool = False) -> None:
        """Fails with everything that is wrong with what the page shows now. `strong`: also with
        more contrast, whose colours are the same variables on each page."""
        _install(page)
        found = self._colours(page, strong=strong)
        if resize:
            found += self._sizes(page)
        self.seen.update(page.evaluate("audit.classes()"))
        assert not found, "\n".join(dict.fromkeys(found))

    def _colours(self, page: Page, *, strong: bool) -> list[str]:
        ways: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
            ("light", {}, _ALL),
            ("dark", {"color_scheme": "dark"}, _COLOURS),
        ]
        if strong:
            ways += [
                ("dark, more contrast", {"contrast": "more"}, _STRONG),
                ("more contrast", {"color_scheme": "light"}, _STRONG),
            ]
        found = list[str]()
        for name, media, rules in ways:
            page.emulate_media(**media)
            found += _noted(name, page.evaluate("(o) => audit.axeFindings(o)", rules))
            found += _noted(name, page.evaluate("audit.faintEdges()"))
        # Here every colour is one of the system's, so axe-core would tell little.
        page.emulate_media(color_scheme="light", contrast="no-preference", forced_colors="active")
        unseen = page.evaluate("[...audit.faintEdges(), ...audit.hiddenText()]")
        page.emulate_media(forced_colors="none")
        return found + _noted("forced colours", unseen)

    def _sizes(self, page: Page) -> list[str]:
        before = page.viewport_size
        assert before
        _resize(page, _PHONE)
        self.seen.update(page.evaluate("audit.classes()"))
        found = _noted("360 px", page.evaluate("(o) => audit.axeFindings(o)", _NARROW))
        found += _noted("360 px", page.evaluate("audit.cutOff()"))
        page.evaluate("audit.space(true)")
        found += _noted("text spacing", page.evaluate("audit.cutOff()"))
        page.evaluate("audit.space(false)")
        _resize(page, _ZOOMED)
        found += _noted("400 % zoom", page.evaluate("[...audit.cutOff(), ...audit.covered()]"))
        page.evaluate("audit.enlarge('200%')")
        for name, size in {"200 % text, 360 px": _PHONE, "200 % text": _WIDE}.items():
            _resize(page, size)
            found += _noted(name, page.evaluate("[...audit.cutOff(), ...audit.covered()]"))
        page.evaluate("audit.enlarge('')")
        _resize(page, before)
        return found


def _install(page: Page) -> None:
    """Runs the scripts as a debugger does, since pages refuse scripts that are not theirs."""
    if page.evaluate("() => 'audit' in window"):
        return
    debugger = page.context.new_cdp_session(page)
    for script in (_AXE, _OURS):
        debugger.send("Runtime.evaluate", {"expression": script})
    debugger.detach()


def _resize(page: Page, size: ViewportSize) -> None:
    """Waits until the page has answered its new size: observers run with the next frame."""
    page.set_viewport_size(size)
    two_frames(page)


def _noted(way: str, findings: list[str]) -> list[str]:
    return [f"{way}: {finding}" for finding in findings]
