"""docs/personal-data.md names every kind of thing that is kept; a contract test has the columns."""

import re
from pathlib import Path

import pytest

from chalicelib.broker.topology import topology
from chalicelib.messages.store.mongo.documents import Documents
from chalicelib.messages.store.mongo.store import MongoStore

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs" / "personal-data.md").read_text()


def told(section: str) -> list[str]:
    """The names in the first column of a section's table."""
    (text,) = (one for one in PAGE.split("\n## ") if one.startswith(section))
    return re.findall(r"^\| `([\w.-]+)` \|", text, re.MULTILINE)


def test_every_table_is_documented() -> None:
    migrations = "".join(p.read_text() for p in (ROOT / "infra" / "migrations").glob("*.sql"))

    assert set(told("PostgreSQL")) == set(re.findall(r"CREATE TABLE (\w+)", migrations))


def test_every_collection_is_documented() -> None:
    class Named(dict[str, str]):
        def __missing__(self, name: str) -> str:
            return name

    collections = vars(Documents(Named())).values()  # type: ignore[arg-type]

    assert sorted(told("MongoDB")) == sorted(collections)
    assert set(MongoStore.INDEXES) <= set(told("MongoDB"))


def test_every_kind_of_key_is_documented() -> None:
    code = "".join(path.read_text() for path in (ROOT / "chalicelib").rglob("*.py"))
    # A key is `kind:{tag}`, or `kind:` and a digest.
    kinds = re.findall(r'f"([a-z-]+):\{(?:\{\{|hashlib)', code)
    kinds += re.findall(r'f"([a-z-]+):\{\{\{', code)

    assert set(told("Redis")) == set(kinds)


def test_every_queue_is_documented() -> None:
    queues = {given["queue"] for name, given in topology() if name == "queue_declare"}

    assert {re.sub(r"\.\d+$", "", queue) for queue in queues} == set(told("RabbitMQ"))


def test_every_bucket_of_data_is_documented() -> None:
    template = (ROOT / "infra" / "data.yaml").read_text()
    buckets = re.findall(r"^  (\w+):\n    Type: AWS::S3::Bucket$", template, re.MULTILINE)

    assert sorted(told("S3")) == sorted(buckets)


@pytest.mark.parametrize("line", [one for one in PAGE.splitlines() if one.startswith("| `")])
def test_each_row_says_how_long_and_what_deletion_does(line: str) -> None:
    *_, long, deletion = (cell.strip() for cell in line.strip("|").split("|"))

    assert long
    assert deletion
