"""Each table has one owner: the feature whose code names it. Others use what that feature gives."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from chalicelib.admin.personal_data import EXPORT_PAGE
from chalicelib.personal_data import ACCOUNT

ROOT = Path(__file__).resolve().parents[3]
CODE = ROOT / "chalicelib"

OWNERS = {
    "users": {"users", "push_tokens"},
    "auth": {
        *("credentials", "sessions", "user_roles", "google_accounts", "passkeys"),
        *("second_factors", "recovery_codes", "mail_links", "mail_tokens", "email_changes"),
    },
    "mail": {"mails", "notices"},
    "messages": {"chats", "memberships", "messages", "outbox", "chat_events"},
    "domain_events": {"domain_events"},
    "admin": {"audit_log"},
    "oauth": {"oauth_clients", "oauth_consents"},
    "exports": {"exports"},
}

KEPT = {
    "audit_log": "staff must not hide what they did by leaving",
    "domain_events": "other services must learn of the deletion",
    "oauth_clients": "nothing of a person",
}
"""Tables that erasure leaves as they are. Those of messages stay as well."""

NOT_EXPORTED = {
    "recovery_codes": "their number is in the export",
    "mail_tokens": "only the version before wrote it; its rows are in mail_links",
    "mails": "a mail that waits is sent within 4 hours",
    "notices": "the same",
    "domain_events": "ids of the user, until RabbitMQ is back",
}
"""Tables that no file of an export is made of, though they may name a user."""

_BEFORE = r"\b(?:FROM|JOIN|INTO|UPDATE|USING|TABLE|TRUNCATE|ON)\s+(?:ONLY\s+)?"
_NAMED = re.compile(rf"{_BEFORE}\"?([a-z_]+)\b|,\s*([a-z_]+)\s+[a-z]\b|^([a-z_]+) [a-z]\b")
_HIDDEN = re.compile(rf"{_BEFORE}{{([^}}]*)}}")
_SQL = re.compile(r"\b(SELECT|INSERT|UPDATE|DELETE|FROM|JOIN|REVOKE|GRANT)\b")
_FRAGMENT = re.compile(r"\w+\.[A-Z_]+|self\._[a-z]+\.\w+|_?[A-Z_]+|proof\.query|group|database")


def tables() -> set[str]:
    """All that the migrations make."""
    sql = "".join(path.read_text() for path in (ROOT / "infra" / "migrations").glob("*.sql"))
    return set(re.findall(r"CREATE TABLE (\w+)", sql))


def texts(source: str) -> Iterator[str]:
    """Every text of a module that is no docstring. What is put into one is in braces."""
    tree = ast.parse(source)
    parts = {
        id(part)
        for node in ast.walk(tree)
        if isinstance(node, ast.JoinedStr)
        for part in ast.walk(node)
        if part is not node
    }
    parts |= {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if id(node) in parts:
            continue
        if isinstance(node, ast.JoinedStr):
            yield "".join(
                str(part.value) if isinstance(part, ast.Constant) else "{" + _put(part) + "}"
                for part in node.values
            )
        elif isinstance(node, ast.Constant) and isinstance(node.value, str | bytes):
            yield node.value.decode() if isinstance(node.value, bytes) else node.value


def _put(part: ast.expr) -> str:
    assert isinstance(part, ast.FormattedValue)
    return ast.unparse(part.value)


def named(source: str, known: set[str]) -> set[str]:
    """The tables that a module names: in statements, in parts of these, or as a text by itself."""
    found = set()
    for text in (re.sub(r"{[^}]*}", "{}", one) for one in texts(source)):
        if _SQL.search(text) or re.fullmatch(r"[a-z_]+ [a-z]\b.*", text, re.DOTALL):
            found |= {name for match in _NAMED.findall(text) for name in match}
            found |= set(re.findall(r"\b([a-z_]+)\.[a-z_]+\b", text))
        elif "_" in text:  # one word may be anything
            found.add(text)
    return found & known


def by_feature(known: set[str], code: Path = CODE) -> dict[str, set[str]]:
    """The features, and other modules, that name each table."""
    found: dict[str, set[str]] = {name: set() for name in known}
    for path in code.rglob("*.py"):
        feature = path.relative_to(code).parts[0].removesuffix(".py")
        for name in named(path.read_text(), known):
            found[name].add(feature)
    return found


def wrong(known: set[str], code: Path = CODE) -> dict[str, set[str]]:
    """The tables that others than their owner name, or that have none, and who names them."""
    owner = {name: {feature} for feature, names in OWNERS.items() for name in names}
    return {
        name: features
        for name, features in by_feature(known, code).items()
        if features != owner.get(name)
    }


def test_each_table_is_named_by_its_owner_alone() -> None:
    assert wrong(tables()) == {}


def test_a_new_table_needs_an_owner() -> None:
    assert wrong({*tables(), "new_things"}) == {"new_things": set()}


@pytest.mark.parametrize(
    "statement",
    [
        '"SELECT 1 FROM sessions"',
        'f"SELECT {COLUMNS} FROM users u JOIN sessions s ON s.user_id = u.id"',
        '"DELETE FROM users USING sessions WHERE users.id = sessions.user_id"',
        '"SELECT id FROM users u, sessions s"',
        '"UPDATE sessions SET revoked_at = now()"',
        'b"INSERT INTO sessions (id) VALUES (1)"',
        '"GRANT SELECT ON sessions TO {group}"',
        '"sessions s"',
    ],
)
def test_a_table_that_is_named_elsewhere_is_found(tmp_path: Path, statement: str) -> None:
    for feature, names in OWNERS.items():
        module = tmp_path / feature / "store.py"
        module.parent.mkdir()
        module.write_text("".join(f'Q = "DELETE FROM {name}"\n' for name in names))
    assert wrong(tables(), tmp_path) == {}

    (tmp_path / "users" / "store.py").write_text(
        f'QUERIES = "DELETE FROM users", "DELETE FROM push_tokens", {statement}\n'
    )

    assert wrong(tables(), tmp_path) == {"sessions": {"auth", "users"}}


@pytest.mark.parametrize("path", sorted(CODE.rglob("*.py")), ids=lambda path: path.stem)
def test_no_statement_gets_the_name_of_a_table_from_a_variable(path: Path) -> None:
    """It would hide from this test which tables are named."""
    put = [name for text in texts(path.read_text()) for name in _HIDDEN.findall(text)]
    if path.name == "roles.py":
        put.remove("")  # the tables of the tool that migrates

    assert [name for name in put if not _FRAGMENT.fullmatch(name)] == []


def test_what_others_call_a_column_or_a_key_is_no_table() -> None:
    source = 'KEYS = {"sessions": "exports"}\nprint("Users from sessions, messages")\n'

    assert named(source, tables()) == set()


def statements() -> str:
    """The texts of the modules that say what of a user is exported or erased."""
    paths = [*CODE.glob("*/personal_data.py"), *CODE.glob("*/sql.py")]
    paths += [CODE / "auth" / "sessions" / "store.py"]
    return "\n".join(text for path in paths for text in texts(path.read_text()))


@pytest.mark.parametrize("table", sorted(tables() - OWNERS["messages"]))
def test_erasure_and_export_know_each_table_of_accounts(table: str) -> None:
    said = statements()
    erased = re.search(rf"\b(DELETE FROM|UPDATE) {table}\b", said)
    exported = any(re.search(rf"\b(FROM|JOIN) {table}\b", one) for one in _exported())

    assert bool(erased) != (table in KEPT)
    assert exported or table in NOT_EXPORTED


def _exported() -> list[str]:
    return [*ACCOUNT.values(), EXPORT_PAGE]
