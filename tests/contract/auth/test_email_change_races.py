"""Changes of an address that come at once, or whose answers get lost, on PostgreSQL."""

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import psycopg
import pytest

from chalicelib.drivers.postgres import Postgres
from chalicelib.errors import Unavailable
from tests.contract.accounts import (
    NOW,
    migrated,
    wait_until_blocked,
)
from tests.contract.auth import changing
from tests.contract.auth.changing import Changing, new
from tests.faults.lossy import Loss, LossyProxy

fakes, over = changing.fakes, changing.over


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
