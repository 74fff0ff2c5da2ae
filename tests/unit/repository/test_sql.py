"""What every statement keeps to, wherever it is written."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

CODE = Path(__file__).resolve().parents[3] / "chalicelib"
STAR = re.compile(r"(?i)(?:\bSELECT\s+(?:DISTINCT\s+|ALL\s+)?|\bRETURNING\s+|,\s*|\w\"?\.)\*")
SQL = re.compile(r"(?i)\b(SELECT|INSERT|UPDATE|DELETE|RETURNING)\b")
LASTING = re.compile(
    r"(?i)^\s*SET\s+(?!LOCAL\b)\w+\s*(=|TO)|\bpg_(try_)?advisory_lock|^\s*LISTEN\b"
    r"|\bTEMP(ORARY)? TABLE|^\s*PREPARE\b|\bWITH HOLD\b|set_config\([^)]*false\)"
)


def texts(source: str) -> Iterator[str]:
    """Every text in a module; what is put into one is {}."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.JoinedStr):
            yield "".join(
                str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values
            )
        elif isinstance(node, ast.Constant) and isinstance(node.value, str | bytes):
            yield node.value.decode() if isinstance(node.value, bytes) else node.value


def statements(source: str) -> list[str]:
    return [text for text in texts(source) if SQL.search(text)]


@pytest.mark.parametrize("path", sorted(CODE.rglob("*.py")), ids=lambda path: path.stem)
def test_columns_are_named(path: Path) -> None:
    """With a new column, prepared statements fail, and rows that are read by place are wrong."""
    assert [text for text in statements(path.read_text()) if STAR.search(text)] == []


@pytest.mark.parametrize("path", sorted(CODE.rglob("*.py")), ids=lambda path: path.stem)
def test_nothing_stays_in_a_session(path: Path) -> None:
    """It may be a pooler's, and somebody else's with the next transaction."""
    assert [text for text in texts(path.read_text()) if LASTING.search(text)] == []


@pytest.mark.parametrize(
    "text",
    [
        "SELECT * FROM users",
        "select distinct * from users",
        "SELECT u.id, u.* FROM users u",
        "SELECT id, * FROM users",
        'SELECT "u".* FROM users "u"',
        "INSERT INTO users (id) VALUES (1) RETURNING *",
        "UPDATE users SET id = {}\n  RETURNING\n  *",
    ],
)
def test_a_star_is_found(text: str) -> None:
    assert [one for one in statements(f"QUERY = {text!r}") if STAR.search(one)] == [text]


def test_what_is_no_star_is_not() -> None:
    assert not STAR.search("SELECT count(*), size * 2 FROM users")
