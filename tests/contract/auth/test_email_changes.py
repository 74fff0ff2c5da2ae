"""Changes of e-mail addresses: PostgreSQL, and the stand-in for it, held to the same."""

import random
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import psycopg
import pytest

from chalicelib.auth.recovery.email_store import EmailStore
from chalicelib.auth.recovery.store import Recipient, RecoveryStore
from chalicelib.drivers.postgres import Postgres
from chalicelib.errors import Unavailable
from chalicelib.mail.models import Notice, Purpose
from chalicelib.mail.notices import NoticeStore
from chalicelib.mail.store import MailStore
from chalicelib.users.models import Profile
from tests.contract.accounts import (
    NOW,
    Stores,
    fake,
    migrated,
    real,
    wait_until_blocked,
)
from tests.faults.lossy import Loss, LossyProxy
from tests.unit.auth.fake_tables import Tables
from tests.unit.auth.recovery.fake_email import FakeEmailStore
from tests.unit.mail.fake_mail import FakeMailStore, FakeNoticeStore, FakeRecoveryStore

DAY = timedelta(days=1)


@dataclass
class Changing(Stores):
    """All stores that a change needs, over the same tables."""

    recovery: RecoveryStore
    changes: EmailStore
    mails: MailStore
    notices: NoticeStore

    def verified(self, **changes: Any) -> Profile:
        user, _ = self.account(**changes)
        digest = self.keep(self.recovery.recipient(user.id), "verify")
        assert digest is not None
        assert self.recovery.verify(user.id, digest, NOW)
        self.notices.remove(self.told(user))
        return user

    def ask(self, user: Profile, address: str, *, now: datetime = NOW) -> bool:
        return self.changes.ask(user.id, address, checked="hash", good_for=DAY, now=now)

    def link(self, user: Profile) -> bytes:
        """The digest of a link that was mailed to the address that a user wants."""
        digest = self.keep(self.changes.candidate(user.id, NOW), "change")
        assert digest is not None
        self.recovery.link_sent(digest, NOW)
        return digest

    def keep(self, recipient: Recipient | None, purpose: Purpose) -> bytes | None:
        """The digest of a link that is to be mailed; None if it is not kept."""
        assert recipient is not None
        digest = secrets.token_bytes(32)
        kept = self.recovery.keep_link(
            recipient, purpose, digest, good_for=DAY, fresh=timedelta(0), now=NOW
        )
        return digest if kept else None

    def told(self, user: Profile) -> list[Notice]:
        claimed = self.notices.claim(NOW, delays=[0], limit=10_000)
        return [one for one in claimed if one.user_id == user.id]

    def address(self, user: Profile) -> tuple[str, bool]:
        found = self.users.profile(user.id)
        assert found is not None
        return found.email, found.email_verified


def over(postgres: Postgres) -> Changing:
    base = real(postgres)
    return Changing(
        *base,
        RecoveryStore(postgres, base.sessions),
        EmailStore(postgres),
        MailStore(postgres),
        NoticeStore(postgres),
    )


def fakes() -> Changing:
    tables = Tables(clock=lambda: NOW)
    return Changing(
        *fake(tables),
        FakeRecoveryStore(tables),
        FakeEmailStore(tables),
        FakeMailStore(tables),
        FakeNoticeStore(tables),
    )


def new() -> str:
    return f"new_{secrets.token_hex(6)}@example.net"


class TestAsking:
    def test_stores_one_change_and_queues_one_mail(self, stores: Changing) -> None:
        user, first, second = stores.verified(), new(), new()
        for address in (first, first, second):
            assert stores.ask(user, address)

        candidate = stores.changes.candidate(user.id, NOW)
        assert candidate is not None
        assert (candidate.address, candidate.username) == (second, user.username)
        assert not candidate.first
        due = stores.mails.claim(NOW, delays=[60], limit=10_000)
        assert [one.kind for one in due if one.subject == user.id].count("change") == 1
        assert stores.address(user) == (user.email, True)

    def test_queues_a_notice_to_the_verified_address(self, stores: Changing) -> None:
        user, stranger = stores.verified(), stores.account()[0]
        for one in (user, stranger):
            stores.ask(one, new())

        (told,) = stores.told(user)
        assert (told.kind, told.address) == ("email_change_asked", user.email)
        assert stores.told(stranger) == []

    def test_needs_the_hash_that_was_checked(self, stores: Changing) -> None:
        user = stores.verified()

        assert not stores.changes.ask(user.id, new(), checked="other", good_for=DAY, now=NOW)
        assert stores.changes.candidate(user.id, NOW) is None
        assert stores.told(user) == []

    def test_for_the_current_address_ends_the_change(self, stores: Changing) -> None:
        user = stores.verified()
        stores.ask(user, new())
        digest = stores.link(user)

        assert stores.ask(user, user.email)

        assert stores.changes.candidate(user.id, NOW) is None
        assert stores.changes.used(user.id, digest, NOW) is None
        assert not stores.changes.complete(user.id, digest, NOW)

    def test_a_newer_change_voids_the_links_of_the_older(self, stores: Changing) -> None:
        user, same = stores.verified(), new()
        stores.ask(user, same)
        digest = stores.link(user)
        stores.ask(user, same)
        assert stores.changes.used(user.id, digest, NOW) is False
        stores.ask(user, new())

        assert stores.changes.used(user.id, digest, NOW) is None
        assert not stores.changes.complete(user.id, digest, NOW)

    def test_ends_after_a_while(self, stores: Changing) -> None:
        user = stores.verified()
        stores.ask(user, new(), now=NOW - 2 * DAY)

        assert stores.changes.candidate(user.id, NOW) is None
        assert stores.recovery.purge(NOW) >= 1

    def test_no_link_is_stored_for_an_address_that_was_replaced(self, stores: Changing) -> None:
        user = stores.verified()
        stores.ask(user, new())
        candidate = stores.changes.candidate(user.id, NOW)
        assert candidate is not None
        stores.ask(user, new())

        assert stores.keep(candidate, "change") is None

    def test_an_address_of_somebody_else_is_taken(self, stores: Changing) -> None:
        user, other = stores.verified(), stores.verified()
        stores.ask(user, other.email)
        candidate = stores.changes.candidate(user.id, NOW)

        assert candidate is not None
        assert candidate.taken


class TestCompleting:
    def test_replaces_the_address_and_tells_both(self, stores: Changing) -> None:
        user, address = stores.verified(), new()
        before = stores.users.cards([user.id])[0].revision
        stores.ask(user, address)
        stores.notices.remove(stores.told(user))

        assert stores.changes.complete(user.id, stores.link(user), NOW)

        assert stores.address(user) == (address, True)
        assert stores.users.cards([user.id])[0].revision == before + 1
        told = {(one.kind, one.address) for one in stores.told(user)}
        assert told == {("email_changed", user.email), ("address_verified", address)}
        assert stores.accounts.credential_for(address)
        assert stores.accounts.credential_for(user.email) is None

    def test_works_once_and_a_repeat_is_recognized(self, stores: Changing) -> None:
        user = stores.verified()
        stores.ask(user, new())
        digest = stores.link(user)
        assert stores.changes.used(user.id, digest, NOW) is False
        assert stores.changes.complete(user.id, digest, NOW)

        assert not stores.changes.complete(user.id, digest, NOW)
        assert stores.changes.used(user.id, digest, NOW) is True
        assert stores.changes.used(stores.verified().id, digest, NOW) is None

    def test_a_used_link_is_invalid_after_the_address_changed(self, stores: Changing) -> None:
        user, first = stores.verified(), new()
        stores.ask(user, first)
        old = stores.link(user)
        stores.changes.complete(user.id, old, NOW)
        stores.ask(user, new())
        stores.changes.complete(user.id, stores.link(user), NOW)
        stores.ask(user, first)

        assert stores.changes.used(user.id, old, NOW) is None
        assert not stores.changes.complete(user.id, old, NOW)

    def test_needs_the_right_user_purpose_and_a_link_that_has_not_expired(
        self, stores: Changing
    ) -> None:
        user, other = stores.verified(), stores.verified()
        for one in (user, other):
            stores.ask(one, new())
        digest = stores.link(user)

        assert not stores.changes.complete(other.id, digest, NOW)
        assert not stores.changes.complete(user.id, b"x" * 32, NOW)
        assert not stores.changes.complete(user.id, digest, NOW + 2 * DAY)
        assert not stores.recovery.verify(user.id, digest, NOW)
        assert stores.recovery.reset(digest, NOW) is None
        assert stores.recovery.reset_password(digest, "hash 2", NOW) is None
        assert stores.address(user) == (user.email, True)

    def test_an_address_that_another_account_verified_stays_there(self, stores: Changing) -> None:
        user, address = stores.verified(), new()
        stores.ask(user, address)
        digest = stores.link(user)
        other = stores.verified(email=address)

        assert not stores.changes.complete(user.id, digest, NOW)
        assert stores.address(user) == (user.email, True)
        assert stores.address(other) == (address, True)

    def test_ends_links_of_the_old_address(self, stores: Changing) -> None:
        user = stores.verified()
        recipient = stores.recovery.recipient(user.id)
        by_mail = stores.keep(recipient, "reset")
        assert by_mail is not None
        stores.ask(user, new())
        stores.changes.complete(user.id, stores.link(user), NOW)

        assert stores.recovery.reset(by_mail, NOW) is None
        assert stores.recovery.reset_password(by_mail, "hash 2", NOW) is None
        assert stores.keep(recipient, "reset") is None


class TestWhatEndsIt:
    def test_a_changed_password(self, stores: Changing) -> None:
        user = stores.verified()
        session = stores.login(user)
        stores.ask(user, new())
        digest = stores.link(user)

        stores.accounts.change_password(user.id, "hash 2", checked="hash", but=session.id, now=NOW)

        assert stores.changes.candidate(user.id, NOW) is None
        assert not stores.changes.complete(user.id, digest, NOW)

    def test_a_reset(self, stores: Changing) -> None:
        user = stores.verified()
        stores.ask(user, new())
        digest = stores.link(user)
        by_mail = stores.keep(stores.recovery.recipient(user.id), "reset")
        assert by_mail is not None

        assert stores.recovery.reset_password(by_mail, "hash 2", NOW) is not None

        assert stores.changes.candidate(user.id, NOW) is None
        assert not stores.changes.complete(user.id, digest, NOW)

    def test_the_deletion_of_the_account(self, stores: Changing) -> None:
        user = stores.verified()
        stores.ask(user, new())
        digest = stores.link(user)

        stores.data.erase(user.id, NOW, checked="hash")

        assert stores.changes.candidate(user.id, NOW) is None
        assert not stores.changes.complete(user.id, digest, NOW)
        due = stores.mails.claim(NOW, delays=[60], limit=10_000)
        assert user.id not in [one.subject for one in due]


class TestRaces:
    def test_two_concurrent_completions_change_the_address_once(
        self, connect: Callable[[], Changing]
    ) -> None:
        one, two = connect(), connect()
        user = one.verified()
        for _ in range(10):
            one.ask(user, new())
            digest = one.link(user)
            with ThreadPoolExecutor(2) as pool:
                done = [
                    pool.submit(who.changes.complete, user.id, digest, NOW) for who in (one, two)
                ]
            assert sorted(each.result() for each in done) == [False, True]

    def test_of_two_accounts_that_want_one_address_one_gets_it(
        self, connect: Callable[[], Changing]
    ) -> None:
        one, two = connect(), connect()
        for _ in range(10):
            people, address = [one.verified(), one.verified()], new()
            for person in people:
                one.ask(person, address)
            links = [one.link(person) for person in people]
            with ThreadPoolExecutor(2) as pool:
                done = pool.map(
                    lambda who, person, digest: who.changes.complete(person.id, digest, NOW),
                    [one, two],
                    people,
                    links,
                )
                assert sorted(done) == [False, True]

    @pytest.mark.parametrize("other", ["password", "reset", "ask", "erase"])
    def test_concurrent_changes_are_applied_completely_or_not_at_all(
        self, connect: Callable[[], Changing], other: str
    ) -> None:
        """However they meet, the account has one of both addresses, and no wish is left that a
        thief could have made before the password was changed."""
        one, two = connect(), connect()
        for _ in range(15):
            user, address = one.verified(), new()
            session = one.login(user)
            by_mail = one.keep(one.recovery.recipient(user.id), "reset")
            assert by_mail is not None
            one.ask(user, address)
            digest = one.link(user)
            change = partial(two.accounts.change_password, but=session.id, now=NOW)
            acts: dict[str, Callable[[], object]] = {
                "password": partial(change, user.id, "hash 2", checked="hash"),
                "reset": partial(two.recovery.reset_password, by_mail, "hash 2", NOW),
                "ask": partial(two.ask, user, new()),
                "erase": partial(two.data.erase, user.id, NOW, checked="hash"),
            }
            with ThreadPoolExecutor(2) as pool:
                completed = pool.submit(one.changes.complete, user.id, digest, NOW)
                pool.submit(acts[other]).result()
            if other == "erase":
                assert one.users.profile(user.id) is None
                assert one.changes.candidate(user.id, NOW) is None
                continue
            assert one.address(user) == ((address if completed.result() else user.email), True)
            if other != "ask":
                assert one.changes.candidate(user.id, NOW) is None

    def test_a_change_that_waits_for_a_new_password_is_refused(
        self, postgres_url: str, connect: Callable[[], Changing]
    ) -> None:
        stores = connect()
        user = stores.verified()
        with (
            psycopg.connect(postgres_url) as changing,
            psycopg.connect(postgres_url, autocommit=True) as watch,
            ThreadPoolExecutor(1) as pool,
        ):
            changing.execute(
                "UPDATE credentials SET password_hash = 'hash 2' WHERE user_id = %s", [user.id]
            )
            asked = pool.submit(stores.ask, user, new())
            wait_until_blocked(watch)
            changing.commit()

            assert asked.result() is False
        assert stores.changes.candidate(user.id, NOW) is None


def test_a_repeat_gets_the_answer_that_was_lost(postgres_url: str) -> None:
    proxy = LossyProxy(migrated(postgres_url))
    postgres = Postgres(proxy.url)
    stores = over(postgres)
    lost = 0
    for number in range(1, 9):
        user, address = stores.verified(), new()
        asked = losing(proxy, number, partial(stores.ask, user, address))
        if asked is None:
            assert stores.ask(user, address)
        digest = stores.link(user)
        done = losing(proxy, number, partial(stores.changes.complete, user.id, digest, NOW))
        lost += done is None
        if done is None and not stores.changes.used(user.id, digest, NOW):
            assert stores.changes.complete(user.id, digest, NOW)
        assert stores.address(user) == (address, True)
    assert lost > 3
    postgres.close()
    proxy.close()


def losing(proxy: LossyProxy, number: int, act: Callable[[], bool]) -> bool | None:
    """What an act answers, if the answer of one of its statements gets lost; None for none."""
    with proxy.losing(Loss(lambda answer: answer == number, random.Random(), silent=False)):
        try:
            return act()
        except Unavailable:
            return None


def test_an_event_tells_other_services(postgres_url: str) -> None:
    postgres = Postgres(migrated(postgres_url))
    stores = over(postgres)
    user = stores.verified()
    stores.ask(user, new())
    stores.changes.complete(user.id, stores.link(user), NOW)

    with postgres.cursor() as cursor:
        rows = cursor.execute(
            "SELECT type, data::text FROM domain_events WHERE data->>'user_id' = %s ORDER BY at",
            [user.id],
        ).fetchall()
    postgres.close()
    assert [kind for kind, _ in rows] == ["user.registered", "user.updated"]
    assert not any("@" in data for _, data in rows)
