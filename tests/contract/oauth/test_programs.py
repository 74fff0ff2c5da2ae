"""Registered programs, their codes and sessions: the same tests for servers and stand-ins."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any

import psycopg
import pytest
import redis

from chalicelib.auth.sessions.models import Session
from chalicelib.drivers.postgres import Postgres
from chalicelib.drivers.redis import connect
from chalicelib.errors import Unavailable
from chalicelib.ids import new_id
from chalicelib.oauth.clients.models import OAuthClient
from chalicelib.oauth.tokens.codes import CODE_SECONDS, REMEMBERED_SECONDS, Code, Codes
from chalicelib.users.models import Profile
from tests.contract.accounts import MONTH, NOW, migrated, session_of, wait_until_blocked
from tests.contract.programs import ProgramStores, program
from tests.unit.oauth.fakes import FakeCodes

CODE = Code(
    client_id=new_id(),
    redirect_uri="https://program.example/back",
    challenge="c" * 43,
    scope="openid",
    nonce=None,
    user_id=new_id(),
    opener_id=new_id(),
    auth_time=1,
    session_id=new_id(),
)


class Granting(ProgramStores):
    def client(self, **changes: Any) -> OAuthClient:
        made = program(**changes)
        self.clients.add(made)
        return made

    def agree(self, user: Profile, opener: Session, client: OAuthClient) -> None:
        self.consents.remember(user.id, client.id, ["openid"], session_id=opener.id, now=NOW)

    def granted(self, user: Profile, opener: Session, client: OAuthClient) -> Session | None:
        """A session for a program, of a user who agreed; None if it was refused."""
        if not self.consents.scopes(user.id, client.id):
            self.agree(user, opener, client)
        drafted = session_of(
            user.id, client_id=client.id, scope="openid", auth_time=NOW - timedelta(hours=1)
        )
        opened = self.sessions.open_from(drafted, opener.id)
        return drafted if opened is not None else None


fakes, over = Granting.fakes, Granting.over


class TestPrograms:
    @pytest.mark.parametrize(
        "changes",
        [{}, {"secret_digest": None}, {"require_pkce": False}, {"claims_in_id_token": True}],
        ids=str,
    )
    def test_are_found_as_they_were_registered(
        self, stores: Granting, changes: dict[str, Any]
    ) -> None:
        made = stores.client(**changes)

        assert stores.clients.get(made.id) == made
        assert stores.clients.get(new_id()) is None

    def test_are_listed_newest_first(self, stores: Granting) -> None:
        made = sorted((stores.client() for _ in range(3)), key=lambda one: one.id, reverse=True)

        assert stores.clients.clients(before=None, limit=2)[0] == made[0]
        assert stores.clients.clients(before=made[0].id, limit=2) == made[1:]

    def test_only_public_ones_that_are_not_deleted_have_pages(self, stores: Granting) -> None:
        uris = [f"https://{new_id()}.example/back" for _ in range(3)]
        stores.client(secret_digest=None, redirect_uris=uris[:2])
        stores.client(redirect_uris=[uris[2]])
        deleted = stores.client(redirect_uris=["https://deleted.example/"])
        stores.clients.delete(deleted.id, NOW)
        gone = stores.client(secret_digest=None, redirect_uris=["https://gone.example/"])
        stores.clients.delete(gone.id, NOW)

        found = stores.clients.public_redirect_uris()

        assert set(uris) & set(found) == set(uris[:2])
        assert not {"https://deleted.example/", "https://gone.example/"} & set(found)

    def test_lose_their_secret_when_they_are_deleted(self, stores: Granting) -> None:
        made = stores.client()

        assert stores.clients.delete(made.id, NOW)
        assert stores.clients.delete(made.id, NOW)
        assert not stores.clients.delete(new_id(), NOW)
        assert stores.clients.get(made.id) is None
        assert made not in stores.clients.clients(before=None, limit=200)


class TestGrants:
    def test_have_a_client_scopes_and_a_sign_in_time(self, stores: Granting) -> None:
        user, phone = stores.account()
        client = stores.client()

        grant = stores.granted(user, phone, client)

        assert grant
        assert stores.sessions.session(grant.id) == grant
        listed = stores.sessions.sessions(user.id, now=NOW, before=None, limit=9)
        assert {one.client_id for one in listed} == {None, client.id}

    def test_need_a_valid_session_of_the_same_user(self, stores: Granting) -> None:
        user, phone = stores.account()
        other, _ = stores.account()
        client = stores.client()
        old = stores.login(user, expires_at=NOW - timedelta(seconds=1), created_at=NOW - MONTH)
        for one in (user, other):
            stores.agree(one, stores.login(one), client)
        stores.sessions.revoke(user.id, phone.id, NOW)

        assert stores.granted(user, phone, client) is None
        assert stores.granted(user, old, client) is None
        assert stores.granted(other, stores.login(user), client) is None
        assert stores.granted(user, replace(phone, id=new_id()), client) is None

    def test_end_with_their_program_in_batches(self, stores: Granting) -> None:
        client, other = stores.client(), stores.client()
        grants = []
        for _ in range(3):
            user, phone = stores.account()
            grants.append(stores.granted(user, phone, client))
            kept = stores.granted(user, phone, other)

        first = stores.sessions.revoke_sessions_of_client(client.id, NOW, 2)
        second = stores.sessions.revoke_sessions_of_client(client.id, NOW, 2)

        assert sorted(first + second) == sorted((g.user_id, g.id) for g in grants if g)
        assert stores.sessions.revoke_sessions_of_client(client.id, NOW, 2) == []
        assert kept
        session = stores.sessions.session(kept.id)
        assert session
        assert session.revoked_at is None

    def test_end_with_everything_else_of_their_user(self, stores: Granting) -> None:
        user, phone = stores.account()
        grant = stores.granted(user, phone, stores.client())

        assert grant
        assert grant.id in stores.sessions.revoke_all(user.id, but=None, now=NOW)


@pytest.mark.parametrize("how", ["session", "program", "user", "consent"])
def test_a_session_of_a_program_is_not_opened_while_its_cause_ends(
    postgres_url: str, how: str
) -> None:
    """The transaction that ends the cause locks first. The new session waits, then is refused."""
    postgres = Postgres(migrated(postgres_url))
    stores = Granting.over(postgres)
    user, phone = stores.account()
    client = stores.client()
    stores.agree(user, phone, client)
    end = {
        "session": ("UPDATE sessions SET revoked_at = now() WHERE id = %s", phone.id),
        "program": ("UPDATE oauth_clients SET deleted_at = now() WHERE id = %s", client.id),
        "user": (
            "UPDATE users SET suspended_at = now(), suspension_reason = 'Spam' WHERE id = %s",
            user.id,
        ),
        "consent": ("DELETE FROM oauth_consents WHERE user_id = %s", user.id),
    }
    statement, what = end[how]
    with (
        psycopg.connect(postgres_url) as ending,
        psycopg.connect(postgres_url, autocommit=True) as watch,
        ThreadPoolExecutor(1) as pool,
    ):
        ending.execute(statement.encode(), [what])
        granting = pool.submit(stores.granted, user, phone, client)
        wait_until_blocked(watch, "oauth_clients")
        ending.commit()

        assert granting.result(10) is None
    postgres.close()


class TestCodes:
    @pytest.fixture(params=["fake", "redis"])
    def codes(self, request: pytest.FixtureRequest) -> Codes:
        if request.param == "fake":
            return FakeCodes()
        return Codes(request.getfixturevalue("client"))

    def test_do_nothing_for_a_client_that_they_were_not_issued_to(self, codes: Codes) -> None:
        codes.keep("c", CODE)

        assert codes.redeem("c", new_id(), CODE.challenge) is None
        assert codes.redeem("c", CODE.client_id, CODE.challenge) == (CODE, False)
        assert codes.redeem("c", new_id(), CODE.challenge) is None
        assert not codes.came_again("c")

    def test_a_second_use_without_the_verifier_does_not_count(self, codes: Codes) -> None:
        codes.keep("c", CODE)
        codes.redeem("c", CODE.client_id, "")

        assert codes.redeem("c", CODE.client_id, "") is None
        assert not codes.came_again("c")
        assert codes.redeem("c", CODE.client_id, CODE.challenge) == (CODE, True)
        assert codes.came_again("c")

    def test_a_second_use_without_a_challenge_counts_if_no_verifier_is_sent(
        self, codes: Codes
    ) -> None:
        codes.keep("c", replace(CODE, challenge=""))
        codes.redeem("c", CODE.client_id, "")

        assert codes.redeem("c", CODE.client_id, CODE.challenge) is None
        assert not codes.came_again("c")
        assert codes.redeem("c", CODE.client_id, "") == (replace(CODE, challenge=""), True)
        assert codes.came_again("c")

    def test_are_redeemed_once_and_a_second_use_is_known(self, codes: Codes) -> None:
        codes.keep("c", CODE)

        assert codes.redeem("c", CODE.client_id, CODE.challenge) == (CODE, False)
        assert not codes.came_again("c")
        assert codes.redeem("c", CODE.client_id, CODE.challenge) == (CODE, True)
        assert codes.came_again("c")
        assert codes.redeem("c", CODE.client_id, CODE.challenge) == (CODE, True)

    @pytest.mark.parametrize("text", ["", "nope", "*", "\ud800", "x" * 100_000])
    def test_unknown_ones_are_not_found(self, codes: Codes, text: str) -> None:
        assert codes.redeem(text, CODE.client_id, CODE.challenge) is None
        assert not codes.came_again(text)

    def test_a_token_can_be_voided(self, codes: Codes) -> None:
        codes.void("t", 60)

        assert codes.is_void("t")
        assert not codes.is_void("u")

    def test_one_of_many_is_the_first(self, client: redis.Redis) -> None:
        codes = Codes(client)
        codes.keep("c", CODE)
        together = threading.Barrier(8)

        def redeem(_: int) -> bool:
            together.wait()
            found = codes.redeem("c", CODE.client_id, CODE.challenge)
            assert found
            return found[1]

        with ThreadPoolExecutor(8) as pool:
            assert sorted(pool.map(redeem, range(8))) == [False] + [True] * 7

    def test_expire_and_are_not_stored_in_plain_text(self, client: redis.Redis) -> None:
        codes = Codes(client)
        codes.keep("s3cret", CODE)
        (key,) = client.keys()
        assert 0 < client.ttl(key) <= CODE_SECONDS

        codes.redeem("s3cret", CODE.client_id, CODE.challenge)
        codes.redeem("s3cret", CODE.client_id, CODE.challenge)
        codes.void("s3cret-token", 0)

        for key in client.scan_iter():
            assert "s3cret" not in key
            assert 0 < client.ttl(key) <= REMEMBERED_SECONDS

    def test_an_unreachable_server_raises_unavailable(self) -> None:
        codes = Codes(connect("redis://127.0.0.1:1"))

        with pytest.raises(Unavailable):
            codes.redeem("c", CODE.client_id, CODE.challenge)
        with pytest.raises(Unavailable):
            codes.keep("c", CODE)
        with pytest.raises(Unavailable):
            codes.is_void("t")
