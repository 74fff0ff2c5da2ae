"""Mailed links and the outbox of mails: PostgreSQL, and the stand-in for it, held to the same."""

import secrets
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest

from chalicelib.auth.recovery_store import MAX_CLAIMS, Recipient, RecoveryStore, SignIn
from chalicelib.auth.store import AccountStore
from chalicelib.errors import Unavailable
from chalicelib.mail.models import Due, Kind, Purpose
from chalicelib.mail.store import MailStore
from chalicelib.postgres import Postgres
from chalicelib.users.models import Profile
from chalicelib.users.store import UserStore
from tests.contract.accounts import MONTH, NOW, Stores, migrated, session_of
from tests.unit.auth.fake_mail import FakeMailStore, FakeRecoveryStore
from tests.unit.auth.fake_tables import FakeAccountStore, FakeUserStore, Tables

DAY = timedelta(days=1)
FAR = NOW + timedelta(days=36500)  # rows of other tests are due, too


@dataclass
class Mailing(Stores):
    """All stores that mails need, over the same tables."""

    recovery: RecoveryStore
    mails: MailStore

    def token(
        self, user: Profile, purpose: Purpose = "reset", expires_at: datetime = NOW + DAY
    ) -> bytes:
        """A digest that is good for something."""
        digest, recipient = secrets.token_bytes(32), self.recovery.recipient(user.id)
        assert recipient is not None
        self.recovery.keep_token(recipient, purpose, digest, expires_at)
        return digest

    def verified(self, **changes: str) -> Profile:
        user, _ = self.account(**changes)
        assert self.recovery.verify(user.id, self.token(user, "verify"), NOW)
        return user

    def is_verified(self, user: Profile) -> bool:
        found = self.users.profile(user.id)
        assert found is not None
        return found.email_verified

    def claim(self, now: datetime, *subjects: str) -> list[Due]:
        """What is due of some subjects."""
        claimed = self.mails.claim(now, delays=[60, 600], limit=10_000)
        return [one for one in claimed if one.subject in subjects]


def over(postgres: Postgres) -> Mailing:
    accounts = AccountStore(postgres)
    recovery = RecoveryStore(postgres, accounts)
    return Mailing(accounts, UserStore(postgres), recovery, MailStore(postgres))


@pytest.fixture(params=["fake", "postgres"])
def stores(request: pytest.FixtureRequest) -> Iterator[Mailing]:
    if request.param == "fake":
        tables = Tables()
        yield Mailing(
            FakeAccountStore(tables),
            FakeUserStore(tables),
            FakeRecoveryStore(tables),
            FakeMailStore(tables),
        )
    else:
        postgres = Postgres(migrated(request.getfixturevalue("postgres_url")))
        yield over(postgres)
        postgres.close()


@pytest.fixture
def connect(postgres_url: str) -> Iterator[Callable[[], Mailing]]:
    """Makes stores over connections of their own, as each function has one."""
    migrated(postgres_url)
    made: list[Postgres] = []

    def connect() -> Mailing:
        made.append(Postgres(postgres_url))
        return over(made[-1])

    yield connect
    for postgres in made:
        postgres.close()


class TestRecipients:
    def test_are_users_by_id(self, stores: Mailing) -> None:
        user, _ = stores.account()

        assert stores.recovery.recipient(user.id) == Recipient(
            user.id, user.username, user.email, verified=False, taken=False
        )
        stores.accounts.erase(user.id, NOW, checked="hash")
        assert stores.recovery.recipient(user.id) is None

    def test_of_an_address_are_its_last_claims_until_one_is_verified(self, stores: Mailing) -> None:
        first, _ = stores.account()
        claims = [first.id, *(stores.account(email=first.email)[0].id for _ in range(MAX_CLAIMS))]
        claims.sort(reverse=True)
        found = stores.recovery.owners(first.email)
        assert [one.user_id for one in found] == claims[:MAX_CLAIMS]

        assert stores.recovery.verify(first.id, stores.token(first, "verify"), NOW)

        assert stores.recovery.owners(first.email) == [
            Recipient(first.id, first.username, first.email, verified=True, taken=False)
        ]
        claim = stores.recovery.recipient(claims[-1] if claims[-1] != first.id else claims[0])
        assert claim is not None
        assert (claim.verified, claim.taken) == (False, True)

    def test_of_an_unknown_address_are_none(self, stores: Mailing) -> None:
        assert stores.recovery.owners("nobody@example.org") == []

    def test_of_a_sign_in_have_a_verified_address(self, stores: Mailing) -> None:
        unverified, session = stores.account()
        assert stores.recovery.sign_in(session.id) is None
        user = stores.verified()
        session = stores.login(user, user_agent="Tablet/2")

        assert stores.recovery.sign_in(session.id) == SignIn(
            user.username, user.email, NOW, "Tablet/2"
        )
        assert stores.recovery.sign_in(unverified.id) is None


class TestVerify:
    def test_makes_the_address_a_name_to_sign_in_with(self, stores: Mailing) -> None:
        user = stores.verified()

        found = stores.accounts.credential_for(user.email)
        assert found is not None
        assert found.user_id == user.id
        assert stores.is_verified(user)

    def test_needs_the_newest_token_of_this_user_for_this_purpose(self, stores: Mailing) -> None:
        user, _ = stores.account()
        other, _ = stores.account()
        older, newer = stores.token(user, "verify"), stores.token(user, "verify")
        reset, others = stores.token(user), stores.token(other, "verify")

        for digest in (older, reset, others, b"made up"):
            assert not stores.recovery.verify(user.id, digest, NOW)
        assert not stores.recovery.verify(user.id, newer, NOW + DAY)
        assert not stores.is_verified(user)
        assert stores.recovery.verify(user.id, newer, NOW)
        assert not stores.recovery.verify(user.id, newer, NOW)

    def test_an_address_becomes_one_accounts(self, stores: Mailing) -> None:
        user = stores.verified()
        other, _ = stores.account(email=user.email)

        assert not stores.recovery.verify(other.id, stores.token(other, "verify"), NOW)
        assert not stores.is_verified(other)

    def test_a_deleted_account_lets_go_of_it(self, stores: Mailing) -> None:
        user = stores.verified()
        digest = stores.token(user)
        stores.accounts.erase(user.id, NOW, checked="hash")

        assert stores.accounts.credential_for(user.email) is None
        assert stores.recovery.reset(digest, NOW) is None
        assert stores.verified(email=user.email)

    def test_a_deleted_account_has_no_mails_waiting(self, stores: Mailing) -> None:
        user, (eve, session) = stores.verified(), stores.account()
        mails: list[tuple[Kind, str]] = [
            ("verify", user.id),
            ("export", user.id),
            ("reset", user.email),
            ("signed_in", stores.login(user).id),
        ]
        others: list[tuple[Kind, str]] = [("reset", eve.email), ("signed_in", session.id)]
        for kind, subject in [*mails, *others]:
            stores.mails.add(kind, subject, NOW)

        stores.accounts.erase(user.id, NOW, checked="hash")
        # She never verified hers: it may be somebody else's reset.
        stores.accounts.erase(eve.id, NOW, checked="hash")

        waiting = stores.claim(NOW, *(subject for _, subject in [*mails, *others]))
        assert [(one.kind, one.subject) for one in waiting] == [("reset", eve.email)]

    def test_of_two_at_once_one_succeeds(self, connect: Callable[[], Mailing]) -> None:
        one, two = connect(), connect()
        first, _ = one.account()
        second, _ = one.account(email=first.email)
        digests = [one.token(first, "verify"), one.token(second, "verify")]

        with ThreadPoolExecutor(2) as pool:
            results = list(
                pool.map(
                    lambda who: who[0].recovery.verify(who[1].id, who[2], NOW),
                    [(one, first, digests[0]), (two, second, digests[1])],
                )
            )

        assert sorted(results) == [False, True]


class TestReset:
    def test_sets_the_password_ends_all_sessions_and_proves_the_address(
        self, stores: Mailing
    ) -> None:
        user, session = stores.account()
        other = stores.login(user)
        digest = stores.token(user)
        found = stores.recovery.reset(digest, NOW)
        assert found is not None
        assert (found.user_id, found.password_hash, found.used) == (user.id, "hash", False)

        ended = stores.recovery.reset_password(digest, "hash 2", NOW)

        assert ended is not None
        assert sorted(ended) == sorted([session.id, other.id])
        assert stores.accounts.password_hash(user.id) == "hash 2"
        assert stores.is_verified(user)
        assert stores.accounts.sessions(user.id, now=NOW, before=None, limit=9) == []

    def test_a_token_is_good_once_and_known_as_used(self, stores: Mailing) -> None:
        user, _ = stores.account()
        digest = stores.token(user)
        stores.recovery.reset_password(digest, "hash 2", NOW)

        assert stores.recovery.reset_password(digest, "hash 3", NOW) is None
        found = stores.recovery.reset(digest, NOW)
        assert found is not None
        assert (found.password_hash, found.used) == ("hash 2", True)
        assert stores.recovery.reset(digest, NOW + DAY) is None

    def test_needs_a_token_for_it_that_has_not_expired(self, stores: Mailing) -> None:
        user, _ = stores.account()
        digest, verify = stores.token(user), stores.token(user, "verify")

        for token, now in ((digest, NOW + DAY), (verify, NOW), (b"made up", NOW)):
            assert stores.recovery.reset(token, now) is None
            assert stores.recovery.reset_password(token, "hash 2", now) is None
        assert stores.accounts.password_hash(user.id) == "hash"

    def test_an_address_that_became_anothers_is_no_proof(self, stores: Mailing) -> None:
        claim, session = stores.account()
        digest = stores.token(claim)
        stores.verified(email=claim.email)

        assert stores.recovery.reset_password(digest, "hash 2", NOW) is None
        assert stores.accounts.password_hash(claim.id) == "hash"
        assert stores.accounts.session(session.id) == session

    def test_a_changed_password_voids_the_token(self, stores: Mailing) -> None:
        user, session = stores.account()
        digest = stores.token(user)
        stores.accounts.change_password(user.id, "hash 2", checked="hash", but=session.id, now=NOW)

        assert stores.recovery.reset(digest, NOW) is None

    def test_of_two_at_once_one_succeeds(self, connect: Callable[[], Mailing]) -> None:
        one, two = connect(), connect()
        user, _ = one.account()
        digest = one.token(user)

        with ThreadPoolExecutor(2) as pool:
            results = list(
                pool.map(
                    lambda who: who[0].recovery.reset_password(digest, who[1], NOW),
                    [(one, "hash 2"), (two, "hash 3")],
                )
            )

        assert sum(result is not None for result in results) == 1

    def test_expired_tokens_are_purged(self, stores: Mailing) -> None:
        user, _ = stores.account()
        expired = stores.token(user, "verify", expires_at=NOW - MONTH)
        kept = stores.token(user)

        assert stores.recovery.purge(NOW - DAY) >= 1
        assert not stores.recovery.verify(user.id, expired, NOW - 2 * MONTH)
        assert stores.recovery.reset(kept, NOW)


class TestOutbox:
    def test_registering_has_a_link_mailed(self, stores: Mailing) -> None:
        user, _ = stores.account()

        (mail,) = stores.claim(NOW, user.id)

        assert (mail.kind, mail.tries) == ("verify", 1)

    def test_signing_in_is_mailed_unless_such_a_device_is_known(self, stores: Mailing) -> None:
        user, first = stores.account()
        sessions = [
            stores.login(user),
            stores.login(user, user_agent="Other/1"),
            stores.login(user, device_name="Desk"),
            stores.login(user, user_agent="Other/1"),
        ]
        assert stores.accounts.open_session(session_of(user.id, user_agent="New"), "no") is None

        mails = stores.claim(NOW, first.id, *(one.id for one in sessions))

        assert {(mail.kind, mail.subject) for mail in mails} == {
            ("signed_in", sessions[1].id),
            ("signed_in", sessions[2].id),
        }

    def test_what_was_claimed_comes_again_later_and_later(self, stores: Mailing) -> None:
        user, _ = stores.account()
        times = [0, 59, 60, 659, 660, 1259, 1260]

        tries = [
            [mail.tries for mail in stores.claim(NOW + timedelta(seconds=time), user.id)]
            for time in times
        ]

        assert tries == [[1], [], [2], [], [3], [], [4]]

    def test_what_was_removed_does_not(self, stores: Mailing) -> None:
        user, _ = stores.account()
        (mail,) = stores.claim(NOW, user.id)

        stores.mails.remove(mail)

        assert stores.claim(FAR, user.id) == []

    def test_asking_twice_is_one_mail(self, stores: Mailing) -> None:
        address = f"{secrets.token_hex(6)}@example.org"
        stores.mails.add("reset", address, NOW)
        stores.mails.add("reset", address, NOW)

        assert len(stores.claim(NOW, address)) == 1

    def test_asking_again_while_it_is_sent_sends_another(self, stores: Mailing) -> None:
        address = f"{secrets.token_hex(6)}@example.org"
        stores.mails.add("reset", address, NOW)
        (mail,) = stores.claim(NOW, address)
        stores.mails.add("reset", address, NOW)

        stores.mails.remove(mail)

        assert len(stores.claim(NOW, address)) == 1

    def test_two_at_once_claim_each_mail_once(self, connect: Callable[[], Mailing]) -> None:
        one, two = connect(), connect()
        subjects = {f"{secrets.token_hex(6)}@example.org" for _ in range(50)}
        for subject in subjects:
            one.mails.add("reset", subject, NOW)

        with ThreadPoolExecutor(2) as pool:
            claimed = [
                mail
                for some in pool.map(lambda who: who.claim(NOW, *subjects), [one, two])
                for mail in some
            ]

        assert sorted(mail.subject for mail in claimed) == sorted(subjects)


def test_without_postgresql_everything_is_unavailable() -> None:
    stores = over(Postgres("postgresql://nobody@127.0.0.1:1/none"))

    with pytest.raises(Unavailable):
        stores.mails.add("reset", "ana@example.org", NOW)
    with pytest.raises(Unavailable):
        stores.recovery.owners("ana@example.org")
    with pytest.raises(Unavailable):
        stores.recovery.reset_password(b"x", "hash", NOW)
