"""Accounts and sessions over connections that do things at the same moment: PostgreSQL alone."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from chalicelib.auth.sessions.models import Session
from chalicelib.errors import AppError, UsernameTaken
from tests.contract.accounts import (
    MONTH,
    NOW,
    Stores,
    held_open,
    profile,
    session_of,
)


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

    def test_one_of_many_concurrent_refreshes_rotates(self, connect: Callable[[], Stores]) -> None:
        _, session = connect().account()

        def rotate(n: int) -> bool:
            stores = connect()
            found = stores.sessions.session(session.id)
            assert found is not None
            barrier.wait()
            return stores.sessions.rotate(
                found,
                current=bytes([n]),
                previous=b"",
                seed=b"",
                now=NOW,
                lifetime=MONTH,
            )

        barrier = threading.Barrier(6)
        with ThreadPoolExecutor(6) as pool:
            results = list(pool.map(rotate, range(6)))

        found = connect().sessions.session(session.id)
        assert found is not None
        assert results.count(True) == 1
        assert found.current == bytes([results.index(True)])

    @pytest.mark.parametrize("end", ["change", "erase"])
    def test_a_concurrent_login_is_ended_or_refused(
        self, connect: Callable[[], Stores], postgres_url: str, end: str
    ) -> None:
        """The old password's login is held open while the password changes."""
        ours, theirs = connect(), connect()
        user, first = ours.account()
        late = session_of(user.id)

        def finish() -> list[str]:
            if end == "erase":
                ended = theirs.data.erase(user.id, NOW, checked="hash")
            else:
                ended = theirs.accounts.change_password(
                    user.id, "hash 2", checked="hash", but=first.id, now=NOW
                )
            assert ended is not None
            return ended

        with held_open(ours.accounts._postgres, postgres_url) as start:
            assert ours.accounts.open_session(late, "hash", known=False) == []
            ended = start(finish)
        assert late.id in ended.result()

        assert ours.accounts.open_session(session_of(user.id), "hash", known=False) is None

    @pytest.mark.parametrize("end", ["change", "erase"])
    def test_g5_a_password_checked_before_a_change_allows_nothing(
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
                return thief.data.erase(user.id, NOW, checked="hash")
            return change(thief, "the thief's", stolen)

        with held_open(owner.accounts._postgres, postgres_url) as start:
            assert change(owner, "the owner's", mine) == [stolen.id]
            late = start(steal)
        assert late.result() is None

        assert owner.accounts.password_hash(user.id) == "the owner's"
        assert owner.users.profile(user.id) == user
        standing = owner.sessions.sessions(user.id, now=NOW, before=None, limit=9)
        assert [one.id for one in standing] == [mine.id]
