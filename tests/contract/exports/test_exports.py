"""Exports on real PostgreSQL and both message stores; the fakes are held to the same."""

import io
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any
from zipfile import ZipFile

import psycopg
import pytest

from chalicelib import schema
from chalicelib.drivers.postgres import Postgres
from chalicelib.exports.archive import Archive
from chalicelib.exports.models import EVERY, KEPT, LEASE, Task
from chalicelib.exports.store import ExportStore
from chalicelib.ids import new_id
from chalicelib.messages.content import TextContent
from chalicelib.messages.models.messages import NewMessage
from chalicelib.messages.store import MessageStore
from chalicelib.messages.store.mongo.store import MongoStore
from chalicelib.messages.store.postgres.store import PostgresStore
from chalicelib.oauth.clients.store import ClientStore
from chalicelib.oauth.consents.store import ConsentStore
from chalicelib.personal_data import PersonalData
from tests.contract.accounts import NOW, Stores, held_open, migrated, real
from tests.contract.programs import program
from tests.unit.exports.fakes import FakeExportStore, FakeHeld


@dataclass
class Shelf(Stores):
    """Exports, over the same tables as accounts."""

    exports: ExportStore
    erase: Callable[[str], None]

    def person(self) -> str:
        if isinstance(self.exports, FakeExportStore):
            user_id = new_id()
            self.exports.accounts[user_id] = {"profile": []}
            return user_id
        return self.account()[0].id

    def ask(self, user_id: str, *, at: Any = NOW) -> Any:
        return self.exports.request(user_id, new_id(), f"exports/{new_id()}.zip", at)

    def claimed(self, user_id: str, *, at: Any = NOW) -> Task | None:
        """What is due for this user; others' rows are left for later."""
        found = None
        while (task := self.exports.claim(at, lease=LEASE)) is not None:
            found = task if task.user_id == user_id else found
        return found


def erased(data: PersonalData, user_id: str) -> None:
    assert data.erase(user_id, NOW, checked="hash") is not None


def over(postgres: Postgres) -> Shelf:
    base = real(postgres)
    return Shelf(
        *base,
        ExportStore(postgres),
        lambda user_id: erased(base.data, user_id),
    )


@pytest.fixture(params=["fake", "postgres"])
def shelf(request: pytest.FixtureRequest) -> Iterator[Shelf]:
    if request.param == "fake":
        fake = FakeExportStore()
        held: Any = FakeHeld(fake.accounts)
        none: Any = None
        yield Shelf(*(none, none, none, none, held), fake, lambda user_id: fake.erase(user_id, NOW))
    else:
        postgres = Postgres(migrated(request.getfixturevalue("postgres_url")))
        with postgres.cursor() as cursor:
            cursor.execute("DELETE FROM exports")
        yield over(postgres)
        postgres.close()


class TestStore:
    def test_an_export_waits_until_it_is_finished(self, shelf: Shelf) -> None:
        ana = shelf.person()
        asked = shelf.ask(ana)
        task = shelf.claimed(ana)
        assert task is not None
        assert (task.id, task.state, task.tries) == (asked.id, "waiting", 1)

        assert shelf.exports.finish(task, size=7, now=NOW, kept=KEPT)

        found = shelf.exports.latest(ana, NOW)
        assert found is not None
        assert found[1] == task.key
        assert (found[0].status, found[0].size, found[0].ready_at) == ("ready", 7, NOW)
        assert not shelf.exports.finish(task, size=8, now=NOW, kept=KEPT)

    def test_one_is_not_replaced_before_a_day_is_over(self, shelf: Shelf) -> None:
        ana = shelf.person()
        first = shelf.ask(ana)
        assert shelf.ask(ana).id == first.id
        task = shelf.claimed(ana)
        assert task is not None
        shelf.exports.finish(task, size=7, now=NOW, kept=KEPT)
        assert shelf.ask(ana, at=NOW + EVERY - timedelta(seconds=1)).id == first.id

        second = shelf.ask(ana, at=NOW + EVERY)

        assert (second.id != first.id, second.status) == (True, "waiting")
        due = [shelf.exports.claim(NOW + EVERY, lease=LEASE) for _ in range(3)]
        assert {(one.id, one.state) for one in due if one} == {
            (first.id, "doomed"),
            (second.id, "waiting"),
        }

    def test_a_failed_one_can_be_replaced_at_once(self, shelf: Shelf) -> None:
        ana = shelf.person()
        first = shelf.ask(ana)
        task = shelf.claimed(ana)
        assert task is not None
        shelf.exports.fail(task, NOW, KEPT)
        found = shelf.exports.latest(ana, NOW)
        assert found is not None
        assert found[0].status == "failed"

        assert shelf.ask(ana).id != first.id

    def test_what_is_claimed_comes_again_after_its_lease(self, shelf: Shelf) -> None:
        ana = shelf.person()
        shelf.ask(ana)
        assert shelf.claimed(ana) is not None
        assert shelf.claimed(ana, at=NOW + LEASE - timedelta(seconds=1)) is None

        again = shelf.claimed(ana, at=NOW + LEASE)

        assert again is not None
        assert again.tries == 2

    def test_unknown_and_deleted_users_get_none(self, shelf: Shelf) -> None:
        ana = shelf.person()
        shelf.erase(ana)

        assert shelf.ask(ana) is None
        assert shelf.ask(new_id()) is None
        assert shelf.data.account(ana) is None

    def test_deleting_the_account_does_not_wait_for_a_try_that_was_put_off(
        self, shelf: Shelf
    ) -> None:
        ana = shelf.person()
        shelf.ask(ana)
        task = shelf.claimed(ana)
        assert task is not None
        shelf.exports.put_off(task, NOW, 10 * LEASE)

        shelf.erase(ana)

        assert shelf.claimed(ana, at=NOW + LEASE) is not None

    def test_deleting_the_account_marks_its_export_for_deletion(self, shelf: Shelf) -> None:
        ana = shelf.person()
        shelf.ask(ana)
        task = shelf.claimed(ana)
        assert task is not None

        shelf.erase(ana)

        assert not shelf.exports.finish(task, size=7, now=NOW, kept=KEPT)
        assert shelf.exports.latest(ana, NOW) is None
        assert shelf.claimed(ana, at=NOW + LEASE - timedelta(seconds=1)) is None
        doomed = shelf.claimed(ana, at=NOW + LEASE)
        assert doomed is not None
        assert (doomed.state, doomed.key) == ("doomed", task.key)
        shelf.exports.remove(doomed)
        assert shelf.claimed(ana, at=NOW + 10 * LEASE) is None


class TestRaces:
    def test_many_concurrent_requests_make_one_export(self, postgres_url: str) -> None:
        url = migrated(postgres_url)
        connections = [Postgres(url) for _ in range(8)]
        shelves = [over(one) for one in connections]
        ana = shelves[0].person()
        with ThreadPoolExecutor(8) as pool:
            found = {one.id for one in pool.map(lambda shelf: shelf.ask(ana), shelves)}
        assert len(found) == 1

        with ThreadPoolExecutor(8) as pool:
            claimed = list(pool.map(lambda s: s.exports.claim(NOW, lease=LEASE), shelves))
        assert [one.id for one in claimed if one and one.user_id == ana] == list(found)
        for one in connections:
            one.close()

    def test_deleting_the_account_deletes_the_mail_of_an_archive_that_was_finished_meanwhile(
        self, postgres_url: str
    ) -> None:
        url = migrated(postgres_url)
        ours, theirs = Postgres(url), Postgres(url)
        shelf, other = over(ours), over(theirs)
        ana = shelf.person()
        shelf.ask(ana)
        task = shelf.claimed(ana)
        assert task is not None

        with held_open(ours, url) as start:
            assert shelf.exports.finish(task, size=7, now=NOW, kept=KEPT)
            erased = start(partial(other.erase, ana), "exports")
        erased.result()
        with psycopg.connect(url) as watch:
            mails = watch.execute("SELECT kind FROM mails WHERE subject = %s", [ana])
            assert mails.fetchall() == []
        assert (shelf.claimed(ana) or task).state == "doomed"
        ours.close()
        theirs.close()


@pytest.fixture(params=["mongo", "postgres"])
def messages(request: pytest.FixtureRequest) -> Iterator[MessageStore]:
    if request.param == "mongo":
        store = MongoStore(request.getfixturevalue("mongo_url"))
        store.create_indexes()
        yield store
        store.close()
    else:
        url = request.getfixturevalue("postgres_url")
        schema.migrate(url)
        postgres = Postgres(url)
        yield PostgresStore(postgres)
        postgres.close()


def test_an_archive_holds_what_the_stores_hold(postgres_url: str, messages: MessageStore) -> None:
    postgres = Postgres(migrated(postgres_url))
    shelf = over(postgres)
    (ana, session), (bo, _) = shelf.account(), shelf.account(display_name="Bo")
    chat_id = new_id()
    messages.chats.open_direct(chat_id, members=(ana.id, bo.id), at=NOW)
    for number in range(450):
        sent = NewMessage(
            id=new_id(),
            chat_id=chat_id,
            sender_id=ana.id if number % 2 else bo.id,
            client_id=str(number),
            content=TextContent(kind="text", text=f"number {number}"),
            created_at=NOW,
        )
        found = messages.timeline.append(sent, unanswered=3)
        assert found is not None
        messages.outbox.settle(found.change)
    ClientStore(postgres).add(board := program(name="Board"))
    consents = ConsentStore(postgres)
    consents.remember(ana.id, board.id, ["openid"], session_id=session.id, now=NOW)
    with postgres.cursor() as cursor:
        cursor.execute(
            "INSERT INTO audit_log (at, actor, action, target, address) VALUES"
            " (%(at)s, %(bo)s, 'user.suspend', %(ana)s::uuid, '192.0.2.7'),"
            " (%(at)s, %(ana)s, 'user.restore', %(bo)s::uuid, '192.0.2.8')",
            {"at": NOW, "ana": ana.id, "bo": bo.id},
        )

    file = io.BytesIO()
    Archive(data=shelf.data, messages=messages).write(ana.id, file, seconds=60)
    with ZipFile(file) as archive:
        text = {name: archive.read(name).decode() for name in archive.namelist()}
    data = {name: json.loads(one) for name, one in text.items()}
    postgres.close()

    assert data["account.json"]["profile"][0]["email"] == ana.email
    assert [one["id"] for one in data["account.json"]["sessions"]] == [session.id]
    (consent,) = data["account.json"]["consents"]
    assert (consent["name"], consent["scopes"]) == ("Board", ["openid"])
    told = [one["content"]["text"] for one in data["messages.json"]]
    assert told == [f"number {number}" for number in reversed(range(450))]
    (chat,) = data["chats.json"]
    assert {one["display_name"] for one in chat["members"]} == {ana.display_name, "Bo"}
    done, own = data["audit.json"]
    assert (done["by_you"], done["address"]) == (False, None)
    assert (own["by_you"], own["address"]) == (True, "192.0.2.8")
    assert bo.email not in "".join(text.values())
    assert "192.0.2.7" not in "".join(text.values())
    assert "hash" not in text["account.json"]
