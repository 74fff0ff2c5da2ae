"""Bringing every server up to date."""

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit
from uuid import uuid4

import psycopg
import pytest

from chalicelib import schema
from chalicelib.broker.publisher import Broker
from chalicelib.drivers.postgres import Postgres
from chalicelib.drivers.postgres_connection import SESSION
from chalicelib.errors import Unavailable
from chalicelib.messages.store.mongo.store import MongoStore
from chalicelib.messages.store.postgres.store import PostgresStore
from tests.contract.messages.store.room import Room
from tests.unit.settings import ENVIRONMENT, settings


@pytest.fixture
def second_url(postgres_url: str) -> Iterator[str]:
    """Another database, for the messages."""
    name = f"second_{uuid4().hex}"
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
        yield urlsplit(postgres_url)._replace(path=f"/{name}").geturl()
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


def test_may_be_done_again_and_by_several_at_once(
    postgres_url: str, mongo_url: str, amqp_url: str
) -> None:
    given = settings(postgres_url=postgres_url, messages_url=mongo_url, amqp_url=amqp_url)

    with ThreadPoolExecutor() as pool:
        list(pool.map(schema.apply, [given] * 3))
    schema.apply(given)

    Broker(amqp_url).ping()
    messages = MongoStore(mongo_url)
    room = Room(messages)
    said = room.say(room.ana)
    assert room.all() == [said]
    messages.close()


def test_takes_messages_to_a_postgresql_of_their_own(
    postgres_url: str, second_url: str, amqp_url: str
) -> None:
    schema.apply(settings(postgres_url=postgres_url, messages_url=second_url, amqp_url=amqp_url))

    for url in (postgres_url, second_url):  # as a client that sets nothing itself
        with psycopg.connect(url) as connection:
            for name, value in SESSION.items():
                held = connection.execute("SELECT current_setting(%s)", [name]).fetchone()
                assert held == (value,)
    postgres = Postgres(second_url)
    room = Room(PostgresStore(postgres))
    assert room.say(room.ana).rev == 1
    postgres.close()


def test_tells_which_server_does_not_answer(mongo_url: str) -> None:
    with pytest.raises(Unavailable) as caught:
        schema.apply(settings(messages_url=mongo_url))

    assert caught.value.dependency == "postgres"


def test_as_a_program_says_what_is_wrong_in_a_sentence() -> None:
    for environment, sentence in (
        (ENVIRONMENT, "No answer in time from: postgres"),
        ({}, "Settings are missing or malformed: "),
    ):
        done = subprocess.run(
            [sys.executable, "-m", "chalicelib.schema"],
            cwd=schema.MIGRATIONS.parents[1],
            env={"PATH": os.environ["PATH"], **environment},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

        assert done.returncode == 1
        assert done.stderr.startswith(sentence)
        assert done.stderr.count("\n") == 1
