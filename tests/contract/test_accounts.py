"""Accounts and sessions: PostgreSQL, and the stand-in for it, held to the same."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from chalicelib.auth.models import Session
from chalicelib.auth.store import MAX_SESSIONS, AccountStore, Credential
from chalicelib.errors import AppError, Unavailable, UsernameTaken
from chalicelib.ids import new_id
from chalicelib.postgres import Postgres
from chalicelib.users.models import PublicProfile, PushToken
from chalicelib.users.store import UserStore
from tests.contract.accounts import MONTH, NOW, Stores, migrated, profile, session_of
from tests.unit.auth.fake_tables import FakeAccountStore, FakeUserStore, Tables


@pytest.fixture(params=["fake", "postgres"])
def stores(request: pytest.FixtureRequest) -> Iterator[Stores]:
    if request.param == "fake":
        tables = Tables()
        yield Stores(FakeAccountStore(tables), FakeUserStore(tables))
    else:
        postgres = Postgres(migrated(request.getfixturevalue("postgres_url")))
        yield Stores(AccountStore(postgres), UserStore(postgres))
        postgres.close()


@pytest.fixture
def connect(postgres_url: str) -> Iterator[Callable[[], Stores]]:
    """Makes stores over connections of their own, as each function has one."""
    migrated(postgres_url)
    made: list[Postgres] = []

    def connect() -> Stores:
        made.append(Postgres(postgres_url))
        return Stores(AccountStore(made[-1]), UserStore(made[-1]))

    yield connect
    for postgres in made:
        postgres.close()


class TestAdd:
    def test_keeps_all_of_it(self, stores: Stores) -> None:
        user, session = stores.account(display_name="Änä")

        assert stores.users.profile(user.id) == user
        assert stores.accounts.session(session.id) == session
        assert stores.accounts.password_hash(user.id) == "hash"

    def test_usernames_are_unique(self, stores: Stores) -> None:
        user, _ = stores.account()

        with pytest.raises(UsernameTaken):
            stores.account(username=user.username)

    def test_an_address_may_be_claimed_by_many(self, stores: Stores) -> None:
        user, _ = stores.account()

        assert stores.account(email=user.email)[0].email == user.email

    def test_a_refusal_leaves_nothing_behind(self, stores: Stores) -> None:
        taken, _ = stores.account()
        user = profile(username=taken.username)
        session = session_of(user.id)

        with pytest.raises(UsernameTaken):
            stores.accounts.add(user, "hash", session)

        assert stores.users.profile(user.id) is None
        assert stores.accounts.session(session.id) is None
        assert stores.accounts.password_hash(user.id) is None


class TestCredentials:
    def test_are_found_by_username_and_not_by_a_claimed_address(self, stores: Stores) -> None:
        user, _ = stores.account()

        assert stores.accounts.credential_for(user.username) == Credential(user.id, "hash")
        assert stores.accounts.credential_for(user.email) is None
        assert stores.accounts.credential_for("nobody") is None
        assert stores.accounts.credential_for("nobody@example.org") is None

    def test_a_name_is_no_address(self, stores: Stores) -> None:
        user, _ = stores.account()

        assert stores.accounts.credential_for(f"{user.username}@") is None

    def test_are_hashed_anew_only_if_unchanged(self, stores: Stores) -> None:
        user, _ = stores.account()

        stores.accounts.rehash(Credential(user.id, "other"), "hash 2")
        assert stores.accounts.password_hash(user.id) == "hash"
        stores.accounts.rehash(Credential(user.id, "hash"), "hash 2")
        assert stores.accounts.password_hash(user.id) == "hash 2"


class TestOpenSession:
    def test_keeps_it(self, stores: Stores) -> None:
        user, _ = stores.account()
        session = session_of(user.id, device_name="Tablet")

        assert stores.accounts.open_session(session, "hash", known=False) == []
        assert stores.accounts.session(session.id) == session

    def test_needs_the_password_of_now(self, stores: Stores) -> None:
        user, _ = stores.account()
        session = session_of(user.id)

        assert stores.accounts.open_session(session, "other", known=False) is None
        assert stores.accounts.session(session.id) is None

    def test_those_used_longest_ago_are_to_give_way(self, stores: Stores) -> None:
        user, first = stores.account()
        later = NOW + timedelta(minutes=1)
        for _ in range(MAX_SESSIONS - 1):
            stores.login(user, created_at=later, last_used_at=later)

        newest = session_of(user.id, created_at=later, last_used_at=later)
        assert stores.accounts.open_session(newest, "hash", known=False) == [first.id]
        another = session_of(user.id, created_at=later, last_used_at=later)
        surplus = stores.accounts.open_session(another, "hash", known=False)
        assert surplus is not None
        assert len(surplus) == 2
        assert first.id in surplus, "until it has ended, it is named again"
        assert another.id not in surplus


class TestRotate:
    def rotated(self, stores: Stores, **changes: Any) -> tuple[bool, str]:
        _, session = stores.account()
        done = stores.accounts.rotate(
            replace(session, **changes),
            current=b"2",
            previous=session.current,
            seed=b"seed",
            now=NOW + MONTH,
            expires_at=NOW + 2 * MONTH,
        )
        return done, session.id

    def test_remembers_the_one_before(self, stores: Stores) -> None:
        done, session_id = self.rotated(stores)

        found = stores.accounts.session(session_id)
        assert done
        assert found is not None
        assert (found.current, found.seed) == (b"2", b"seed")
        assert found.previous is not None
        assert (found.rotated_at, found.last_used_at) == (NOW + MONTH, NOW + MONTH)
        assert found.expires_at == NOW + 2 * MONTH

    def test_does_nothing_to_a_session_that_has_changed(self, stores: Stores) -> None:
        done, session_id = self.rotated(stores, current=b"another")

        found = stores.accounts.session(session_id)
        assert not done
        assert found is not None
        assert found.previous is None

    def test_does_nothing_to_a_revoked_one(self, stores: Stores) -> None:
        user, session = stores.account()
        stores.accounts.revoke(user.id, session.id, NOW)

        assert not stores.accounts.rotate(
            session, current=b"2", previous=b"1", seed=b"s", now=NOW, expires_at=NOW + MONTH
        )


class TestSessions:
    def test_are_listed_newest_first_from_a_place_on(self, stores: Stores) -> None:
        user, first = stores.account()
        ids = [first.id, *(stores.login(user).id for _ in range(3))]
        ids.sort(reverse=True)

        def listed(before: str | None, limit: int) -> list[str]:
            found = stores.accounts.sessions(user.id, now=NOW, before=before, limit=limit)
            return [one.id for one in found]

        assert listed(None, 3) == ids[:3]
        assert listed(ids[2], 3) == ids[3:]
        assert listed(ids[3], 3) == []

    def test_of_others_and_ended_ones_are_not(self, stores: Stores) -> None:
        user, session = stores.account()
        stores.account()
        stores.accounts.revoke(user.id, stores.login(user).id, NOW)
        stores.login(user, expires_at=NOW)

        found = stores.accounts.sessions(user.id, now=NOW, before=None, limit=9)
        assert [one.id for one in found] == [session.id]

    def test_unknown_ones_are_not_found(self, stores: Stores) -> None:
        assert stores.accounts.session(new_id()) is None


class TestRevoke:
    def push(self, stores: Stores, user_id: str, session_id: str, device_id: str) -> None:
        push = PushToken(token=f"{user_id}-{device_id}", platform="ios")
        stores.users.add_push_token(user_id, session_id, device_id, push, NOW)

    def pushed(self, stores: Stores, user_id: str) -> list[str]:
        return [one.device_id for one in stores.users.push_targets([user_id], NOW)]

    def revoked(self, stores: Stores, session_id: str) -> Any:
        session = stores.accounts.session(session_id)
        assert session is not None
        return session.revoked_at

    def test_ends_a_session_and_its_pushes(self, stores: Stores) -> None:
        user, session = stores.account()
        other = stores.login(user)
        self.push(stores, user.id, session.id, "d1")
        self.push(stores, user.id, other.id, "d2")

        assert stores.accounts.revoke(user.id, session.id, NOW)

        assert self.revoked(stores, session.id) == NOW
        assert self.revoked(stores, other.id) is None
        assert self.pushed(stores, user.id) == ["d2"]

    def test_can_be_repeated_and_keeps_the_first_time(self, stores: Stores) -> None:
        user, session = stores.account()

        for time in (NOW, NOW + MONTH):
            assert stores.accounts.revoke(user.id, session.id, time)
        assert self.revoked(stores, session.id) == NOW

    def test_not_that_of_others_nor_their_pushes(self, stores: Stores) -> None:
        (user, session), (other, _) = stores.account(), stores.account()
        self.push(stores, user.id, session.id, "d1")

        assert not stores.accounts.revoke(other.id, session.id, NOW)
        assert not stores.accounts.revoke(other.id, new_id(), NOW)
        assert self.revoked(stores, session.id) is None
        assert self.pushed(stores, user.id) == ["d1"]

    def test_all_but_one(self, stores: Stores) -> None:
        (user, session), (_, foreign) = stores.account(), stores.account()
        others = {stores.login(user).id for _ in range(2)}
        for n, session_id in enumerate([session.id, *others]):
            self.push(stores, user.id, session_id, f"d{n}")

        ended = stores.accounts.revoke_all(user.id, but=session.id, now=NOW)

        assert set(ended) == others
        assert all(self.revoked(stores, one) == NOW for one in others)
        assert self.revoked(stores, session.id) is None
        assert self.revoked(stores, foreign.id) is None
        assert self.pushed(stores, user.id) == ["d0"]

    def test_all(self, stores: Stores) -> None:
        user, session = stores.account()

        assert stores.accounts.revoke_all(user.id, but=None, now=NOW) == [session.id]
        assert self.revoked(stores, session.id) == NOW

    def test_a_repeat_names_again_what_ended_lately(self, stores: Stores) -> None:
        user, session = stores.account()
        stores.accounts.revoke_all(user.id, but=None, now=NOW)

        def again(after: timedelta) -> list[str]:
            return stores.accounts.revoke_all(user.id, but=None, now=NOW + after)

        assert again(timedelta(hours=2)) == [session.id]
        assert again(timedelta(hours=4)) == []
        assert self.revoked(stores, session.id) == NOW


class TestChangePassword:
    def test_ends_all_other_sessions(self, stores: Stores) -> None:
        user, session = stores.account()
        other = stores.login(user)

        ended = stores.accounts.change_password(
            user.id, "hash 2", checked="hash", but=session.id, now=NOW
        )

        assert ended == [other.id]
        assert stores.accounts.password_hash(user.id) == "hash 2"
        assert [
            one.id for one in stores.accounts.sessions(user.id, now=NOW, before=None, limit=9)
        ] == [session.id]

    def test_needs_the_password_that_was_checked(self, stores: Stores) -> None:
        user, session = stores.account()
        other = stores.login(user)

        assert (
            stores.accounts.change_password(
                user.id, "hash 2", checked="other", but=session.id, now=NOW
            )
            is None
        )
        assert stores.accounts.password_hash(user.id) == "hash"
        found = stores.accounts.session(other.id)
        assert found is not None
        assert found.revoked_at is None


class TestErase:
    def test_leaves_the_row_and_nothing_of_the_person(self, stores: Stores) -> None:
        user, session = stores.account(display_name="Ana")
        stores.users.update(user.id, {"about": "hi", "avatar_url": "https://example.org/a"})
        push = PushToken(token=user.id, platform="ios")
        stores.users.add_push_token(user.id, session.id, "d1", push, NOW)

        assert stores.accounts.erase(user.id, NOW, checked="hash") == [session.id]

        (card,) = stores.users.cards([user.id])
        assert PublicProfile.of(card).model_dump() == {
            "id": user.id,
            "username": None,
            "display_name": "Deleted user",
            "about": "",
            "avatar_url": None,
            "deleted": True,
        }
        ended = stores.accounts.session(session.id)
        assert ended is not None
        assert (ended.revoked_at, ended.user_agent) == (NOW, "")
        assert stores.accounts.password_hash(user.id) is None
        assert stores.accounts.credential_for(user.email) is None
        assert stores.users.profile(user.id) is None
        assert stores.users.named(user.username) is None
        assert stores.users.push_targets([user.id], NOW) == []

    def test_needs_the_password_that_was_checked(self, stores: Stores) -> None:
        user, session = stores.account()

        assert stores.accounts.erase(user.id, NOW, checked="other") is None
        assert stores.users.profile(user.id) == user
        assert stores.accounts.session(session.id) == session
        assert stores.accounts.password_hash(user.id) == "hash"

    def test_can_be_repeated(self, stores: Stores) -> None:
        user, session = stores.account()
        stores.accounts.erase(user.id, NOW, checked="hash")

        assert stores.accounts.erase(user.id, NOW + timedelta(minutes=1), checked=None) == [
            session.id
        ]

    def test_frees_the_address_and_the_username(self, stores: Stores) -> None:
        user, _ = stores.account()
        stores.accounts.erase(user.id, NOW, checked="hash")

        again, _ = stores.account(username=user.username, email=user.email)

        found = stores.users.named(user.username)
        assert found is not None
        assert found.id == again.id

    def test_a_deleted_user_cannot_sign_in(self, stores: Stores) -> None:
        user, _ = stores.account()
        stores.accounts.erase(user.id, NOW, checked="hash")

        assert stores.accounts.open_session(session_of(user.id), "hash", known=False) is None


class TestPurge:
    LONG_AGO = NOW - 100 * MONTH

    def test_deletes_what_ended_before_with_its_pushes(self, stores: Stores) -> None:
        user, kept = stores.account()
        times = {"created_at": self.LONG_AGO, "last_used_at": self.LONG_AGO}
        expired = stores.login(user, expires_at=self.LONG_AGO + MONTH, **times)
        revoked = stores.login(user, **times)
        stores.accounts.revoke(user.id, revoked.id, self.LONG_AGO)
        lately = stores.login(user)
        stores.accounts.revoke(user.id, lately.id, NOW)
        push = PushToken(token=user.id, platform="ios")
        stores.users.add_push_token(user.id, expired.id, "d1", push, NOW)

        while stores.accounts.purge_sessions(NOW - MONTH, 1):
            pass

        ended = [stores.accounts.session(one.id) for one in (expired, revoked)]
        assert ended == [None, None]
        assert stores.accounts.session(kept.id) is not None
        assert stores.accounts.session(lately.id) is not None

    def test_deletes_no_more_than_asked_for(self, stores: Stores) -> None:
        user, _ = stores.account()
        for _ in range(3):
            stores.login(user, expires_at=self.LONG_AGO)

        assert stores.accounts.purge_sessions(NOW - MONTH, 2) == 2
        while stores.accounts.purge_sessions(NOW - MONTH, 2):
            pass


class TestRaces:
    """On PostgreSQL alone: connections that do things at the same moment."""

    def test_one_of_many_gets_a_name(self, connect: Callable[[], Stores]) -> None:
        same = profile()

        def register(n: int) -> type[Exception] | None:
            stores = connect()
            user = profile(username=same.username)
            barrier.wait()
            try:
                stores.accounts.add(user, "hash", session_of(user.id))
            except AppError as error:
                return type(error)
            return None

        barrier = threading.Barrier(6)
        with ThreadPoolExecutor(6) as pool:
            results = list(pool.map(register, range(6)))

        assert results.count(None) == 1
        assert results.count(UsernameTaken) == 5

    def test_one_of_many_gets_to_rotate(self, connect: Callable[[], Stores]) -> None:
        _, session = connect().account()

        def rotate(n: int) -> bool:
            stores = connect()
            found = stores.accounts.session(session.id)
            assert found is not None
            barrier.wait()
            return stores.accounts.rotate(
                found,
                current=bytes([n]),
                previous=b"",
                seed=b"",
                now=NOW,
                expires_at=NOW + MONTH,
            )

        barrier = threading.Barrier(6)
        with ThreadPoolExecutor(6) as pool:
            results = list(pool.map(rotate, range(6)))

        found = connect().accounts.session(session.id)
        assert found is not None
        assert results.count(True) == 1
        assert found.current == bytes([results.index(True)])

    @pytest.mark.parametrize("end", ["change", "erase"])
    def test_a_login_that_ran_meanwhile_is_ended_or_refused(
        self, connect: Callable[[], Stores], postgres_url: str, end: str
    ) -> None:
        """The old password's login is held open while the password changes."""
        ours, theirs = connect(), connect()
        user, first = ours.account()
        late = session_of(user.id)

        def finish() -> list[str]:
            if end == "erase":
                ended = theirs.accounts.erase(user.id, NOW, checked="hash")
            else:
                ended = theirs.accounts.change_password(
                    user.id, "hash 2", checked="hash", but=first.id, now=NOW
                )
            assert ended is not None
            return ended

        with ThreadPoolExecutor(1) as pool, psycopg.connect(postgres_url) as watch:
            watch.autocommit = True
            with ours.accounts._postgres.transaction():
                assert ours.accounts.open_session(late, "hash", known=False) == []
                ended = pool.submit(finish)
                wait_until_blocked(watch)
            assert late.id in ended.result(10)

        assert ours.accounts.open_session(session_of(user.id), "hash", known=False) is None

    @pytest.mark.parametrize("end", ["change", "erase"])
    def test_g5_who_checked_the_password_before_it_changed_can_do_nothing_with_it(
        self, connect: Callable[[], Stores], postgres_url: str, end: str
    ) -> None:
        """A thief has passed the check and waits for the row while the owner changes it."""
        owner, thief = connect(), connect()
        user, mine = owner.account()
        stolen = owner.login(user)

        def change(stores: Stores, to: str, session: Session) -> list[str] | None:
            return stores.accounts.change_password(
                user.id, to, checked="hash", but=session.id, now=NOW
            )

        def steal() -> list[str] | None:
            if end == "erase":
                return thief.accounts.erase(user.id, NOW, checked="hash")
            return change(thief, "the thief's", stolen)

        with ThreadPoolExecutor(1) as pool, psycopg.connect(postgres_url) as watch:
            watch.autocommit = True
            with owner.accounts._postgres.transaction():
                assert change(owner, "the owner's", mine) == [stolen.id]
                late = pool.submit(steal)
                wait_until_blocked(watch)
            assert late.result(10) is None

        assert owner.accounts.password_hash(user.id) == "the owner's"
        assert owner.users.profile(user.id) == user
        standing = owner.accounts.sessions(user.id, now=NOW, before=None, limit=9)
        assert [one.id for one in standing] == [mine.id]


def wait_until_blocked(watch: psycopg.Connection[Any], table: str = "credentials") -> None:
    """Until a statement about a table waits for another connection's lock."""
    ticks = threading.Event()
    for _ in range(200):
        row = watch.execute(
            "SELECT 1 FROM pg_stat_activity WHERE datname = current_database()"
            " AND query LIKE %s AND cardinality(pg_blocking_pids(pid)) > 0",
            [f"%{table}%"],
        ).fetchone()
        if row:
            return
        ticks.wait(0.02)
    raise AssertionError("nothing waits")


def test_an_unreachable_server_is_told_as_unavailable() -> None:
    stores = AccountStore(Postgres("postgresql://app@127.0.0.1:1/none"))

    with pytest.raises(Unavailable):
        stores.session(new_id())


def test_one_statement_makes_an_account(
    connect: Callable[[], Stores], monkeypatch: pytest.MonkeyPatch
) -> None:
    """All or nothing without a transaction's round trips."""
    stores = connect()
    stores.account()
    statements: list[str] = []
    real = psycopg.Cursor.execute

    def counted(self: Any, query: Any, *rest: Any, **more: Any) -> Any:
        statements.append(query)
        return real(self, query, *rest, **more)

    monkeypatch.setattr(psycopg.Cursor, "execute", counted)
    stores.account()

    assert len(statements) == 1
