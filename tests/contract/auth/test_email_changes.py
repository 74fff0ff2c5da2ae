"""Changes of e-mail addresses: PostgreSQL, and the stand-in for it, held to the same."""

from chalicelib.drivers.postgres import Postgres
from tests.contract.accounts import (
    NOW,
    migrated,
)
from tests.contract.auth import changing
from tests.contract.auth.changing import DAY, Changing, new

fakes, over = changing.fakes, changing.over


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
