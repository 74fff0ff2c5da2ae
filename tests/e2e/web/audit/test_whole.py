"""The auditor has seen every part of the client. This file runs last."""

import re

import pytest

from tests.cloud import ROOT
from tests.e2e.web.audit.axe import Auditor


def test_no_part_of_the_client_was_left_out(
    request: pytest.FixtureRequest, auditor: Auditor
) -> None:
    """A new view needs a test that shows it to the auditor."""
    here = request.path.parent
    run = {
        item.name.partition("[")[0] for item in request.session.items if item.path.parent == here
    }
    files = [path.read_text() for path in here.glob("test_*.py")]
    if not {name for text in files for name in re.findall(r"^def (test_\w+)", text, re.M)} <= run:
        pytest.skip("other tests of this folder show the pages")
    made = set[str]()
    for path in (ROOT / "web/js").rglob("*.js"):
        for names in re.findall(r'\bclass: [`"]([\w -]+)', path.read_text()):
            made.update(name for name in names.split() if not name.endswith("-"))

    missing = made - auditor.seen
    assert not missing, f"No page that was audited shows {sorted(missing)}"
