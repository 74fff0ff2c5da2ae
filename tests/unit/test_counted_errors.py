"""What a metric counts is counted where it is found: once, and not when an error is made."""

import ast
import json
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path

import pytest

from chalicelib import metrics
from chalicelib.auth.google.tokens import GoogleKeys
from chalicelib.broker.publisher import Broker
from chalicelib.broker.topology import declare
from chalicelib.broker.users import BrokerUsers
from chalicelib.drivers import secrets
from chalicelib.drivers.postgres import Postgres
from chalicelib.drivers.redis import connect
from chalicelib.drivers.s3 import S3Bucket
from chalicelib.errors import RateLimited, Unavailable
from chalicelib.errors.counted import rate_limited, unavailable
from chalicelib.limits.buckets import judge
from chalicelib.live.connections import Connections
from chalicelib.messages.store.mongo.store import MongoStore
from tests.unit.settings import ENVIRONMENT, settings

ROOT = Path(__file__).resolve().parents[2]
COUNTED = ("RateLimited", "Unavailable")
NOBODY = "http://127.0.0.1:1"


@pytest.fixture(autouse=True)
def nothing_counted() -> Iterator[None]:
    metrics.begin()
    yield
    metrics.begin()


def counted() -> list[dict[str, object]]:
    found = [json.loads(line) for line in metrics.lines("dev")]
    return [{k: v for k, v in one.items() if k not in ("_aws", "Stage")} for one in found]


def google() -> None:
    def fetch() -> tuple[int, bytes]:
        raise OSError

    GoogleKeys(fetch).get("kid")


def bucket() -> S3Bucket:
    return S3Bucket("b", NOBODY, settings().signer("s3"))


def management() -> None:
    admin = {"url": NOBODY, "username": "admin", "passwords": ["x"]}
    BrokerUsers(json.dumps(admin)).retire(ENVIRONMENT["AMQP_URL"])


ASK: dict[str, tuple[str, Callable[[], object]]] = {
    "postgres": ("postgres", lambda: Postgres(ENVIRONMENT["POSTGRES_URL"]).ping()),
    "redis": ("redis", lambda: Connections(connect(ENVIRONMENT["REDIS_URL"]), settings()).ping()),
    "mongo": ("messages", lambda: MongoStore(ENVIRONMENT["MESSAGES_URL"]).ping()),
    "rabbitmq": ("rabbitmq", lambda: Broker(ENVIRONMENT["AMQP_URL"], retry_seconds=[1]).ping()),
    "topology": ("rabbitmq", lambda: declare(ENVIRONMENT["AMQP_URL"])),
    "management": ("rabbitmq management", management),
    "s3": ("s3", lambda: bucket().delete("key")),
    "s3, for a file": ("s3", lambda: bucket().put("key", BytesIO(b"x"), 1)),
    "secrets": ("secrets", lambda: secrets.read(["x"], url=NOBODY, signer=settings().signer("s"))),
    "google": ("google", google),
}


@pytest.mark.parametrize("server", ASK)
def test_a_server_that_does_not_answer_is_counted_once(server: str) -> None:
    name, ask = ASK[server]

    with pytest.raises(Unavailable):
        ask()

    assert counted() == [{"Dependency": name, "DependencyUnavailable": 1}]


def test_a_request_over_its_limit_is_counted_once() -> None:
    with pytest.raises(RateLimited):
        judge([([], [1_000_000])])

    assert counted() == [{"RateLimited": 1}]


def test_making_an_error_counts_nothing() -> None:
    Unavailable("redis")
    RateLimited(1)

    assert counted() == []


def test_the_functions_make_what_they_count() -> None:
    assert unavailable("redis", 5).details == {"retry_after": 5}
    assert rate_limited(7, {"RateLimit": "x"}).fields == {"RateLimit": "x"}
    assert counted() == [{"Dependency": "redis", "DependencyUnavailable": 1, "RateLimited": 1}]


def made(tree: ast.AST) -> list[int]:
    """The lines that make an error without counting it."""
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return [
        node.lineno for node in calls if isinstance(node.func, ast.Name) and node.func.id in COUNTED
    ]


def test_the_code_makes_these_errors_by_the_functions_alone() -> None:
    uncounted = {
        str(path.relative_to(ROOT)): lines
        for path in sorted((ROOT / "chalicelib").rglob("*.py"))
        if (lines := made(ast.parse(path.read_text())))
    }

    assert uncounted.keys() == {"chalicelib/errors/counted.py"}
