"""The code before the newest migration, on the schema with it: as both are during a deploy."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import psycopg
import pytest
from yoyo import get_backend, read_migrations

from chalicelib import schema

ROOT = Path(__file__).resolve().parents[2]
MIGRATIONS = "infra/migrations"
SUITES = (
    "test_accounts.py", "test_account_races.py", "test_sessions.py", "test_users.py",
    "test_admin.py", "test_admin_races.py", "test_recovery.py", "test_queued_mail.py",
    "test_email_changes.py", "test_email_change_races.py", "test_client_*.py",
    "test_second_factor.py", "test_passkeys.py", "test_google.py", "test_exports.py",
    "test_consent*.py", "test_message_store*.py", "test_postgres_messages.py",
)  # fmt: skip
"""Found in any folder of the old code, by the names that they had and have."""
SECONDS = 900


def test_the_suites_of_this_code_are_among_them() -> None:
    """The next migration is tried with them."""
    here = ROOT / "tests/contract"

    assert [name for name in SUITES if not any(here.rglob(name))] == []


def git(*arguments: str) -> str:
    done = subprocess.run(
        ["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if done.returncode:
        pytest.skip(f"git does not tell: {done.stderr.strip()[:200]}")
    return done.stdout


def before_the_newest_migration() -> str:
    """The last commit without it: the newest by history, whatever its number is."""
    if git("status", "--porcelain", "--", MIGRATIONS):
        return "HEAD"
    added = git("log", "--diff-filter=A", "--format=%H", "-1", "--", MIGRATIONS).strip()
    if not git("rev-list", "--parents", "-1", added).split()[1:]:
        pytest.skip("there is no commit before the newest migration")
    return f"{added}^"


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The old code, with the new migrations."""
    folder = tmp_path_factory.mktemp("old")
    archive = folder / "code.tar"
    git("archive", "-o", str(archive), before_the_newest_migration())
    shutil.unpack_archive(archive, folder, filter="data")
    shutil.rmtree(folder / MIGRATIONS)
    shutil.copytree(ROOT / MIGRATIONS, folder / MIGRATIONS)
    (folder / ".local").symlink_to(ROOT / ".local")
    return folder


def test_its_stores_do_on_the_new_schema_all_that_they_did(old: Path) -> None:
    suites = [path for name in SUITES for path in (old / "tests/contract").rglob(name)]
    options = ["-q", "-x", "-p", "no:cacheprovider", "-k", "not mongo"]
    own = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, *map(str, suites)],
        cwd=old,
        env={**own, "PYTHONPATH": str(old)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=SECONDS,
        check=False,
    )

    assert done.returncode == 0, done.stdout[-6000:]
    assert len(suites) > 5


@pytest.fixture
def new_url(postgres_url: str) -> Iterator[str]:
    name = f"migrated_{uuid4().hex}"
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
        yield urlsplit(postgres_url)._replace(path=f"/{name}").geturl()
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


USER = (
    "INSERT INTO users (id, username, email, display_name, created_at)"
    " VALUES (gen_random_uuid(), 'ana', 'ana@example.org', 'Ana', now())"
)
COUNT = len(list((ROOT / MIGRATIONS).glob("*.sql")))


@pytest.mark.parametrize("applied", range(1, COUNT))
def test_the_new_code_migrates_from_every_earlier_schema_and_keeps_what_is_there(
    new_url: str, applied: int
) -> None:
    backend = get_backend(new_url.replace("postgresql://", "postgresql+psycopg://"))
    backend.apply_migrations(read_migrations(str(ROOT / MIGRATIONS))[:applied])
    backend.connection.close()
    with psycopg.connect(new_url) as connection:
        connection.execute(USER)

    schema.migrate(new_url)

    with psycopg.connect(new_url) as connection:
        assert connection.execute("SELECT username FROM users").fetchall() == [("ana",)]
        row = connection.execute("SELECT count(*) FROM _yoyo_migration").fetchone()
    assert row == (COUNT,)
