"""The outbox of mails and notices: PostgreSQL, and the stand-in for it, held to the same."""

import random
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial

from chalicelib.drivers.postgres import Postgres
from chalicelib.mail.models import Notice
from tests.contract.accounts import (
    NOW,
    migrated,
    session_of,
)
from tests.contract.auth import mailing
from tests.contract.auth.mailing import DAY, FAR, Mailing
from tests.faults.lossy import Loss, LossyProxy

fakes, over = mailing.fakes, mailing.over


class TestOutbox:
    def test_registering_has_a_link_mailed(self, stores: Mailing) -> None:
        user, _ = stores.account()

        (mail,) = stores.claim(NOW, user.id)

        assert (mail.kind, mail.tries) == ("verify", 1)

    def test_a_claimed_row_is_due_again_after_growing_delays(self, stores: Mailing) -> None:
        user, _ = stores.account()
        times = [0, 59, 60, 659, 660, 1259, 1260]

        tries = [
            [mail.tries for mail in stores.claim(NOW + timedelta(seconds=time), user.id)]
            for time in times
        ]

        assert tries == [[1], [], [2], [], [3], [], [4]]

    def test_a_removed_row_is_not_due_again(self, stores: Mailing) -> None:
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


LAPTOP = "X11; Linux Firefox/128"


class TestNotices:
    def test_a_sign_in_on_an_unknown_device_makes_a_notice(self, stores: Mailing) -> None:
        user = stores.verified()
        stores.notices.remove(stores.told(user))
        assert stores.accounts.open_session(session_of(user.id), "hash", known=True) == []
        assert stores.accounts.open_session(session_of(user.id), "no", known=False) is None
        assert stores.told(user) == []

        stores.login(user, user_agent=LAPTOP, created_at=NOW + DAY)

        (told,) = stores.told(user, NOW + DAY)
        assert told == Notice(
            *(user.id, "signed_in", user.email, user.username, "Firefox on Linux"),
            *(1, NOW + DAY, NOW + DAY, 1),
        )

    def test_an_unverified_address_gets_no_notice(self, stores: Mailing) -> None:
        user, session = stores.account()
        stores.login(user)
        stores.accounts.change_password(user.id, "hash 2", checked="hash", but=session.id, now=NOW)
        stores.data.erase(user.id, NOW, checked="hash 2")

        assert stores.told(user) == []

    def test_a_repetition_before_the_notice_is_sent_is_counted(self, stores: Mailing) -> None:
        user = stores.verified()
        stores.notices.remove(stores.told(user))
        for n in range(3):
            stores.login(user, created_at=NOW + n * DAY)

        (told,) = stores.told(user, NOW + 2 * DAY)

        assert (told.times, told.since, told.at) == (3, NOW, NOW + 2 * DAY)

    def test_a_change_while_its_notice_is_sent_is_not_lost(self, stores: Mailing) -> None:
        user = stores.verified()
        stores.login(user)
        claimed = stores.told(user)
        stores.login(user)

        stores.notices.remove(claimed)

        (told,) = stores.told(user)
        assert (told.kind, told.times) == ("signed_in", 2)

    def test_a_claimed_row_is_due_again_after_growing_delays(self, stores: Mailing) -> None:
        user = stores.verified()
        times = [0, 59, 60, 659, 660, 1259, 1260]

        tries = [
            [one.tries for one in stores.told(user, NOW + timedelta(seconds=time))]
            for time in times
        ]

        assert tries == [[1], [], [2], [], [3], [], [4]]

    def test_a_postponed_notice_does_not_count_as_tried(self, stores: Mailing) -> None:
        user = stores.verified()

        stores.notices.put_off(stores.told(user), NOW, DAY)

        assert stores.told(user, NOW + DAY / 2) == []
        (told,) = stores.told(user, NOW + DAY)
        assert told.tries == 1

    def test_a_changed_password_makes_a_notice_and_a_refused_change_does_not(
        self, stores: Mailing
    ) -> None:
        user = stores.verified()
        stores.notices.remove(stores.told(user))
        session = stores.login(user)
        stores.notices.remove(stores.told(user))
        change = partial(stores.accounts.change_password, user.id, but=session.id, now=NOW)
        assert change("hash 2", checked="other") is None
        assert stores.told(user) == []

        change("hash 2", checked="hash")

        assert [one.kind for one in stores.told(user)] == ["password_changed"]

    def test_a_reset_makes_a_notice(self, stores: Mailing) -> None:
        user, _ = stores.account()
        digest = stores.token(user)
        for _ in range(2):
            stores.recovery.reset_password(digest, "hash 2", NOW)

        assert [(one.kind, one.times) for one in stores.told(user)] == [("password_reset", 1)]

    def test_a_deleted_account_keeps_only_the_notice_of_its_deletion(self, stores: Mailing) -> None:
        user = stores.verified()
        stores.login(user)

        for checked in ("hash", None):
            stores.data.erase(user.id, NOW, checked=checked)

        (told,) = stores.told(user)
        assert (told.kind, told.address, told.username, told.times) == (
            "account_deleted",
            user.email,
            user.username,
            1,
        )

    def test_two_at_once_claim_each_once(self, connect: Callable[[], Mailing]) -> None:
        one, two = connect(), connect()
        people = {one.verified().id for _ in range(20)}

        with ThreadPoolExecutor(2) as pool:
            claimed = [
                notice.user_id
                for some in pool.map(
                    lambda who: who.notices.claim(NOW, delays=[60], limit=10_000), [one, two]
                )
                for notice in some
                if notice.user_id in people
            ]

        assert sorted(claimed) == sorted(people)


def test_a_lost_answer_sends_no_mail_twice(postgres_url: str) -> None:
    """That it was sent, PostgreSQL learns by the removal of its row."""
    proxy = LossyProxy(migrated(postgres_url))
    postgres = Postgres(proxy.url)
    stores = over(postgres)
    user, _ = stores.account()
    claimed = stores.claim(NOW, user.id)
    assert claimed  # the one to verify the address
    for mail in claimed:
        with proxy.losing(Loss(lambda answer: answer == 1, random.Random(), silent=False)) as loss:
            stores.mails.remove(mail)
        assert loss.lost == 1
    assert stores.claim(NOW + DAY, user.id) == []
    postgres.close()
    proxy.close()
