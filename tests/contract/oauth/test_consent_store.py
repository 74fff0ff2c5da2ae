"""Consents: the same tests for PostgreSQL and for its stand-in."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import psycopg
import pytest

from chalicelib.auth.sessions.models import Session
from chalicelib.auth.sessions.store import MAX_SESSIONS
from chalicelib.drivers.postgres import Postgres
from chalicelib.ids import new_id
from chalicelib.oauth.consents.store import MAX_CONSENTS, Allowed
from chalicelib.users.models import Profile
from tests.contract.accounts import MONTH, NOW, migrated, session_of, wait_until_blocked
from tests.contract.programs import ProgramStores, program


class Agreeing(ProgramStores):
    def program(self, name: str = "Board") -> str:
        made = program(name=name)
        self.clients.add(made)
        return made.id

    def agree(
        self, user: Profile, page: Session, client_id: str, *scopes: str, minute: int = 0
    ) -> None:
        self.consents.remember(
            user.id,
            client_id,
            scopes,
            session_id=page.id,
            now=NOW + timedelta(minutes=minute),
        )

    def grant(self, user: Profile, page: Session, client_id: str, scope: str) -> Session:
        """Open a session for a program, and delete the consent that this needs."""
        had = self.consents.scopes(user.id, client_id)
        if not had:
            self.agree(user, page, client_id, *scope.split())
        drafted = session_of(user.id, client_id=client_id, scope=scope)
        assert self.sessions.open_from(drafted, page.id) is not None
        if not had:
            self.consents.forget(user.id, client_id)
        return drafted


fakes, over = Agreeing.fakes, Agreeing.over


def test_scopes_add_up_for_each_user_and_program(stores: Agreeing) -> None:
    user, page = stores.account()
    other, _ = stores.account()
    board, shop = stores.program(), stores.program()
    assert stores.consents.scopes(user.id, board) == frozenset()

    stores.agree(user, page, board, "openid", "chats.read")
    stores.agree(user, page, board, "openid", "email")
    stores.agree(user, page, shop, "openid")

    assert stores.consents.scopes(user.id, board) == {"openid", "chats.read", "email"}
    assert stores.consents.scopes(user.id, shop) == {"openid"}
    assert stores.consents.scopes(other.id, board) == frozenset()


def test_a_consent_needs_a_valid_session_of_its_user(stores: Agreeing) -> None:
    user, page = stores.account()
    other, _ = stores.account()
    board = stores.program()
    old = stores.login(user, expires_at=NOW - timedelta(seconds=1), created_at=NOW - MONTH)
    ended = stores.login(user)
    stores.sessions.revoke(user.id, ended.id, NOW)

    stores.agree(user, old, board, "openid")
    stores.agree(user, ended, board, "openid")
    stores.agree(other, page, board, "openid")

    assert stores.consents.scopes(user.id, board) == frozenset()
    assert stores.consents.scopes(other.id, board) == frozenset()


def test_over_the_limit_the_oldest_is_deleted(stores: Agreeing) -> None:
    user, page = stores.account()
    programs = [stores.program() for _ in range(MAX_CONSENTS + 1)]
    for minute, one in enumerate(programs[:MAX_CONSENTS]):
        stores.agree(user, page, one, "openid", minute=minute)
    stores.agree(user, page, programs[0], "openid", minute=MAX_CONSENTS)

    stores.agree(user, page, programs[-1], "openid", minute=MAX_CONSENTS + 1)

    left = [bool(stores.consents.scopes(user.id, one)) for one in programs]
    assert left == [True, False, *[True] * (MAX_CONSENTS - 1)]


def test_the_list_names_each_program_once_with_its_scopes(stores: Agreeing) -> None:
    user, page = stores.account()
    zoo, board, gone = stores.program("Zoo"), stores.program("Board"), stores.program("Gone")
    stores.agree(user, page, board, "openid", "email", minute=5)
    stores.grant(user, page, board, "openid chats.read")
    stores.grant(user, page, zoo, "openid")
    ended = stores.grant(user, page, stores.program(), "openid")
    stores.sessions.revoke(user.id, ended.id, NOW)
    stores.agree(user, page, gone, "openid")
    stores.clients.delete(gone, NOW)

    assert stores.consents.programs(user.id, NOW) == [
        Allowed(board, "Board", ["chats.read", "email", "openid"], NOW + timedelta(minutes=5)),
        Allowed(zoo, "Zoo", ["openid"], NOW),
    ]


def test_a_deletion_is_for_one_user_and_program(stores: Agreeing) -> None:
    user, page = stores.account()
    other, their_page = stores.account()
    board, shop = stores.program(), stores.program()
    for client in (board, shop):
        stores.agree(user, page, client, "openid")
    stores.agree(other, their_page, board, "openid")

    stores.consents.forget(user.id, board)
    stores.consents.forget(user.id, board)

    assert not stores.consents.scopes(user.id, board)
    assert stores.consents.scopes(user.id, shop)
    assert stores.consents.scopes(other.id, board)


def test_the_consents_of_a_program_are_deleted_in_batches(stores: Agreeing) -> None:
    board, shop = stores.program(), stores.program()
    for _ in range(3):
        user, page = stores.account()
        stores.agree(user, page, board, "openid")
        stores.agree(user, page, shop, "openid")

    batches = [stores.consents.forget_program(board, 2) for _ in range(3)]

    assert batches == [2, 1, 0]
    assert stores.consents.scopes(user.id, shop)


def test_a_user_who_ends_a_session_of_a_program_is_asked_again(stores: Agreeing) -> None:
    user, page = stores.account()
    board, shop = stores.program(), stores.program()
    for client in (board, shop):
        stores.agree(user, page, client, "openid")
    first, second = (stores.grant(user, page, board, "openid") for _ in range(2))

    stores.sessions.revoke(user.id, first.id, NOW)
    assert stores.consents.scopes(user.id, board)
    other, _ = stores.account()
    stores.sessions.revoke(other.id, second.id, NOW, by_user=True)
    assert stores.consents.scopes(user.id, board)

    stores.sessions.revoke(user.id, second.id, NOW, by_user=True)
    assert not stores.consents.scopes(user.id, board)
    assert stores.consents.scopes(user.id, shop)


@pytest.mark.parametrize("how", ["all sessions", "password", "deletion"])
def test_a_user_who_ends_all_sessions_is_asked_again(stores: Agreeing, how: str) -> None:
    user, page = stores.account()
    board = stores.program()
    stores.agree(user, page, board, "openid")

    if how == "all sessions":
        stores.sessions.revoke_all(user.id, but=page.id, now=NOW)
    elif how == "password":
        stores.accounts.change_password(user.id, "new", checked="hash", but=page.id, now=NOW)
    else:
        stores.data.erase(user.id, NOW, checked="hash")

    assert not stores.consents.scopes(user.id, board)


def test_ending_a_program_ends_only_its_sessions_of_that_user(stores: Agreeing) -> None:
    user, page = stores.account()
    other, their_page = stores.account()
    board, shop = stores.program(), stores.program()
    own = {stores.grant(user, page, board, "openid").id for _ in range(2)}
    kept = (
        stores.grant(user, page, shop, "openid"),
        stores.grant(other, their_page, board, "openid"),
    )

    first = stores.sessions.revoke_program(user.id, board, NOW)
    again = stores.sessions.revoke_program(user.id, board, NOW)

    assert set(first) == set(again) == own
    for one in kept:
        session = stores.sessions.session(one.id)
        assert session
        assert session.revoked_at is None
    assert stores.sessions.revoke_program(user.id, new_id(), NOW) == []


def test_a_consent_during_the_end_of_all_sessions_is_not_kept(postgres_url: str) -> None:
    """The transaction that ends them locks first. The consent waits, then finds no session."""
    postgres = Postgres(migrated(postgres_url))
    stores = Agreeing.over(postgres)
    user, page = stores.account()
    board = stores.program()
    with (
        psycopg.connect(postgres_url) as ending,
        psycopg.connect(postgres_url, autocommit=True) as watch,
        ThreadPoolExecutor(1) as pool,
    ):
        ending.execute("UPDATE sessions SET revoked_at = now() WHERE id = %s", [page.id])
        agreeing = pool.submit(stores.agree, user, page, board, "openid")
        wait_until_blocked(watch, "oauth_consents")
        ending.commit()
        agreeing.result(10)

    assert not stores.consents.scopes(user.id, board)
    postgres.close()


def test_the_end_of_all_sessions_sees_a_consent_that_it_waited_for(postgres_url: str) -> None:
    postgres = Postgres(migrated(postgres_url))
    stores = Agreeing.over(postgres)
    user, page = stores.account()
    board = stores.program()
    with (
        psycopg.connect(postgres_url) as agreeing,
        psycopg.connect(postgres_url, autocommit=True) as watch,
        ThreadPoolExecutor(1) as pool,
    ):
        agreeing.execute("SELECT FROM sessions WHERE id = %s FOR SHARE", [page.id])
        agreeing.execute(
            "INSERT INTO oauth_consents VALUES (%s, %s, %s, now())", [user.id, board, ["openid"]]
        )
        ending = pool.submit(stores.sessions.revoke_all, user.id, but=None, now=NOW)
        wait_until_blocked(watch, "UPDATE sessions")
        agreeing.commit()
        ending.result(10)

    assert not stores.consents.scopes(user.id, board)
    postgres.close()


def test_no_session_is_opened_without_a_consent(stores: Agreeing) -> None:
    user, page = stores.account()
    board, shop = stores.program(), stores.program()
    stores.agree(user, page, board, "openid")
    stores.consents.forget(user.id, board)
    stores.agree(user, page, shop, "openid")

    granted = session_of(user.id, client_id=board, scope="openid")

    assert stores.sessions.open_from(granted, page.id) is None
    assert stores.sessions.session(granted.id) is None


def test_programs_end_no_sessions_of_their_user(stores: Agreeing) -> None:
    """A program with a consent opens sessions without a click."""
    user, page = stores.account()
    stores.login(user, last_used_at=NOW - MONTH)
    board = stores.program()
    stores.agree(user, page, board, "openid")

    surplus: list[str] = []
    for _ in range(MAX_SESSIONS + 2):
        granted = session_of(user.id, client_id=board, scope="openid")
        surplus = stores.sessions.open_from(granted, page.id) or []

    ended = [stores.sessions.session(one) for one in surplus]
    assert len(ended) == 2
    assert all(one is not None and one.client_id == board for one in ended)
