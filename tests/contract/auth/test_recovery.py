"""Mailed links: PostgreSQL, and the stand-in for it, held to the same."""

import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from chalicelib import schema
from chalicelib.auth.recovery.store import MAX_CLAIMS, Recipient
from chalicelib.drivers.postgres import Postgres
from chalicelib.errors import Unavailable
from chalicelib.mail.models import Kind
from tests.contract.accounts import (
    MONTH,
    NOW,
    migrated,
)
from tests.contract.auth import mailing
from tests.contract.auth.mailing import DAY, Mailing

fakes, over = mailing.fakes, mailing.over


class TestRecipients:
    def test_are_users_by_id(self, stores: Mailing) -> None:
        user, _ = stores.account()

        assert stores.recovery.recipient(user.id) == Recipient(
            user.id, user.username, user.email, verified=False, taken=False, oldest=True
        )
        stores.data.erase(user.id, NOW, checked="hash")
        assert stores.recovery.recipient(user.id) is None

    def test_of_an_address_are_its_first_claims_until_one_is_verified(
        self, stores: Mailing
    ) -> None:
        people = [stores.account()[0]]
        email = people[0].email
        people += [stores.account(email=email)[0] for _ in range(MAX_CLAIMS)]
        people.sort(key=lambda one: one.id)
        last = people[-1]
        found = stores.recovery.owners(email)
        assert [one.user_id for one in found] == [one.id for one in people[:MAX_CLAIMS]]
        assert [one.first for one in found] == [True, False, False]
        (named,) = stores.recovery.owners(email, last.username)
        assert (named.user_id, named.first) == (last.id, False)

        assert stores.recovery.verify(last.id, stores.token(last, "verify"), NOW)

        owner = Recipient(last.id, last.username, email, verified=True, taken=False, oldest=False)
        assert owner.first
        assert stores.recovery.owners(email) == [owner]
        assert stores.recovery.owners(email, people[0].username) == []
        claim = stores.recovery.recipient(people[0].id)
        assert claim is not None
        assert (claim.verified, claim.taken, claim.first) == (False, True, False)

    def test_of_an_unknown_address_are_none(self, stores: Mailing) -> None:
        assert stores.recovery.owners("nobody@example.org") == []

    def test_a_username_belongs_to_the_address_or_is_nobodys(self, stores: Mailing) -> None:
        ana, bo = stores.verified(), stores.verified()

        assert stores.recovery.owners(ana.email, bo.username) == []


class TestLinks:
    def test_no_link_is_made_while_one_is_fresh(self, stores: Mailing) -> None:
        user, _ = stores.account()
        before = NOW - timedelta(minutes=1)
        digest = stores.token(user)

        assert stores.recovery.has_link(user.id, "reset", fresh=NOW - before, now=NOW)
        assert stores.link(user, since=before) is None
        for since, now in ((NOW, NOW), (before, NOW + DAY)):
            assert not stores.recovery.has_link(user.id, "reset", fresh=now - since, now=now)
        assert not stores.recovery.has_link(user.id, "verify", fresh=NOW - before, now=NOW)
        assert stores.link(user, "verify", since=before)
        assert stores.recovery.reset(digest, NOW)

    def test_a_newer_one_leaves_the_older_good(self, stores: Mailing) -> None:
        user, _ = stores.account()
        digests = [stores.token(user) for _ in range(3)]

        assert all(stores.recovery.reset(digest, NOW) for digest in digests)

    def test_one_that_was_not_mailed_is_not_fresh_and_is_replaced(self, stores: Mailing) -> None:
        user, _ = stores.account()
        before = NOW - timedelta(minutes=1)
        mailed, lost = stores.token(user), stores.link(user)
        assert lost is not None
        assert stores.recovery.reset(lost, NOW)

        newer = stores.link(user)

        assert newer is not None
        assert stores.recovery.reset(lost, NOW) is None
        assert stores.recovery.reset(mailed, NOW)
        assert stores.recovery.reset(newer, NOW)
        assert stores.link(user, "verify", since=before)

    def test_one_that_was_used_is_not_fresh(self, stores: Mailing) -> None:
        user, _ = stores.account()
        stores.recovery.reset_password(stores.token(user), "hash 2", NOW)

        assert stores.link(user, since=NOW - timedelta(minutes=1))

    def test_are_not_stored_for_a_deleted_account(self, stores: Mailing) -> None:
        user, _ = stores.account()
        recipient = stores.recovery.recipient(user.id)
        assert recipient is not None
        stores.data.erase(user.id, NOW, checked="hash")

        assert not stores.recovery.keep_link(
            recipient, "reset", b"digest", good_for=DAY, fresh=timedelta(0), now=NOW
        )

    def test_of_two_at_once_one_is_kept(self, connect: Callable[[], Mailing]) -> None:
        one, two = connect(), connect()
        user, _ = one.account()
        recipient = one.recovery.recipient(user.id)
        assert recipient is not None

        def mail(who: Mailing) -> bool:
            digest = secrets.token_bytes(32)
            with who.recovery._postgres.transaction():
                kept = who.recovery.keep_link(
                    recipient,
                    "reset",
                    digest,
                    good_for=DAY,
                    fresh=timedelta(minutes=1),
                    now=NOW,
                )
                who.recovery.link_sent(digest, NOW)
            return kept

        with ThreadPoolExecutor(2) as pool:
            assert sorted(pool.map(mail, [one, two])) == [False, True]


class TestVerify:
    def test_makes_the_address_a_name_to_sign_in_with(self, stores: Mailing) -> None:
        user = stores.verified()

        found = stores.accounts.credential_for(user.email)
        assert found is not None
        assert found.user_id == user.id
        assert stores.is_verified(user)

    def test_needs_a_link_of_this_user_for_this_purpose(self, stores: Mailing) -> None:
        user, _ = stores.account()
        other, _ = stores.account()
        older, newer = stores.token(user, "verify"), stores.token(user, "verify")
        reset, others = stores.token(user), stores.token(other, "verify")

        for digest in (reset, others, b"made up"):
            assert not stores.recovery.verify(user.id, digest, NOW)
        assert not stores.recovery.verify(user.id, newer, NOW + DAY)
        assert not stores.is_verified(user)
        assert stores.recovery.verify(user.id, older, NOW)
        for digest in (older, newer):
            assert not stores.recovery.verify(user.id, digest, NOW)
        assert stores.recovery.reset(reset, NOW)

    def test_one_account_verifies_an_address(self, stores: Mailing) -> None:
        user = stores.verified()
        other, _ = stores.account(email=user.email)

        assert not stores.recovery.verify(other.id, stores.token(other, "verify"), NOW)
        assert not stores.is_verified(other)

    def test_a_deleted_account_frees_the_address(self, stores: Mailing) -> None:
        user = stores.verified()
        digest = stores.token(user)
        stores.data.erase(user.id, NOW, checked="hash")

        assert stores.accounts.credential_for(user.email) is None
        assert stores.recovery.reset(digest, NOW) is None
        assert stores.verified(email=user.email)

    def test_a_deleted_account_has_no_mails_waiting(self, stores: Mailing) -> None:
        user, (eve, _) = stores.verified(), stores.account()
        mails: list[tuple[Kind, str]] = [
            ("verify", user.id),
            ("export", user.id),
            ("reset", user.email),
            ("reset", f"{user.email} {user.username}"),
        ]
        others: list[tuple[Kind, str]] = [("reset", eve.email)]
        for kind, subject in [*mails, *others]:
            stores.mails.add(kind, subject, NOW)

        stores.data.erase(user.id, NOW, checked="hash")
        # She never verified hers: it may be somebody else's reset.
        stores.data.erase(eve.id, NOW, checked="hash")

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
        assert stores.sessions.sessions(user.id, now=NOW, before=None, limit=9) == []

    def test_a_token_works_once_and_voids_the_others(self, stores: Mailing) -> None:
        user, _ = stores.account()
        others = [stores.token(user), stores.token(user, "verify")]
        digest = stores.token(user)
        stores.recovery.reset_password(digest, "hash 2", NOW)
        assert not any(stores.recovery.reset(other, NOW) for other in others)
        assert not stores.recovery.verify(user.id, others[1], NOW)

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

    def test_a_link_to_an_address_of_another_account_is_refused(self, stores: Mailing) -> None:
        claim, session = stores.account()
        digest = stores.token(claim)
        stores.verified(email=claim.email)

        assert stores.recovery.reset_password(digest, "hash 2", NOW) is None
        assert stores.accounts.password_hash(claim.id) == "hash"
        assert stores.sessions.session(session.id) == session

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


def test_links_of_the_previous_version_stay_valid(postgres_url: str) -> None:
    """Migration 0018 takes over what was mailed by then."""
    postgres = Postgres(migrated(postgres_url))
    stores, digest = over(postgres), secrets.token_bytes(32)
    user, _ = stores.account()
    script = (schema.MIGRATIONS / "0018.links-and-notices.sql").read_text()
    take_over = script[script.index("INSERT INTO mail_links") :].partition(";")[0]
    with postgres.transaction(), postgres.cursor() as cursor:
        cursor.execute(
            "INSERT INTO mail_tokens (user_id, purpose, digest, address, expires_at)"
            " VALUES (%s, 'reset', %s, %s, %s)",
            [user.id, digest, user.email, NOW + timedelta(minutes=30)],
        )
        cursor.execute(take_over.encode())

    before = NOW - timedelta(minutes=1)
    assert stores.recovery.has_link(user.id, "reset", fresh=NOW - before, now=NOW)
    assert stores.recovery.reset_password(digest, "hash 2", NOW) is not None
    postgres.close()


def test_without_postgresql_everything_is_unavailable() -> None:
    stores = over(Postgres("postgresql://nobody@127.0.0.1:1/none"))

    with pytest.raises(Unavailable):
        stores.mails.add("reset", "ana@example.org", NOW)
    with pytest.raises(Unavailable):
        stores.recovery.owners("ana@example.org")
    with pytest.raises(Unavailable):
        stores.notices.claim(NOW, delays=[60], limit=1)
    with pytest.raises(Unavailable):
        stores.recovery.reset_password(b"x", "hash", NOW)
