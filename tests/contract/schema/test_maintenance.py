"""The maintenance function in processes of its own, on the real servers."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import psycopg
import pytest
from pymongo import MongoClient

from chalicelib.admin.models import AuditQuery
from chalicelib.admin.store import AdminStore
from chalicelib.broker.publisher import Broker
from chalicelib.broker.pushes import Failure
from chalicelib.broker.topology import DEAD, declare
from chalicelib.drivers.postgres import Postgres
from chalicelib.messages.store import StoreUnfit
from chalicelib.messages.store.mongo import timeline
from chalicelib.messages.store.mongo.fitness import require_fit
from chalicelib.messages.store.mongo.outbox import MongoOutbox
from chalicelib.messages.store.mongo.store import MongoStore
from tests.contract.accounts import profile, real, session_of
from tests.contract.broker.queues import Queues
from tests.contract.messages.store.room import Room
from tests.unit.settings import ENVIRONMENT

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def servers(
    postgres_url: str, mongo_url: str, redis_url: str, amqp_url: str
) -> Iterator[dict[str, str]]:
    """The environment, with two databases that hold nothing yet."""
    name = f"maintained_{uuid4().hex}"
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
        yield {
            **ENVIRONMENT,
            "POSTGRES_URL": postgres_url.rpartition("/")[0] + f"/{name}",
            "MESSAGES_URL": urlsplit(mongo_url)._replace(path=f"/{name}").geturl(),
            "REDIS_URL": redis_url,
            "AMQP_URL": amqp_url,
        }
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())
    with MongoClient[dict[str, object]](mongo_url) as client:
        client.drop_database(name)


def start(environment: Mapping[str, str], **order: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "chalicelib.maintenance", json.dumps(order)],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def answer(process: subprocess.Popen[str]) -> object:
    out, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    return json.loads(out.splitlines()[-1])


def test_two_processes_migrate_at_once(servers: dict[str, str]) -> None:
    both = [start(servers, task="migrate") for _ in range(2)]

    assert [answer(one) for one in both] == [{"done": True}] * 2

    assert answer(start(servers, task="migrate")) == {"done": True}
    with psycopg.connect(servers["POSTGRES_URL"]) as connection:
        row = connection.execute(
            "SELECT count(*), count(DISTINCT migration_id) FROM _yoyo_migration"
        )
        applied = row.fetchone()
    assert applied is not None
    assert applied[0] == applied[1] == len(list((ROOT / "infra/migrations").glob("*.sql")))
    messages = MongoStore(servers["MESSAGES_URL"])
    room = Room(messages)
    said = room.say(room.ana)
    assert room.all() == [said]
    messages.close()


def test_someone_without_a_name_migrates_too(servers: dict[str, str]) -> None:
    """As the user that Lambda runs functions as may be."""
    code = (
        "import getpass, pwd\n"
        "def nobody(uid): raise KeyError(uid)\n"
        "pwd.getpwuid = nobody\n"
        "from chalicelib.maintenance import maintain\n"
        "print(maintain({'task': 'migrate'}, None))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **servers},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert "{'done': True}" in done.stdout, done.stderr


def test_check_finds_every_server(servers: dict[str, str]) -> None:
    declare(servers["AMQP_URL"])

    found = answer(start(servers, task="check"))

    assert isinstance(found, dict)
    assert {one["status"] for one in found["dependencies"].values()} == {"ok"}


def test_grant_makes_the_first_admin(servers: dict[str, str]) -> None:
    answer(start(servers, task="migrate"))
    postgres = Postgres(servers["POSTGRES_URL"])
    user, base = profile(), real(postgres)
    base.accounts.add(user, "hash", session_of(user.id))

    granted = answer(start(servers, task="grant", username=user.username, role="admin"))
    nobody = start(servers, task="grant", username="nobody", role="admin")

    assert granted == {"user_id": user.id}
    assert base.sessions.roles(user.id) == {"admin"}
    (entry,) = AdminStore(postgres).audit(AuditQuery(), limit=9)
    assert (entry.actor, entry.action, entry.target) == ("operator", "admin.grant", user.id)
    assert nobody.communicate(timeout=60)[1] == "There is no such user.\n"
    assert nobody.returncode == 1
    postgres.close()


def test_redrive_moves_what_was_laid_aside(servers: dict[str, str]) -> None:
    declare(servers["AMQP_URL"])
    queues = Queues(servers["AMQP_URL"])
    queues.purge()
    broker = Broker(servers["AMQP_URL"])
    broker.bury([Failure(b"{}", shard=1, attempt=4, reason="x")])

    assert answer(start(servers, task="redrive", limit=10)) == {"moved": 1, "left": 0}

    assert queues.wait_for("push.1")[2] == b"{}"
    assert queues.take(DEAD) is None
    broker.close()
    queues.connection.close()


def test_a_failure_is_one_sentence(servers: dict[str, str]) -> None:
    failed = start(
        {**servers, "POSTGRES_URL": "postgresql://nobody:hunter2@127.0.0.1:1/x"}, task="migrate"
    )
    out, errors = failed.communicate(timeout=60)

    assert failed.returncode == 1
    assert errors == "No answer in time from: postgres\n"
    assert "hunter2" not in out


class TestAServerThatCannotKeepChats:
    @pytest.fixture(autouse=True)
    def nothing_stays(self, mongo_url: str) -> Iterator[None]:
        """Whatever is tried, no collection is left of it."""
        yield
        with MongoClient[dict[str, object]](mongo_url) as client:
            names = client.get_default_database().list_collection_names()
        assert [name for name in names if name.startswith("fitness_")] == []

    def test_is_none_if_it_does_what_mongodb_does(self, mongo_url: str) -> None:
        require_fit(mongo_url)

    @pytest.mark.parametrize(
        "update",
        [
            lambda entry: [{"$set": {"outbox": {"$noSuchOperator": 1}}}],
            lambda entry: [{"$noSuchStage": {}}],
            lambda entry: {"$noSuchModifier": {}},
        ],
    )
    def test_is_unfit_if_it_refuses_an_update(
        self, mongo_url: str, monkeypatch: pytest.MonkeyPatch, update: Callable[..., object]
    ) -> None:
        monkeypatch.setattr(timeline, "take_place", update)

        with pytest.raises(StoreUnfit, match=r"MongoDB 4\.2 or newer.*error \d+"):
            require_fit(mongo_url)

    def test_is_unfit_if_it_takes_text_for_an_expression(
        self, mongo_url: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def without_literals(entry: dict[str, object]) -> list[object]:
            rank = {"last_rev": {"$add": ["$last_rev", 1]}, "placed_at": "$$NOW"}
            place = {"seq": "$last_rev", "rev": "$last_rev", "created_at": "$placed_at"}
            placed = {"$mergeObjects": [entry, place]}
            return [{"$set": rank}, {"$set": {"outbox": [placed]}}]

        monkeypatch.setattr(timeline, "take_place", without_literals)

        with pytest.raises(StoreUnfit, match="wrong about: text"):
            require_fit(mongo_url)

    def test_is_unfit_if_it_settles_nothing(
        self, mongo_url: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(MongoOutbox, "settle", lambda *_, **__: None)

        with pytest.raises(StoreUnfit, match="settling"):
            require_fit(mongo_url)

    def test_is_refused_if_it_forgets_an_event(
        self, mongo_url: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(MongoOutbox, "_keep", lambda *_: None)

        with pytest.raises(StoreUnfit, match="events"):
            require_fit(mongo_url)
