"""Real servers for the contract tests: given by the environment, else started once a run."""

import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pymongo
import pytest

from chalicelib.postgres import Postgres
from local.servers import start_all
from local.servers.postgres import Postgres as Server
from tests.contract import application_role
from tests.contract.altered import ALTERED, altered
from tests.contract.pooler import POOLED, pooler

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
