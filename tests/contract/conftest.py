"""Real servers for the contract tests: given by the environment, else started once a run."""

import os
import secrets
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pymongo
import pytest
import redis

from chalicelib.drivers.postgres import Postgres
from chalicelib.drivers.redis import connect as connect_redis
from local.servers import start_all
from local.servers.postgres import Postgres as Server
from tests.contract import application_role
from tests.contract.accounts import Stores, connecting, either, fake, real
from tests.contract.altered import ALTERED, altered
from tests.contract.pooler import POOLED, pooler
from tests.unit.auth.fake_tables import Tables

Start = Callable[[str], str]
HERE = Path(__file__).parent


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Stores sign in as functions do; in these tests, not in others that run in this process."""
    if HERE not in item.path.parents:
        return (yield)
    with application_role.installed():
        return (yield)


@pytest.fixture(scope="session")
def start_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    """Starts one kind of server and returns its URL; all of them are stopped at the end."""
    running = []

    def start(kind: str) -> str:
        state = tmp_path_factory.mktemp(kind)
        servers = start_all(state, [kind], print, on_failure=lambda: None)
        running.append((servers, state))
        url = servers[kind].url
        if kind == "postgres" and (state / "keys").exists():
            _owner_of_everything(url, state)
        return url

    yield start
    for servers, state in running:
        servers.stop()
        shutil.rmtree(state)


def _owner_of_everything(url: str, state: Path) -> None:
    """Tests make roles. Those who own nothing are tried as such: see application_role."""
    parts = urlsplit(url)
    administration = Server.administration(parts.port or 5432, state)
    with psycopg.connect(administration, autocommit=True) as connection:
        connection.execute(f"ALTER ROLE {parts.username} SUPERUSER".encode())


@pytest.fixture(scope="session")
def postgres_url(start_server: Start, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A new, empty database; behind a pooler or altered all the time, where the environment asks
    for that."""
    server = start_server("postgres")
    name = f"test_{secrets.token_hex(4)}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    url = urlsplit(server)._replace(path=f"/{name}").geturl()
    if os.environ.get(ALTERED):
        with altered():
            yield url
    elif os.environ.get(POOLED):
        state = tmp_path_factory.mktemp("pooler")
        with pooler(url, state) as pooled_url, pytest.MonkeyPatch.context() as patch:
            patch.setitem(Postgres.__init__.__kwdefaults__ or {}, "pooled", True)
            yield pooled_url
    else:
        yield url
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


@pytest.fixture(scope="session")
def mongo_url(start_server: Start) -> Iterator[str]:
    """A new, empty database."""
    server = start_server("mongo")
    name = f"test_{secrets.token_hex(4)}"
    yield urlsplit(server)._replace(path=f"/{name}").geturl()
    client: pymongo.MongoClient[dict[str, Any]] = pymongo.MongoClient(server)
    with client:
        client.drop_database(name)


@pytest.fixture(scope="session")
def redis_url(start_server: Start) -> str:
    """A database that tests may flush."""
    return urlsplit(start_server("redis"))._replace(path="/15").geturl()


@pytest.fixture(scope="session")
def amqp_url(start_server: Start) -> str:
    """A broker with the default virtual host."""
    return start_server("rabbitmq")


@pytest.fixture
def client(redis_url: str) -> Iterator[redis.Redis]:
    """A client of an empty database of Redis."""
    client = connect_redis(redis_url)
    client.flushdb()
    yield client
    client.close()


def over(postgres: Postgres) -> Stores:
    return Stores(*real(postgres))


def fakes() -> Stores:
    tables = Tables()
    return Stores(*fake(tables))


@pytest.fixture(params=["fake", "postgres"])
def stores(request: pytest.FixtureRequest) -> Iterator[Any]:
    """The stores under test, in memory and in PostgreSQL: those that the functions `fakes` and
    `over` of the test's module make, or else those of accounts and users."""
    module = request.module
    yield from either(request, getattr(module, "fakes", fakes), getattr(module, "over", over))


@pytest.fixture
def connect(request: pytest.FixtureRequest, postgres_url: str) -> Iterator[Callable[[], Any]]:
    """Makes `stores` in PostgreSQL, each over a connection of its own."""
    yield from connecting(postgres_url, getattr(request.module, "over", over))


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The statements that the thread of the test sends to PostgreSQL, without BEGIN and COMMIT, and
    without the limits that each transaction is given behind a pooler."""
    asked: list[str] = []
    thread = threading.get_ident()
    real = psycopg.Cursor.execute

    def counted(self: Any, query: Any, *rest: Any, **more: Any) -> Any:
        ours = threading.get_ident() == thread  # another one may alter tables meanwhile
        if ours and not str(query).startswith("SET LOCAL statement_timeout"):
            asked.append(str(query))
        return real(self, query, *rest, **more)

    monkeypatch.setattr(psycopg.Cursor, "execute", counted)
    return asked
