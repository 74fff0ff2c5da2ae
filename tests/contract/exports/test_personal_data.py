"""Every column of every table is in docs/personal-data.md, so that deleting forgets none."""

import re
from pathlib import Path

import psycopg

from tests.contract.accounts import migrated

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "personal-data.md").read_text()


def test_every_column_is_documented_and_no_other(postgres_url: str) -> None:
    section = PAGE.split("\n## PostgreSQL")[1].split("\n## ")[0]
    rows = re.findall(r"^\| `(\w+)` \| (.*?) \|", section, re.MULTILINE)
    told = sorted((table, one) for table, names in rows for one in re.findall(r"`(\w+)`", names))

    with psycopg.connect(migrated(postgres_url)) as connection:
        found = connection.execute(
            "SELECT table_name, column_name FROM information_schema.columns"
            " WHERE table_schema = 'public' AND table_name !~ '^_?yoyo'"
        ).fetchall()

    assert told == sorted(found)
