"""An export is made once, in the background, whatever fails; and only its owner gets a link."""

import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import IO

import pytest

from chalicelib import metrics
from chalicelib.auth.models import PasswordProof
from chalicelib.errors import (
    ExportNotFound,
    InvalidCredentials,
    RateLimited,
    Unavailable,
    UserNotFound,
)
from chalicelib.exports.archive import Archive, NotWritten
from chalicelib.exports.models import KEPT, LEASE, LINK, ExportLink
from chalicelib.exports.service import DELAYS, Exports
from chalicelib.identity import Identity
from chalicelib.ids import new_id
from tests.unit.exports.fakes import FakeBucket, FakeExportLinks, FakeExportStore

RIGHT = PasswordProof(password="correct horse battery 42")
WRONG = PasswordProof(password="wrong horse battery 42")
NOW = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)


class FakeArchive(Archive):
    """Writes a few bytes. `meanwhile` is called while it does; `problem` is raised."""

    def __init__(self) -> None:
        self.written = 0
        self.problem: Exception | None = None
        self.meanwhile: Callable[[], None] = lambda: None

    def write(self, user_id: str, file: IO[bytes], *, seconds: float) -> None:
        self.written += 1
        file.write(f"about {user_id}".encode())
        self.meanwhile()
        if self.problem is not None:
            raise self.problem


class World:
    """A service over fakes, with a clock that stands still."""

    def __init__(self) -> None:
        self.store, self.bucket, self.archive = FakeExportStore(), FakeBucket(), FakeArchive()
        self.now, self.links = NOW, FakeExportLinks()
        self.ended: set[str] = set()
        self.exports = Exports(
            store=self.store,
            bucket=self.bucket,
            archive=lambda: self.archive,
            confirm=self._confirm,
            links=lambda: self.links,
            stands=lambda identity: identity.session_id not in self.ended,
            url="https://api/v1/export",
            clock=lambda: self.now,
        )
        self.store.clock = lambda: self.now

    def person(self) -> Identity:
        user_id = new_id()
        self.store.accounts[user_id] = {"profile": []}
        return Identity(user_id=user_id, session_id=new_id(), scopes=frozenset({"account"}))

    def ready(self) -> Identity:
        who = self.person()
        self.exports.request(who, RIGHT)
        self.exports.work()
        return who

    def after(self, span: timedelta) -> None:
        self.now += span
        self.exports.work()

    def open(self, link: ExportLink) -> str:
        return self.exports.open(link.url.partition("?ticket=")[2])

    def _confirm(self, identity: Identity, proof: PasswordProof) -> None:
        if proof != RIGHT:
            raise InvalidCredentials()


@pytest.fixture
def world() -> World:
    return World()


def test_an_export_is_made_by_the_job_and_its_owner_is_mailed(world: World) -> None:
    ana = world.person()

    asked = world.exports.request(ana, RIGHT)
    assert (asked.status, asked.expires_at) == ("waiting", None)
    world.exports.work()

    found = world.exports.latest(ana)
    assert (found.id, found.status, found.expires_at) == (asked.id, "ready", NOW + KEPT)
    assert list(world.bucket.files.values()) == [f"about {ana.user_id}".encode()]
    assert world.store.mailed == {ana.user_id}


def test_both_the_export_and_its_link_need_the_password(world: World) -> None:
    ana = world.person()
    with pytest.raises(InvalidCredentials):
        world.exports.request(ana, WRONG)
    assert not world.store.rows

    ana = world.ready()
    with pytest.raises(InvalidCredentials):
        world.exports.link(ana, WRONG)


def test_a_link_ends_soon_and_its_key_cannot_be_guessed(world: World) -> None:
    ana = world.ready()
    (key,) = world.bucket.files

    link = world.exports.link(ana, RIGHT)

    assert link.expires_at == NOW + LINK
    assert link.url.startswith("https://api/v1/export?ticket=")
    assert "ticket=" not in repr(link)
    opened = world.open(link)
    assert key in opened
    assert "seconds=60" in opened
    assert ana.user_id not in key
    assert len(key) > len("exports/.zip") + 40


def test_a_link_ends_with_the_session_that_asked_for_it(world: World) -> None:
    ana = world.ready()
    link = world.exports.link(ana, RIGHT)
    assert world.open(link) == world.open(link)

    world.ended.add(ana.session_id)

    with pytest.raises(ExportNotFound):
        world.open(link)


def test_a_link_opens_no_archive_that_is_over_and_no_other_ticket_does(world: World) -> None:
    ana = world.ready()
    link = world.exports.link(ana, RIGHT)
    world.store.erase(ana.user_id, NOW)

    for one in (link, link.model_copy(update={"url": "https://api/v1/export?ticket=made-up"})):
        with pytest.raises(ExportNotFound):
            world.open(one)


def test_a_stranger_finds_no_export_and_gets_no_link(world: World) -> None:
    world.ready()
    eve = world.person()

    with pytest.raises(ExportNotFound):
        world.exports.latest(eve)
    with pytest.raises(ExportNotFound):
        world.exports.link(eve, RIGHT)


def test_there_is_no_link_before_it_is_ready(world: World) -> None:
    ana = world.person()
    world.exports.request(ana, RIGHT)

    with pytest.raises(ExportNotFound):
        world.exports.link(ana, RIGHT)


def test_asking_again_while_it_is_made_makes_no_second_one(world: World) -> None:
    ana = world.person()

    first, second = world.exports.request(ana, RIGHT), world.exports.request(ana, RIGHT)

    assert first.id == second.id
    world.exports.work()
    assert world.archive.written == 1


def test_a_new_one_can_be_asked_for_a_day_later_and_takes_the_place_of_the_old(
    world: World,
) -> None:
    ana = world.ready()
    (old,) = world.bucket.files
    world.now += timedelta(hours=23)
    with pytest.raises(RateLimited) as refusal:
        world.exports.request(ana, RIGHT)
    assert refusal.value.details["retry_after"] == 3600

    world.now += timedelta(hours=1)
    world.exports.request(ana, RIGHT)
    world.exports.work()

    assert len(world.bucket.files) == 1
    assert old not in world.bucket.files


def test_an_archive_is_deleted_after_a_week(world: World) -> None:
    ana = world.ready()
    world.now += KEPT
    with pytest.raises(ExportNotFound):
        world.exports.link(ana, RIGHT)

    world.exports.work()

    assert (world.bucket.files, world.store.rows) == ({}, {})


@pytest.mark.parametrize("problem", [Unavailable("messages"), NotWritten("it takes too long")])
def test_what_fails_is_tried_again_and_given_up_in_the_end(
    world: World, problem: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    metrics.begin()
    ana = world.person()
    world.exports.request(ana, RIGHT)
    world.archive.problem = problem
    world.exports.work()
    for delay in DELAYS:
        assert world.exports.latest(ana).status == "waiting"
        world.after(timedelta(seconds=delay))

    assert world.archive.written == len(DELAYS) + 1
    assert world.exports.latest(ana).status == "failed"
    assert ("ExportsGivenUp", 1) in metrics._counted
    assert caplog.records[-1].levelno == logging.ERROR
    assert ana.user_id not in caplog.text
    world.archive.problem = None
    assert world.exports.request(ana, RIGHT).status == "waiting"


def test_while_s3_is_down_a_run_ends_and_a_later_one_makes_it(world: World) -> None:
    ana = world.person()
    world.exports.request(ana, RIGHT)
    world.bucket.down = True
    world.exports.work()
    assert world.archive.written == 1

    world.bucket.down = False
    world.after(timedelta(seconds=DELAYS[0]))

    assert world.exports.latest(ana).status == "ready"


def test_who_is_killed_is_followed_by_another_after_the_lease_and_not_before(
    world: World,
) -> None:
    ana = world.person()
    world.exports.request(ana, RIGHT)
    assert world.store.claim(world.now, lease=LEASE) is not None  # and does not report any more

    world.after(LEASE - timedelta(seconds=1))
    assert world.archive.written == 0
    world.after(timedelta(seconds=1))
    assert world.exports.latest(ana).status == "ready"


def test_an_export_that_kills_every_function_is_given_up(world: World) -> None:
    ana = world.person()
    world.exports.request(ana, RIGHT)
    for _ in range(len(DELAYS) + 1):
        assert world.store.claim(world.now, lease=LEASE) is not None
        world.now += LEASE

    world.exports.work()

    assert (world.archive.written, world.exports.latest(ana).status) == (0, "failed")


def test_a_slow_function_changes_nothing_after_another_one_took_its_task(world: World) -> None:
    ana = world.person()
    world.exports.request(ana, RIGHT)
    slow = world.store.claim(world.now, lease=LEASE)
    assert slow is not None
    world.after(LEASE)

    assert not world.store.finish(slow, size=1, now=world.now, kept=KEPT)
    assert world.exports.latest(ana).size != 1


def test_deleting_the_account_while_its_archive_is_made_leaves_none(world: World) -> None:
    ana = world.person()
    world.exports.request(ana, RIGHT)
    world.archive.meanwhile = lambda: world.store.erase(ana.user_id, world.now)

    world.exports.work()
    assert (world.bucket.files, world.store.mailed) == ({}, set())
    world.after(LEASE)

    assert world.store.rows == {}


def test_deleting_the_account_has_its_archive_deleted_even_if_s3_was_down(world: World) -> None:
    ana = world.ready()
    world.store.erase(ana.user_id, world.now)
    world.bucket.down = True
    world.exports.work()
    assert world.bucket.files

    world.bucket.down = False
    world.after(LEASE)

    assert (world.bucket.files, world.store.rows) == ({}, {})


def test_who_is_deleted_gets_no_export_and_a_stage_without_a_bucket_has_none(world: World) -> None:
    ana = world.person()
    del world.store.accounts[ana.user_id]
    with pytest.raises(UserNotFound):
        world.exports.request(ana, RIGHT)

    world.bucket.is_named = False
    with pytest.raises(Unavailable):
        world.exports.request(world.person(), RIGHT)
