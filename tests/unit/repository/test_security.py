"""What docs/security.md says is kept is there, and so are the tests that it names."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs" / "security.md").read_text()
ITEMS = re.split(r"^### ", PAGE.split("## RFC 9700")[0], flags=re.MULTILINE)[1:]
RULES = re.findall(r"^\| (\d.*?) \|(.*)\|(.*)\|$", PAGE, re.MULTILINE)


def test_the_ten_are_there_in_their_order() -> None:
    assert [item.split(" ")[0] for item in ITEMS] == [f"API{n}" for n in range(1, 11)]


@pytest.mark.parametrize("item", ITEMS, ids=lambda item: item.split(" ")[0])
def test_each_says_where_it_is_kept_and_tested(item: str) -> None:
    kept, tests = item.split("Kept in")[1].split("Tests:")

    assert re.search(r"\]\(\.\./", kept)
    assert re.search(r"`test_\w+`", tests)


def test_so_does_each_rule_of_oauth() -> None:
    assert len(RULES) > 10
    for rule, kept, tests in RULES:
        assert "](../chalicelib/" in kept, rule
        assert "`test_" in tests, rule


def test_every_linked_file_is_there() -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", PAGE)

    assert [link for link in links if not (ROOT / "docs" / link).exists()] == []


def test_every_named_test_is_there() -> None:
    written = {
        name
        for file in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"def (test_\w+)", file.read_text())
    }
    named = set(re.findall(r"`(test_\w+)`", PAGE))

    assert len(named) > 50
    assert named - written == set()
