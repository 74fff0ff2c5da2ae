"""Second factors: PostgreSQL, and the stand-in for it, held to the same."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from chalicelib.auth.second_factor.store import SecondFactorStore
from chalicelib.drivers.postgres import Postgres
from chalicelib.errors import Unavailable
from tests.contract.accounts import NOW, Stores, fake, real
from tests.unit.auth.fake_tables import Tables
from tests.unit.auth.second_factor.fake_second_factor import FakeSecondFactorStore


@dataclass
class Guarded(Stores):
    """The stores that second factors need, over the same tables."""

    factors: SecondFactorStore

    def holder(self) -> str:
        """Somebody with a second factor in force, and two recovery codes."""
        user, _ = self.account()
        assert self.factors.propose(user.id, "SECRET")
        assert self.factors.confirm(user.id, "SECRET", 100, [b"a", b"b"], NOW)
        return user.id

    def asked(self, user_id: str) -> bool:
        """Whether signing in asks for it."""
        user = self.users.profile(user_id)
        found = self.accounts.credential_for(user.username) if user else None
        assert found is not None
        return found.second_factor


def over(postgres: Postgres) -> Guarded:
    return Guarded(*real(postgres), SecondFactorStore(postgres))


def fakes() -> Guarded:
    tables = Tables()
    return Guarded(*fake(tables), FakeSecondFactorStore(tables))


def kept(stores: Guarded, user_id: str) -> tuple[str, bool, int] | None:
    """The secret, whether it is in force, and how many recovery codes are left."""
    found = stores.factors.factor(user_id)
    return (found.secret, found.confirmed, found.codes_left) if found else None


def test_one_that_was_proposed_is_not_asked_for(stores: Guarded) -> None:
    user, _ = stores.account()
    assert stores.factors.factor(user.id) is None
    assert stores.factors.propose(user.id, "FIRST")
    assert stores.factors.propose(user.id, "SECRET")

    assert kept(stores, user.id) == ("SECRET", False, 0)
    assert not stores.asked(user.id)
    assert not stores.factors.use_step(user.id, 1)
    assert not stores.factors.replace_codes(user.id, [b"a"], NOW)


def test_only_the_secret_that_was_proposed_last_is_confirmed(stores: Guarded) -> None:
    user, _ = stores.account()
    stores.factors.propose(user.id, "FIRST")
    stores.factors.propose(user.id, "SECRET")

    assert not stores.factors.confirm(user.id, "FIRST", 1, [b"a"], NOW)
    assert stores.factors.confirm(user.id, "SECRET", 1, [b"a"], NOW)
    assert not stores.factors.confirm(user.id, "SECRET", 1, [b"b"], NOW)
    assert kept(stores, user.id) == ("SECRET", True, 1)
    assert stores.asked(user.id)


def test_one_in_force_is_not_replaced(stores: Guarded) -> None:
    user_id = stores.holder()

    assert not stores.factors.propose(user_id, "OTHER")
    assert kept(stores, user_id) == ("SECRET", True, 2)


def test_a_step_is_used_once_and_none_before_it(stores: Guarded) -> None:
    user_id = stores.holder()

    used = [stores.factors.use_step(user_id, step) for step in (100, 101, 101, 99, 103, 102)]

    assert used == [False, True, False, False, True, False]


def test_a_recovery_code_is_used_once_by_its_owner(stores: Guarded) -> None:
    user_id, other = stores.holder(), stores.account()[0].id

    assert not stores.factors.use_code(other, b"a", NOW)
    assert stores.factors.use_code(user_id, b"a", NOW)
    assert not stores.factors.use_code(user_id, b"a", NOW)
    assert kept(stores, user_id) == ("SECRET", True, 1)


def test_new_recovery_codes_void_the_old_ones(stores: Guarded) -> None:
    user_id = stores.holder()

    assert stores.factors.replace_codes(user_id, [b"c"], NOW)

    assert not stores.factors.use_code(user_id, b"a", NOW)
    assert stores.factors.use_code(user_id, b"c", NOW)


def test_removing_it_leaves_nothing(stores: Guarded) -> None:
    user_id = stores.holder()
    for _ in range(2):
        stores.factors.remove(user_id, NOW)

    assert stores.factors.factor(user_id) is None
    assert not stores.factors.use_code(user_id, b"a", NOW)
    assert not stores.asked(user_id)


def test_it_goes_with_the_account(stores: Guarded) -> None:
    user_id = stores.holder()

    stores.data.erase(user_id, NOW, checked="hash")

    assert stores.factors.factor(user_id) is None
    assert not stores.factors.use_code(user_id, b"a", NOW)


def test_of_two_who_use_a_step_or_a_code_at_once_one_succeeds(
    connect: Callable[[], Guarded],
) -> None:
    one, two = connect(), connect()
    user_id = one.holder()

    with ThreadPoolExecutor(2) as pool:
        steps = list(pool.map(lambda who: who.factors.use_step(user_id, 101), [one, two]))
        codes = list(pool.map(lambda who: who.factors.use_code(user_id, b"a", NOW), [one, two]))

    assert sorted(steps) == sorted(codes) == [False, True]


def test_without_postgresql_it_is_unavailable() -> None:
    stores = over(Postgres("postgresql://nobody@127.0.0.1:1/none"))

    with pytest.raises(Unavailable):
        stores.factors.use_step("00000000-0000-7000-8000-000000000000", 1)
