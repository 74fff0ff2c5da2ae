"""Exports on real PostgreSQL, both message stores and a real S3; the fakes are held to the same."""

import io
import json
import random
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import formatdate
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from zipfile import ZipFile

import psycopg
import pytest
import redis

from chalicelib import metrics, schema
from chalicelib.config import Settings
from chalicelib.drivers.postgres import Postgres
from chalicelib.drivers.s3 import S3Bucket
from chalicelib.drivers.sigv4 import SKEW_SECONDS
from chalicelib.errors import Unavailable
from chalicelib.exports.archive import Archive
from chalicelib.exports.links import ExportLinks
from chalicelib.exports.models import EVERY, KEPT, LEASE, LINK, Task
from chalicelib.exports.service import NAME
from chalicelib.exports.store import ExportStore
from chalicelib.identity import Identity
from chalicelib.ids import new_id
from chalicelib.messages.content import TextContent
from chalicelib.messages.models import NewMessage
from chalicelib.messages.store import MessageStore
from chalicelib.messages.store.mongo.store import MongoStore
from chalicelib.messages.store.postgres.store import PostgresStore
from chalicelib.oauth.clients.store import ClientStore
from chalicelib.oauth.consents.store import ConsentStore
from chalicelib.personal_data import PersonalData
from local import keys
from local.servers import start_all
from tests.contract.accounts import NOW, Stores, held_open, migrated, real
from tests.contract.drivers.test_http import serving
from tests.contract.programs import program
from tests.faults.lossy import Loss, LossyProxy
from tests.proxy import Proxy
from tests.unit.exports.fakes import FakeExportLinks, FakeExportStore, FakeHeld
from tests.unit.settings import settings


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
        messages.outbox.settle(found.message)
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


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """The settings that find a real S3."""
    state: Path = tmp_path_factory.mktemp("s3")
    servers = start_all(state, ["s3"], print, on_failure=lambda: None)
    known = keys.aws(state / "keys")
    yield {
        "exports_url": servers["s3"].url,
        "exports_bucket": "parley-exports",
        "aws_access_key_id": known.access_key,
        "aws_secret_access_key": known.secret_key,
    }
    servers.stop()


def bucket_of(given: Settings) -> S3Bucket:
    return S3Bucket(given.exports_bucket, given.exports_at, given.signer("s3"))


def status(url: str) -> int:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as refusal:
        return refusal.code


class TestBucket:
    def test_a_stored_file_is_downloaded_by_a_link_under_our_name(self, s3: dict[str, Any]) -> None:
        bucket = bucket_of(settings(**s3))
        content = b"x" * 3_000_000
        bucket.put("exports/a.zip", io.BytesIO(content), len(content))

        with urllib.request.urlopen(
            bucket.link("exports/a.zip", name=NAME, seconds=60), timeout=10
        ) as answer:
            assert answer.read() == content
            assert answer.headers["content-disposition"] == f'attachment; filename="{NAME}"'

    def test_a_link_opens_one_file_and_expires(self, s3: dict[str, Any]) -> None:
        bucket = bucket_of(settings(**s3))
        for key in ("exports/b.zip", "exports/c.zip"):
            bucket.put(key, io.BytesIO(b"secret"), 6)
        link = bucket.link("exports/b.zip", name=NAME, seconds=60)
        assert status(link) == 200

        assert status(link.replace("exports/b", "exports/c")) == 403
        assert status(link.replace("X-Amz-Expires=60", "X-Amz-Expires=600")) == 403
        assert status(link[:-1] + ("0" if link[-1] != "0" else "1")) == 403
        assert status(link.partition("?")[0]) == 403
        assert status(link.replace("parley-export.zip", "evil.exe")) == 403
        short = bucket.link("exports/b.zip", name=NAME, seconds=1)
        time.sleep(2.5)
        assert status(short) == 403

    @pytest.mark.parametrize("ahead", [-600, -100, 100, 600])
    def test_a_link_ends_in_time_however_wrong_our_clock_is(
        self, s3: dict[str, Any], ahead: int
    ) -> None:
        """S3 takes what is signed some minutes early, so the link would live longer by that."""
        bucket = bucket_of(settings(**s3))
        bucket.put("exports/g.zip", io.BytesIO(b"mine"), 4)
        bucket._signer.ahead = -ahead  # signs as a clock that is as much ahead

        link = bucket.link("exports/g.zip", name=NAME, seconds=60)

        (stamp,) = parse_qs(urlsplit(link).query)["X-Amz-Date"]
        signed_at = datetime.strptime(f"{stamp}+0000", "%Y%m%dT%H%M%SZ%z").timestamp()
        assert abs(signed_at - time.time()) < SKEW_SECONDS
        assert status(link) == 200

    @pytest.mark.parametrize("ahead", [-600, 1200])
    def test_a_large_file_is_put_however_wrong_our_clock_is(self, ahead: int) -> None:
        """S3 refuses without reading the file, and hangs up: that may be all that we see of it."""
        content, stored = random.Random(1).randbytes(5_000_000), bytearray()

        def answer(connection: socket.socket, request: bytes) -> None:
            head, _, body = request.partition(b"\r\n\r\n")
            stamp = head.partition(b"X-Amz-Date=")[2][:16].decode()
            signed_at = datetime.strptime(f"{stamp}+0000", "%Y%m%dT%H%M%SZ%z").timestamp()
            if abs(signed_at - time.time()) > 180:
                connection.sendall(f"HTTP/1.1 403 No\r\nDate: {formatdate()}\r\n\r\n".encode())
                raise ConnectionError
            size = int(head.lower().partition(b"content-length: ")[2].partition(b"\r")[0])
            while len(body) < size:
                body += connection.recv(65536)
            stored[:] = body
            status = 200 if head.startswith(b"PUT") else 404
            date = f"Date: {formatdate()}\r\nContent-Length: 0\r\n\r\n"
            connection.sendall(f"HTTP/1.1 {status} So\r\n{date}".encode())

        with serving(answer) as server:
            bucket = bucket_of(
                settings(exports_bucket="b", exports_url=f"http://127.0.0.1:{server.port}")
            )
            bucket._signer.ahead = -ahead

            bucket.put("exports/h.zip", io.BytesIO(content), len(content))

        assert bytes(stored) == content

    def test_what_is_deleted_is_gone_and_deleting_again_is_harmless(
        self, s3: dict[str, Any]
    ) -> None:
        bucket = bucket_of(settings(**s3))
        bucket.put("exports/d.zip", io.BytesIO(b"gone"), 4)

        bucket.delete("exports/d.zip")
        bucket.delete("exports/d.zip")

        assert status(bucket.link("exports/d.zip", name=NAME, seconds=60)) == 404

    def test_a_file_that_is_stored_counts_no_outage(self, s3: dict[str, Any]) -> None:
        metrics.begin()

        bucket_of(settings(**s3)).put(f"exports/{new_id()}.zip", io.BytesIO(b"x"), 1)

        assert list(metrics.lines("dev")) == []

    def test_a_wrong_key_stores_nothing(self, s3: dict[str, Any]) -> None:
        stranger = bucket_of(settings(**{**s3, "aws_secret_access_key": "of somebody else"}))

        with pytest.raises(Unavailable):
            stranger.put("exports/e.zip", io.BytesIO(b"x"), 1)

    def test_a_server_that_does_not_answer_raises_unavailable(
        self, s3: dict[str, Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("chalicelib.drivers.s3.WAIT_SECONDS", 0.2)
        with Proxy("127.0.0.1", urlsplit(s3["exports_url"]).port or 0) as proxy:
            proxy.freeze()
            for port in (1, proxy.port):
                bucket = bucket_of(settings(**{**s3, "exports_url": f"http://127.0.0.1:{port}"}))
                with pytest.raises(Unavailable) as caught:
                    bucket.put("exports/f.zip", io.BytesIO(b"x"), 1)
                assert caught.value.dependency == "s3"

    def test_g9_a_server_that_drips_is_not_waited_for(
        self, s3: dict[str, Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("chalicelib.drivers.s3.WAIT_SECONDS", 0.5)
        with Proxy("127.0.0.1", urlsplit(s3["exports_url"]).port or 0) as proxy:
            bucket = bucket_of(settings(**{**s3, "exports_url": f"http://127.0.0.1:{proxy.port}"}))
            proxy.drip = 0.1
            before = time.monotonic()
            with pytest.raises(Unavailable):
                bucket.put("exports/g.zip", io.BytesIO(b"x"), 1)
            with pytest.raises(Unavailable):
                bucket.delete("exports/g.zip")
            assert time.monotonic() - before < 3

    @pytest.mark.parametrize("silent", [False, True])
    def test_a_repeat_completes_an_upload_whose_answer_was_lost(
        self, s3: dict[str, Any], silent: bool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("chalicelib.drivers.s3.WAIT_SECONDS", 1.0)
        proxy = LossyProxy(s3["exports_url"])
        bucket = bucket_of(settings(**{**s3, "exports_url": proxy.url}))
        link = bucket.link("exports/i.zip", name=NAME, seconds=60)
        losing = partial(proxy.losing, Loss(lambda _: True, random.Random(), silent))

        with losing(), pytest.raises(Unavailable):
            bucket.put("exports/i.zip", io.BytesIO(b"whole"), 5)
        bucket.put("exports/i.zip", io.BytesIO(b"whole"), 5)
        assert status(link) == 200
        with losing(), pytest.raises(Unavailable):
            bucket.delete("exports/i.zip")
        bucket.delete("exports/i.zip")
        assert status(link) == 404
        proxy.close()

    def test_a_connection_that_the_network_dropped_does_no_harm(self, s3: dict[str, Any]) -> None:
        with Proxy("127.0.0.1", urlsplit(s3["exports_url"]).port or 0) as proxy:
            bucket = bucket_of(settings(**{**s3, "exports_url": f"http://127.0.0.1:{proxy.port}"}))
            bucket.put("exports/h.zip", io.BytesIO(b"x"), 1)
            proxy.forget()

            before = time.monotonic()
            bucket.delete("exports/h.zip")

        assert time.monotonic() - before < 2


class TestLinks:
    @pytest.fixture(params=["fake", "redis"])
    def links(self, request: pytest.FixtureRequest) -> ExportLinks:
        if request.param == "fake":
            return FakeExportLinks()
        return ExportLinks(request.getfixturevalue("client"))

    def test_name_their_user_each_time_they_are_opened(self, links: ExportLinks) -> None:
        ana = Identity(user_id=new_id(), session_id=new_id(), scopes=frozenset())

        ticket = links.issue(ana)

        assert [links.holder(ticket) for _ in range(2)] == [ana, ana]
        assert links.holder("unknown") is None
        assert links.issue(ana) != ticket

    def test_end_by_themselves_and_redis_sees_no_ticket(self, client: redis.Redis) -> None:
        ana = Identity(user_id=new_id(), session_id=new_id())

        ticket = ExportLinks(client).issue(ana)

        (key,) = client.keys()
        assert ticket not in f"{key!r} {client.get(key)!r}"
        assert 0 < client.ttl(key) <= LINK.total_seconds()
