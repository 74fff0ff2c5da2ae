"""Google accounts and used ID tokens: the servers, and the stand-ins, held to the same."""

import secrets
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest
import redis

from chalicelib.auth.google.store import GoogleStore
from chalicelib.auth.google.uses import IdTokenUses
from chalicelib.auth.passkeys.models import Passkey
from chalicelib.auth.passkeys.store import PasskeyStore
from chalicelib.auth.recovery.store import RecoveryStore
from chalicelib.auth.second_factor.store import SecondFactorStore
from chalicelib.drivers.postgres import Postgres
from chalicelib.drivers.redis import connect
from chalicelib.errors import Unavailable, UsernameTaken
from chalicelib.ids import new_id
from chalicelib.users.models import Profile
from tests.contract.accounts import NOW, Stores, fake, migrated, profile, real, session_of
from tests.unit.auth.fake_tables import Tables
from tests.unit.auth.google.fake_google import FakeGoogleStore, FakeUses
from tests.unit.mail.fake_mail import FakeRecoveryStore


@dataclass
class Linked(Stores):
    """The stores that Google accounts need, over the same tables."""

    google: GoogleStore
    recovery: RecoveryStore

    def add(self, user: Profile, subject: str) -> bool:
        return self.google.add(user, "hash", session_of(user.id), subject)

    def reset(self, user: Profile, now: datetime = NOW) -> list[str] | None:
        """Set a new password by mail."""
        digest, until = secrets.token_bytes(32), NOW + timedelta(hours=1)
        recipient = self.recovery.recipient(user.id)
        assert recipient is not None
        self.recovery.keep_link(
            recipient, "reset", digest, good_for=until - NOW, fresh=timedelta(0), now=NOW
        )
        return self.recovery.reset_password(digest, "new hash", now)


def over(postgres: Postgres) -> Linked:
    base = real(postgres)
    return Linked(
        *base,
        GoogleStore(postgres, base.accounts),
        RecoveryStore(postgres, base.sessions),
    )


def fakes() -> Linked:
    tables = Tables()
    return Linked(
        *fake(tables),
        FakeGoogleStore(tables),
        FakeRecoveryStore(tables),
    )


def subject() -> str:
    return secrets.token_hex(10)


class TestNewAccounts:
    def test_are_found_by_the_google_account_that_made_them(self, stores: Linked) -> None:
        user, sub = profile(email_verified=True), subject()

        assert stores.add(user, sub)

        found = stores.google.find(sub)
        assert found == (user.id, sub, False, False)
        assert stores.google.owner(user.email) == found
        assert stores.google.linked_at(user.id) == NOW
        assert stores.users.profile(user.id) == user
        assert stores.google.find("another") is None

    def test_are_not_found_by_an_unverified_address(self, stores: Linked) -> None:
        user = profile()

        assert stores.add(user, subject())

        assert stores.google.owner(user.email) is None

    def test_are_made_completely_or_not_at_all(self, stores: Linked) -> None:
        user, sub = profile(email_verified=True), subject()
        assert stores.add(user, sub)
        same_subject = profile()
        same_address = profile(email=user.email, email_verified=True)

        assert not stores.add(same_subject, sub)
        assert not stores.add(same_address, subject())
        with pytest.raises(UsernameTaken):
            stores.add(profile(username=user.username), subject())

        for made in (same_subject, same_address):
            assert stores.users.profile(made.id) is None


class TestLinks:
    def test_by_an_address_need_the_accounts_verified_address(self, stores: Linked) -> None:
        user, claimed = profile(email_verified=True), profile()
        assert stores.add(user, subject())
        stores.google.unlink(user.id, NOW)
        assert stores.add(claimed, subject())
        stores.google.unlink(claimed.id, NOW)

        assert not stores.google.link(user.id, subject(), NOW, address="old@example.org")
        assert not stores.google.link(claimed.id, subject(), NOW, address=claimed.email)
        assert stores.google.linked_at(user.id) is None
        assert stores.google.link(user.id, subject(), NOW, address=user.email)

    def test_are_made_once_and_removed(self, stores: Linked) -> None:
        (user, _), (other, _), sub = stores.account(), stores.account(), subject()

        assert stores.google.link(user.id, sub, NOW)
        assert stores.google.link(user.id, sub, NOW + timedelta(days=1))
        assert stores.google.linked_at(user.id) == NOW
        assert not stores.google.link(other.id, sub, NOW)
        assert not stores.google.link(user.id, subject(), NOW)
        stores.google.unlink(user.id, NOW)
        stores.google.unlink(user.id, NOW)

        assert stores.google.linked_at(user.id) is None
        assert stores.google.link(other.id, sub, NOW)
        assert stores.google.link(user.id, subject(), NOW)

    def test_open_sessions_until_they_are_removed(self, stores: Linked) -> None:
        (user, _), sub = stores.account(), subject()
        stores.google.link(user.id, sub, NOW)

        assert stores.accounts.open_by_google(session_of(user.id), sub, known=True) == []
        assert stores.accounts.open_by_google(session_of(user.id), "another", known=True) is None
        stores.google.unlink(user.id, NOW)
        assert stores.accounts.open_by_google(session_of(user.id), sub, known=True) is None

    def test_are_deleted_with_the_account_and_not_made_afterwards(self, stores: Linked) -> None:
        (user, _), sub = stores.account(), subject()
        stores.google.link(user.id, sub, NOW)

        stores.data.erase(user.id, NOW, checked="hash")

        assert stores.google.find(sub) is None
        assert not stores.google.link(user.id, sub, NOW)

    def test_are_removed_by_a_password_reset(self, stores: Linked) -> None:
        (user, _), sub = stores.account(), subject()
        stores.google.link(user.id, sub, NOW)

        assert stores.reset(user) is not None

        assert stores.google.find(sub) is None


def test_of_first_sign_ins_at_once_one_makes_an_account(postgres_url: str) -> None:
    migrated(postgres_url)
    sub, address = subject(), f"{subject()}@gmail.com"

    def first(_: int) -> bool:
        postgres = Postgres(postgres_url)
        try:
            return over(postgres).add(profile(email=address, email_verified=True), sub)
        finally:
            postgres.close()

    with ThreadPoolExecutor(8) as threads:
        assert sorted(threads.map(first, range(8))) == [False] * 7 + [True]


@pytest.fixture(params=["fake", "redis"])
def uses(request: pytest.FixtureRequest) -> IdTokenUses:
    if request.param == "fake":
        return FakeUses()
    return IdTokenUses(request.getfixturevalue("client"))


class TestUses:
    def test_a_token_is_used_once_unless_it_is_given_back(self, uses: IdTokenUses) -> None:
        token, until = f"a.{secrets.token_hex(20)}.sig", int(time.time()) + 60

        assert uses.use(token, until)
        assert not uses.use(token, until)
        assert not uses.use(f"{token}=", until)  # another way to write its signature
        uses.give_back(token)
        assert uses.use(token, until)

    def test_are_kept_until_tokens_have_expired_as_digests(self, client: redis.Redis) -> None:
        token = f"a.{secrets.token_hex(20)}.sig"

        IdTokenUses(client).use(token, int(time.time()) + 600)

        keys = list(client.scan_iter("id-token:*"))
        assert not any(token.split(".")[1] in key for key in keys)
        assert all(1790 < client.ttl(key) <= 1800 for key in keys if client.ttl(key) > 1700)

    def test_an_outage_raises_unavailable(self) -> None:
        with pytest.raises(Unavailable):
            IdTokenUses(connect("redis://127.0.0.1:1")).use("token", 0)


def test_a_reset_removes_ways_to_sign_in_that_may_be_a_thiefs(postgres_url: str) -> None:
    postgres = Postgres(migrated(postgres_url))
    stores, factors, passkeys = over(postgres), SecondFactorStore(postgres), PasskeyStore(postgres)
    user, _ = stores.account()

    def leave_behind() -> None:
        factors.propose(user.id, "secret")
        factors.confirm(user.id, "secret", 1, [secrets.token_bytes(32)], NOW)
        key = Passkey(new_id(), user.id, secrets.token_bytes(32), b"key", 0)
        passkeys.add(key, "Laptop", NOW)

    def asked_for_a_factor() -> bool:
        found = stores.accounts.credential_for(user.username)
        return found is not None and found.second_factor

    leave_behind()
    assert stores.reset(user) is not None
    assert passkeys.of(user.id) == []
    assert not asked_for_a_factor()

    leave_behind()  # now by who has proven the address
    assert stores.reset(user, NOW + timedelta(minutes=1)) is not None
    assert passkeys.of(user.id) == []
    assert asked_for_a_factor()
    postgres.close()
