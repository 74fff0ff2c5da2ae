"""Times in PostgreSQL are by its clock, whatever the function's shows."""

import secrets
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from chalicelib.auth.recovery.store import RecoveryStore
from chalicelib.auth.second_factor.store import SecondFactorStore
from chalicelib.clock import NOW
from chalicelib.drivers.postgres import Postgres
from chalicelib.exports.models import EVERY, KEPT, LEASE
from chalicelib.exports.store import ExportStore
from chalicelib.ids import new_id
from chalicelib.mail.store import MailStore
from chalicelib.wire import now
from tests.contract.accounts import MONTH, Stores, migrated, profile, real, session_of

ABOUT = timedelta(seconds=30)
HOUR = timedelta(hours=1)


@pytest.fixture
def postgres(postgres_url: str) -> Iterator[Postgres]:
    postgres = Postgres(migrated(postgres_url))
    yield postgres
    postgres.close()


@pytest.fixture
def stores(postgres: Postgres) -> Stores:
    return Stores(*real(postgres))


def is_now(time: datetime | None) -> bool:
    return time is not None and abs(time - now()) < ABOUT


@pytest.mark.parametrize("wrong", [-HOUR, HOUR], ids=["behind", "ahead"])
def test_a_session_begins_and_ends_by_it(stores: Stores, wrong: timedelta) -> None:
    user, theirs = profile(), now() + wrong
    drafted = session_of(
        user.id, created_at=theirs, rotated_at=theirs, last_used_at=theirs, expires_at=theirs + HOUR
    )
    stores.accounts.add(user, "hash", replace(drafted, drafted=True))

    found = stores.sessions.session(drafted.id)

    assert found is not None
    assert all(map(is_now, (found.created_at, found.rotated_at, found.last_used_at)))
    assert found.expires_at - found.created_at == HOUR
    assert found.stands
    assert [one.id for one in stores.sessions.sessions(user.id, now=NOW, before=None, limit=9)] == [
        found.id
    ]
    rotated = {"current": b"2", "previous": b"1", "seed": b"s"}
    assert stores.sessions.rotate(found, **rotated, now=NOW, lifetime=MONTH)
    found = stores.sessions.session(found.id)
    assert found is not None
    assert is_now(found.rotated_at)
    assert is_now(found.expires_at - MONTH)
    assert stores.sessions.revoke(user.id, found.id, NOW)
    ended = stores.sessions.session(found.id)
    assert ended is not None
    assert is_now(ended.revoked_at)
    assert ended.revoked_lately
    assert (user.id, found.id) in stores.sessions.revoked_within(HOUR, 10_000)


def test_a_link_is_good_for_as_long_as_it_is_given(postgres: Postgres, stores: Stores) -> None:
    recovery, (user, _) = RecoveryStore(postgres, stores.sessions), stores.account()
    recipient = recovery.recipient(user.id)
    assert recipient is not None

    for good_for, good in ((HOUR, True), (timedelta(0), False)):
        digest = secrets.token_bytes(32)
        fresh = timedelta(0)
        assert recovery.keep_link(
            recipient, "reset", digest, good_for=good_for, fresh=fresh, now=NOW
        )
        assert (recovery.reset(digest, NOW) is not None) is good
        recovery.link_sent(digest, NOW)
        assert recovery.has_link(user.id, "reset", fresh=HOUR, now=NOW) is True


def test_a_mail_is_due_at_once_and_again_after_its_delay(postgres: Postgres) -> None:
    mails, address = MailStore(postgres), f"{new_id()}@example.org"
    mails.add("reset", address, NOW)

    def due() -> int:
        found = mails.claim(NOW, delays=[3600], limit=100_000)
        return sum(one.subject == address for one in found)

    assert [due(), due()] == [1, 0]


def test_an_export_is_due_leased_and_over_by_it(postgres: Postgres, stores: Stores) -> None:
    exports, (user, _) = ExportStore(postgres), stores.account()
    asked = exports.request(user.id, new_id(), new_id(), NOW)
    assert asked is not None
    assert is_now(asked.created_at)
    claimed = []
    while task := exports.claim(NOW, lease=LEASE):
        claimed.append(task)
    (mine,) = (task for task in claimed if task.user_id == user.id)

    assert exports.finish(mine, size=1, now=NOW, kept=KEPT)

    found = exports.latest(user.id, NOW)
    assert found is not None
    assert is_now(found[0].ready_at)
    assert found[0].expires_at is not None
    assert is_now(found[0].expires_at - KEPT)
    assert exports.latest(user.id, now() + KEPT + EVERY) is None


def test_a_second_factor_tells_when_it_was_read(postgres: Postgres, stores: Stores) -> None:
    factors, (user, _) = SecondFactorStore(postgres), stores.account()
    factors.propose(user.id, "SECRET")

    factor = factors.factor(user.id)

    assert factor is not None
    assert abs(factor.read_at - now().timestamp()) < ABOUT.total_seconds()
