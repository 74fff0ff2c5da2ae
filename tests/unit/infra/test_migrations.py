"""Each new migration suits the code before it, which still serves while it is applied."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.deploy.project import ROOT

MIGRATIONS = sorted((ROOT / "infra" / "migrations").glob("*.sql"))
BEFORE_ANY_STAGE = {
    "0001.users", "0002.credentials", "0003.sessions", "0004.push-tokens", "0005.roles",
    "0006.oauth", "0010.mail", "0011.second-factors", "0012.exports", "0013.passkeys",
    "0014.google", "0015.audit-addresses", "0100.messages",
}  # fmt: skip
"""No stage was deployed when these were written, so no code ever served beside them."""

EXPLAINED = re.compile(r"^-- Not additive: .{30,}", re.MULTILINE)
"""A comment before a statement that suits the code before for a reason that it gives."""

_HARMLESS = re.compile(
    r"CREATE (EXTENSION|FUNCTION|SEQUENCE|TYPE|INDEX)|COMMENT ON|INSERT INTO|UPDATE|GRANT|SELECT"
)
_LISTED = re.compile(r"CHECK \((\w+) IN \(([^)]*)\)\)")


def statements(sql: str) -> Iterator[tuple[str, str]]:
    """Each statement with one space between words, and the comments before it."""
    # A comment ends with its line, whatever stands in it.
    whole = re.sub(r"--.*", lambda comment: comment[0].replace(";", ","), sql)
    for part in whole.split(";"):
        comments = "\n".join(line for line in part.splitlines() if line.startswith("--"))
        text = " ".join(re.sub(r"--.*", "", part).split())
        if text:
            yield text, comments


def actions(text: str) -> list[str]:
    """The parts of an ALTER TABLE, split where a comma is in no parentheses."""
    parts, depth = [""], 0
    for character in text:
        depth += {"(": 1, ")": -1}.get(character, 0)
        if character == "," and not depth:
            parts.append("")
        else:
            parts[-1] += character
    return [part.strip() for part in parts]


def allowed(earlier: str) -> dict[str, set[str]]:
    """By name of a constraint: the values that it lets in, after these migrations."""
    found: dict[str, set[str]] = {}
    for text, _ in statements(earlier):
        if table := re.match(r"CREATE TABLE (\w+)", text):
            for column, values in _LISTED.findall(text):
                found[f"{table[1]}_{column}_check"] = set(re.findall(r"'([^']*)'", values))
        for name, _, values in re.findall(
            r"ADD CONSTRAINT (\w+) CHECK \((\w+) IN \(([^)]*)\)\)", text
        ):
            found[name] = set(re.findall(r"'([^']*)'", values))
    return found


def problems(sql: str, earlier: str = "") -> list[str]:
    """The statements that the code before may not survive."""
    made = set(re.findall(r"CREATE TABLE (?:IF NOT EXISTS )?(\w+)", sql))
    found = []
    for text, comments in statements(sql):
        if EXPLAINED.search(comments) or text.startswith("CREATE TABLE "):
            continue
        unique = re.match(r"CREATE UNIQUE INDEX .*? ON (\w+)", text)
        altered = re.match(r"ALTER TABLE (?:IF EXISTS )?(?:ONLY )?(\w+) (.*)", text)
        if unique:
            fine = unique[1] in made
        elif altered:
            fine = altered[1] in made or _adds(actions(altered[2]), allowed(earlier))
        else:
            fine = bool(_HARMLESS.match(text))
        if not fine:
            found.append(text)
    return found


def _adds(parts: list[str], before: dict[str, set[str]]) -> bool:
    dropped = {match[1] for part in parts if (match := re.match(r"DROP CONSTRAINT (\w+)$", part))}
    return all(_harmless(part, dropped, before) for part in parts)


def _harmless(part: str, dropped: set[str], before: dict[str, set[str]]) -> bool:
    if part.startswith("ADD COLUMN "):
        if re.search(r"\b(UNIQUE|PRIMARY KEY)\b", part):
            return False
        return "NOT NULL" not in part or bool(re.search(r"\b(DEFAULT|GENERATED)\b", part))
    if again := re.match(r"ADD CONSTRAINT (\w+) (.*)", part):
        values = _LISTED.match(again[2])
        wider = set(re.findall(r"'([^']*)'", values[2])) if values else set()
        return again[1] in dropped and bool(values) and wider >= before.get(again[1], {"?"})
    if lost := re.match(r"DROP CONSTRAINT (\w+)$", part):
        return lost[1] in before  # and added again, wider: the part that does so is checked
    return bool(re.match(r"SET \(|VALIDATE CONSTRAINT|ALTER COLUMN \w+ SET DEFAULT", part))


@pytest.mark.parametrize(
    "path",
    [each for each in MIGRATIONS if each.stem not in BEFORE_ANY_STAGE],
    ids=lambda path: path.stem,
)
def test_only_adds(path: Path) -> None:
    earlier = "\n".join(each.read_text() for each in MIGRATIONS if each.name < path.name)

    assert problems(path.read_text(), earlier) == []


CHECKED = "CREATE TABLE mails (kind text NOT NULL CHECK (kind IN ('a', 'b')));"


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE TABLE later (id int PRIMARY KEY, x text NOT NULL);",
        "CREATE TABLE later (id int); CREATE UNIQUE INDEX one ON later (id);",
        "CREATE TABLE later (id int); ALTER TABLE later ADD CONSTRAINT c UNIQUE (id);",
        "CREATE INDEX one ON users (about);",
        "ALTER TABLE users ADD COLUMN x int;",
        "ALTER TABLE users ADD COLUMN x numeric(3, 1) NOT NULL DEFAULT 0, ADD COLUMN y text;",
        "-- DROP TABLE users; TRUNCATE users;\nALTER TABLE users ADD COLUMN x int;",
        "CREATE TABLE later (id int, -- its own; no other's\n x int); CREATE INDEX i ON later (x);",
        "ALTER TABLE mails DROP CONSTRAINT mails_kind_check,"
        " ADD CONSTRAINT mails_kind_check CHECK (kind IN ('a', 'b', 'c'));",
        "ALTER TABLE outbox SET (fillfactor = 70);",
        "UPDATE users SET about = '';",
        "-- Not additive: nothing has read this table since the release before the last one.\n"
        "DROP TABLE old;",
    ],
)
def test_what_adds_is_let_through(sql: str) -> None:
    assert problems(sql, CHECKED) == []


@pytest.mark.parametrize(
    "sql",
    [
        "DROP TABLE users;",
        "ALTER TABLE users DROP COLUMN about;",
        "ALTER TABLE users ADD COLUMN x int, DROP COLUMN about;",
        "ALTER TABLE users RENAME COLUMN about TO bio;",
        "ALTER TABLE users RENAME TO people;",
        "ALTER TABLE users ALTER COLUMN about TYPE varchar(3);",
        "ALTER TABLE users ALTER COLUMN about SET NOT NULL;",
        "ALTER TABLE users ALTER COLUMN about DROP DEFAULT;",
        "ALTER TABLE users ADD COLUMN x int NOT NULL;",
        "ALTER TABLE users ADD COLUMN x int UNIQUE;",
        "ALTER TABLE users ADD CONSTRAINT c CHECK (about <> '');",
        "ALTER TABLE users ADD CONSTRAINT c UNIQUE (about);",
        "CREATE UNIQUE INDEX one ON users (about);",
        "CREATE TRIGGER t BEFORE INSERT ON users EXECUTE FUNCTION f();",
        "DELETE FROM users;",
        "TRUNCATE users;",
        "DROP INDEX users_by_prefix;",
        "REVOKE SELECT ON users FROM parley_app;",
        "ALTER TABLE mails DROP CONSTRAINT mails_kind_check,"
        " ADD CONSTRAINT mails_kind_check CHECK (kind IN ('a', 'c'));",
        "ALTER TABLE mails DROP CONSTRAINT mails_once;",
        "-- Not additive: because.\nDROP TABLE users;",
    ],
)
def test_what_the_code_before_may_not_survive_is_refused(sql: str) -> None:
    assert problems(sql, CHECKED)
