"""Passkeys and challenges: the servers, and the stand-ins for them, held to the same."""

import secrets
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import pytest
import redis

from chalicelib.auth.passkeys import challenges
from chalicelib.auth.passkeys.challenges import Challenges
from chalicelib.auth.passkeys.models import Passkey
from chalicelib.auth.passkeys.store import MAX_PASSKEYS, PasskeyStore
from chalicelib.auth.recovery.store import RecoveryStore
from chalicelib.clock import SKEW
from chalicelib.drivers.postgres import Postgres
from chalicelib.errors import PasskeyKnown, TooManyPasskeys, Unavailable, UserNotFound
from chalicelib.ids import new_id
from tests.contract.accounts import NOW, Stores, fake, real
from tests.unit.auth.fake_tables import Tables
from tests.unit.auth.passkeys.fake_passkeys import FakeChallenges, FakePasskeyStore
from tests.unit.mail.fake_mail import FakeRecoveryStore


@dataclass
class Keyed(Stores):
    """The stores that passkeys need, over the same tables."""

    passkeys: PasskeyStore
    recovery: RecoveryStore

    def passkey(self, user_id: str | None = None, *, sign_count: int = 0) -> Passkey:
        """A new one that is kept, of somebody new."""
        made = Passkey(
            new_id(),
            user_id or self.account()[0].id,
            secrets.token_bytes(32),
            b"key",
            sign_count,
        )
        self.passkeys.add(made, "Laptop", NOW)
        return made


def over(postgres: Postgres) -> Keyed:
    base = real(postgres)
    return Keyed(*base, PasskeyStore(postgres), RecoveryStore(postgres, base.sessions))


def fakes() -> Keyed:
    tables = Tables()
    return Keyed(
        *fake(tables),
        FakePasskeyStore(tables),
        FakeRecoveryStore(tables),
    )


class TestPasskeys:
    def test_one_is_found_as_it_was_kept(self, stores: Keyed) -> None:
        passkey = stores.passkey()

        assert stores.passkeys.find(passkey.credential_id) == passkey
        assert stores.passkeys.find(b"unknown") is None
        assert stores.passkeys.credential_ids(passkey.user_id) == [passkey.credential_id]
        (info,) = stores.passkeys.of(passkey.user_id)
        assert (info.id, info.name) == (passkey.id, "Laptop")
        assert (info.created_at, info.last_used_at) == (NOW, None)

    def test_an_id_is_kept_once_for_all_users(self, stores: Keyed) -> None:
        passkey = stores.passkey()
        other = passkey._replace(id=new_id(), user_id=stores.account()[0].id)

        with pytest.raises(PasskeyKnown):
            stores.passkeys.add(other, "Copy", NOW)
        assert stores.passkeys.of(other.user_id) == []

    def test_there_are_so_many_at_most(self, stores: Keyed) -> None:
        user_id = stores.passkey().user_id
        for _ in range(MAX_PASSKEYS - 1):
            stores.passkey(user_id)

        with pytest.raises(TooManyPasskeys):
            stores.passkey(user_id)
        assert len(stores.passkeys.of(user_id)) == MAX_PASSKEYS

    @pytest.mark.parametrize(
        ("kept", "told", "used"),
        [(0, 0, True), (0, 1, True), (5, 6, True), (5, 5, False), (5, 4, False), (5, 0, False)],
    )
    def test_a_count_grows_or_stays_0(
        self, stores: Keyed, kept: int, told: int, used: bool
    ) -> None:
        passkey = stores.passkey(sign_count=kept)

        assert stores.passkeys.use(passkey.id, told, NOW) is used

        found = stores.passkeys.find(passkey.credential_id)
        assert found == passkey._replace(sign_count=told if used else kept)
        (info,) = stores.passkeys.of(passkey.user_id)
        assert info.last_used_at == (NOW if used else None)

    def test_a_count_may_be_as_large_as_32_bits_are(self, stores: Keyed) -> None:
        assert stores.passkeys.use(stores.passkey().id, 2**32 - 1, NOW)

    def test_only_its_user_renames_and_removes_it(self, stores: Keyed) -> None:
        passkey, other = stores.passkey(), stores.account()[0].id
        assert stores.passkeys.rename(other, passkey.id, "Mine") is None
        assert not stores.passkeys.remove(other, passkey.id, NOW)

        renamed = stores.passkeys.rename(passkey.user_id, passkey.id, "Phone")
        assert renamed is not None
        assert renamed.name == "Phone"
        assert [stores.passkeys.remove(passkey.user_id, passkey.id, NOW) for _ in range(2)] == [
            True,
            False,
        ]
        assert not stores.passkeys.use(passkey.id, 1, NOW)

    def test_it_opens_a_session_of_its_user_while_it_is_there(self, stores: Keyed) -> None:
        user, session = stores.account()
        passkey = stores.passkey(user.id)
        new = replace(session, id=new_id(), current=secrets.token_bytes(32))

        assert stores.accounts.open_by_passkey(new, stores.passkey().id, known=True) is None
        assert stores.accounts.open_by_passkey(new, passkey.id, known=True) == []
        stores.passkeys.remove(user.id, passkey.id, NOW)
        later = replace(session, id=new_id(), current=secrets.token_bytes(32))
        assert stores.accounts.open_by_passkey(later, passkey.id, known=True) is None

    def test_it_goes_with_the_account(self, stores: Keyed) -> None:
        passkey = stores.passkey()

        stores.data.erase(passkey.user_id, NOW, checked="hash")

        assert stores.passkeys.find(passkey.credential_id) is None
        with pytest.raises(UserNotFound):
            stores.passkeys.add(passkey, "Again", NOW)

    def test_of_two_answers_with_the_same_signature_count_one_is_accepted(
        self, connect: Callable[[], Keyed]
    ) -> None:
        one, two = connect(), connect()
        passkey = one.passkey(sign_count=5)

        with ThreadPoolExecutor(2) as pool:
            used = list(pool.map(lambda who: who.passkeys.use(passkey.id, 6, NOW), [one, two]))

        assert sorted(used) == [False, True]

    def test_two_at_once_are_not_too_many(self, connect: Callable[[], Keyed]) -> None:
        one, two = connect(), connect()
        user_id = one.passkey().user_id
        for _ in range(MAX_PASSKEYS - 2):
            one.passkey(user_id)

        def add(who: Keyed) -> bool:
            try:
                who.passkey(user_id)
            except TooManyPasskeys:
                return False
            return True

        with ThreadPoolExecutor(2) as pool:
            assert sorted(pool.map(add, [one, two])) == [False, True]

    def test_without_postgresql_they_are_unavailable(self) -> None:
        stores = over(Postgres("postgresql://nobody@127.0.0.1:1/none"))

        with pytest.raises(Unavailable):
            stores.passkeys.find(b"x")


class TestChallenges:
    @pytest.fixture(params=["fake", "redis"])
    def challenges(self, request: pytest.FixtureRequest) -> Challenges:
        if request.param == "fake":
            return FakeChallenges()
        return made_with(request.getfixturevalue("client"))

    def test_are_good_once(self, challenges: Challenges) -> None:
        challenge = challenges.issue("register", "ana")

        assert challenges.good(challenge, "register", "ana")
        assert [challenges.use(challenge) for _ in range(2)] == [True, False]

    def test_are_valid_for_one_purpose_and_caller(self, challenges: Challenges) -> None:
        challenge = challenges.issue("register", "ana")

        for purpose, owner in (("sign_in", "ana"), ("register", "bo"), ("register", "")):
            assert not challenges.good(challenge, purpose, owner)  # type: ignore[arg-type]

    @pytest.mark.parametrize("challenge", [b"", b"x", b"*" * 24, b"*" * 56, b"*" * 3000])
    def test_unknown_challenges_are_invalid(self, challenges: Challenges, challenge: bytes) -> None:
        assert not challenges.good(challenge, "sign_in")

    def test_only_one_of_many_uses_one(self, client: redis.Redis) -> None:
        of_redis = made_with(client)
        challenge = of_redis.issue("sign_in")

        with ThreadPoolExecutor(8) as pool:
            used = list(pool.map(lambda _: of_redis.use(challenge), range(16)))

        assert used.count(True) == 1

    def test_end_by_themselves(self, client: redis.Redis, monkeypatch: pytest.MonkeyPatch) -> None:
        of_redis = made_with(client)
        challenge = of_redis.issue("sign_in")
        assert client.keys() == []  # for every caller, and for every repetition
        of_redis.use(challenge)

        (key,) = client.keys()
        assert 0 < client.ttl(key) <= challenges.SECONDS + SKEW
        later = time.time() + challenges.SECONDS
        monkeypatch.setattr(time, "time", lambda: later)
        assert not of_redis.good(challenge, "sign_in")

    def test_are_recognised_with_each_key_that_is_still_in_use(self, client: redis.Redis) -> None:
        challenge = made_with(client).issue("sign_in")

        assert made_with(client, b"new", b"key").good(challenge, "sign_in")
        assert not made_with(client, b"new").good(challenge, "sign_in")

    def test_are_invalid_after_any_change(self, client: redis.Redis) -> None:
        of_redis = made_with(client)
        challenge = of_redis.issue("sign_in")

        for place in range(len(challenge)):
            changed = bytearray(challenge)
            changed[place] ^= 1
            assert not of_redis.good(bytes(changed), "sign_in")


def made_with(client: redis.Redis, *keys: bytes) -> Challenges:
    return Challenges(client, lambda: keys or (b"key",))
