"""Acts of admins that meet each other, or a sign-in, at once, on PostgreSQL."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial

import psycopg
import pytest

from chalicelib.auth.sessions.models import Session
from chalicelib.errors import AppError, Forbidden, LastAdmin
from chalicelib.identity import Identity
from chalicelib.ids import new_id
from chalicelib.scopes import SCOPES
from chalicelib.users.models import Profile
from tests.contract.accounts import (
    NOW,
    held_open,
    session_of,
)
from tests.contract.admin import staffed
from tests.contract.admin.staffed import DESK, Staffed

fakes, over = staffed.fakes, staffed.over


class TestRaces:
    """On PostgreSQL alone: connections that do things at the same moment."""

    def test_two_admins_take_each_others_role_and_one_of_them_succeeds(
        self, connect: Callable[[], Staffed]
    ) -> None:
        for _ in range(5):
            pair = [connect(), connect()]
            admins = [stores.holder("admin") for stores in pair]
            barrier = threading.Barrier(2)

            def take(
                n: int,
                pair: list[Staffed] = pair,
                admins: list[Profile] = admins,
                barrier: threading.Barrier = barrier,
            ) -> type[Exception] | None:
                identity = Identity(user_id=admins[n].id, session_id=new_id())
                barrier.wait()
                try:
                    pair[n].service().take(identity, DESK, admins[1 - n].id, "admin")
                except AppError as error:
                    return type(error)
                return None

            with ThreadPoolExecutor(2) as pool:
                outcomes = list(pool.map(take, range(2)))

            assert sorted(map(str, outcomes)) == sorted(map(str, [None, Forbidden]))
            winner = outcomes.index(None)
            assert pair[0].sessions.roles(admins[winner].id) == {"admin"}
            assert pair[0].sessions.roles(admins[1 - winner].id) == frozenset()

    def test_the_last_two_admins_delete_their_accounts_and_one_of_them_stays(
        self, connect: Callable[[], Staffed], postgres_url: str
    ) -> None:
        with psycopg.connect(postgres_url, autocommit=True) as connection:
            connection.execute("DELETE FROM user_roles WHERE role = 'admin'")
        pair = [connect(), connect()]
        admins = [stores.holder("admin") for stores in pair]
        barrier = threading.Barrier(2)

        def delete(n: int) -> type[Exception] | None:
            barrier.wait()
            try:
                pair[n].data.erase(admins[n].id, NOW, checked="hash")
            except AppError as error:
                return type(error)
            return None

        with ThreadPoolExecutor(2) as pool:
            outcomes = list(pool.map(delete, range(2)))

        assert sorted(map(str, outcomes)) == sorted(map(str, [None, LastAdmin]))
        stays = admins[outcomes.index(LastAdmin)]
        assert pair[0].accounts.password_hash(stays.id) == "hash"
        assert pair[0].sessions.roles(stays.id) == {"admin"}

    @pytest.mark.parametrize("act", ["suspend", "take"])
    def test_g5_a_concurrent_sign_in_is_ended(
        self, connect: Callable[[], Staffed], postgres_url: str, act: str
    ) -> None:
        """The sign-in is held open while staff acts."""
        ours, theirs = connect(), connect()
        admin, mod = ours.holder("admin"), ours.holder("moderator")
        late = session_of(mod.id)

        with held_open(ours.accounts._postgres, postgres_url) as start:
            assert ours.accounts.open_session(late, "hash", known=False) == []
            done = start(partial(self.act, theirs, act, admin, mod), "users")
        done.result()

        found = ours.sessions.session(late.id)
        assert found is not None
        assert found.revoked_at is not None

    @pytest.mark.parametrize("act", ["suspend", "take"])
    def test_g5_a_sign_in_during_the_act_waits_and_sees_it(
        self, connect: Callable[[], Staffed], postgres_url: str, act: str
    ) -> None:
        """The act is held open while somebody signs in."""
        ours, theirs = connect(), connect()
        admin, mod = ours.holder("admin"), ours.holder("moderator")
        late = session_of(mod.id)

        def sign_in() -> tuple[list[str] | None, frozenset[str]]:
            opened = theirs.accounts.open_session(late, "hash", known=False)
            return opened, theirs.sessions.roles(mod.id)

        with held_open(ours.accounts._postgres, postgres_url) as start:
            self.act(ours, act, admin, mod)
            signed_in = start(sign_in)
        opened, roles = signed_in.result()

        if act == "suspend":
            assert opened is None
            assert ours.sessions.session(late.id) is None
        else:
            assert opened == []
            assert roles == frozenset()

    @pytest.mark.parametrize("act", ["suspend", "take"])
    def test_g5_a_concurrent_refresh_is_ended(
        self, connect: Callable[[], Staffed], postgres_url: str, act: str
    ) -> None:
        ours, theirs = connect(), connect()
        admin, mod = ours.holder("admin"), ours.holder("moderator")
        session = ours.login(mod)

        with held_open(ours.accounts._postgres, postgres_url) as start:
            assert self.rotate(ours, session)
            done = start(partial(self.act, theirs, act, admin, mod), "sessions")
        done.result()

        found = ours.sessions.session(session.id)
        assert found is not None
        assert found.revoked_at is not None

    @pytest.mark.parametrize("act", ["suspend", "take"])
    def test_g5_a_refresh_during_the_act_changes_nothing(
        self, connect: Callable[[], Staffed], postgres_url: str, act: str
    ) -> None:
        ours, theirs = connect(), connect()
        admin, mod = ours.holder("admin"), ours.holder("moderator")
        session = ours.login(mod)

        with held_open(ours.accounts._postgres, postgres_url) as start:
            self.act(ours, act, admin, mod)
            rotated = start(partial(self.rotate, theirs, session), "sessions")
        assert not rotated.result()

    def act(self, stores: Staffed, act: str, admin: Profile, whom: Profile) -> None:
        identity = Identity(user_id=admin.id, session_id=new_id(), scopes=SCOPES["admin"])
        if act == "suspend":
            stores.service().suspend(identity, DESK, whom.id, "Spam")
        else:
            stores.service().take(identity, DESK, whom.id, "moderator")

    def rotate(self, stores: Staffed, session: Session) -> bool:
        return stores.sessions.rotate(
            session,
            current=b"2",
            previous=session.current,
            seed=b"seed",
            now=NOW,
            lifetime=timedelta(days=1),
        )
