"""G5 on real servers: a revoked session stays revoked, whatever Redis forgets."""

import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
import redis

from chalicelib.auth.sessions.models import Session, Tokens
from chalicelib.auth.sessions.revocation import Revocation
from chalicelib.auth.sessions.service import Auth
from chalicelib.auth.sessions.tickets import Tickets
from chalicelib.auth.sessions.tokens import AccessTokens
from chalicelib.config import Settings
from chalicelib.drivers.postgres import Postgres
from chalicelib.drivers.redis import Command, Scripts
from chalicelib.errors import Unauthorized
from chalicelib.identity import Identity
from chalicelib.ids import new_id
from chalicelib.limits.guesses import Throttle
from chalicelib.live.events import EndedBy
from tests.contract.accounts import RoundTrips, Stores, migrated, profile, real
from tests.unit.auth.fakes import (
    PHONE,
    FakeSockets,
    auth_settings,
)


class Sockets(FakeSockets):
    """None is open."""

    def __init__(self, client: redis.Redis) -> None:
        super().__init__()
        self._scripts = Scripts(client)

    def end_sessions(
        self,
        user_id: str,
        session_ids: Collection[str],
        tombstones: Sequence[Command],
        reason: EndedBy,
    ) -> None:
        super().end_sessions(user_id, session_ids, tombstones, reason)
        self._scripts.run_all(tombstones)


class World:
    """`Auth` on real servers, with an account whose sessions are opened as asked."""

    def __init__(self, given: Settings, client: redis.Redis, postgres: Postgres) -> None:
        self.stores = Stores(*real(postgres))
        self.sockets = Sockets(client)
        tokens, throttle = AccessTokens(given), Throttle(client, given.limits)
        self.auth = Auth(
            given,
            revocation=Revocation(client, given),
            tickets=Tickets(client, given),
            tokens=lambda: tokens,
            store=lambda: self.stores.sessions,
            throttle=lambda: throttle,
            sockets=lambda: self.sockets,
        )
        self.user = profile()
        draft, refresh_token = self.auth.draft_session(self.user.id, PHONE, None)
        self.stores.accounts.add(self.user, "hash", draft)
        self.first = self.auth.tokens(draft, refresh_token)

    def login(self) -> Tokens:
        draft, refresh_token = self.auth.draft_session(self.user.id, PHONE, None)
        assert self.stores.accounts.open_session(draft, "hash", known=False) == []
        return self.auth.tokens(draft, refresh_token)

    def refresh(self, token: str) -> Tokens:
        return self.auth.refresh(token, PHONE)

    def identity(self, tokens: Tokens) -> Identity:
        return self.auth.authenticate(f"Bearer {tokens.access_token}")


class TestG5OnRealServers:
    @pytest.fixture
    def make(self, client: redis.Redis, postgres_url: str) -> Iterator[Callable[[], World]]:
        migrated(postgres_url)
        made: list[Postgres] = []

        def make() -> World:
            made.append(Postgres(postgres_url))
            given = auth_settings()
            return World(given, client, made[-1])

        yield make
        for postgres in made:
            postgres.close()

    def test_a_request_costs_one_round_trip_and_postgresql_is_asked_once(
        self, make: Callable[[], World], client: redis.Redis, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        world = make()
        world.identity(world.first)
        asked: list[str] = []
        real = world.stores.sessions.session

        def counted(session_id: str) -> Session | None:
            asked.append(session_id)
            return real(session_id)

        monkeypatch.setattr(world.stores.sessions, "session", counted)
        trips = RoundTrips(client, monkeypatch)
        for _ in range(10):
            world.identity(world.first)

        assert trips.count == 10
        assert asked == []

    def test_a_revoked_session_stays_revoked_when_redis_loses_its_data(
        self, make: Callable[[], World], client: redis.Redis
    ) -> None:
        world = make()
        other = world.login()
        caller = world.identity(world.first)
        world.identity(other)

        world.auth.revoke(caller, other.session_id)
        for _ in range(2):
            with pytest.raises(Unauthorized):
                world.identity(other)
            client.flushdb()

        assert world.identity(world.first) == caller
        assert (world.user.id, other.session_id) in world.sockets.closed

    def test_tickets_of_a_revoked_session_open_nothing(self, make: Callable[[], World]) -> None:
        world = make()
        other = world.login()
        ticket = world.auth.issue_ticket(world.identity(other)).ticket
        world.auth.revoke_others(world.identity(world.first))

        with pytest.raises(Unauthorized):
            world.auth.redeem_ticket(ticket)

    def test_two_tabs_that_refresh_at_once_both_go_on(self, make: Callable[[], World]) -> None:
        world = make()
        tokens = world.first
        for _ in range(5):
            tabs = [make() for _ in range(3)]
            barrier = threading.Barrier(3)

            def refresh(
                tab: World, tokens: Tokens = tokens, barrier: threading.Barrier = barrier
            ) -> Tokens:
                barrier.wait()
                return tab.refresh(tokens.refresh_token)

            with ThreadPoolExecutor(3) as pool:
                answers = list(pool.map(refresh, tabs))
            assert len({answer.refresh_token for answer in answers}) == 1
            assert all(world.identity(answer) for answer in answers)
            tokens = answers[0]

    def test_reuse_of_an_old_refresh_token_ends_the_session(
        self, make: Callable[[], World]
    ) -> None:
        world = make()
        second = world.refresh(world.first.refresh_token)
        third = world.refresh(second.refresh_token)
        world.identity(third)

        with pytest.raises(Unauthorized):
            world.refresh(world.first.refresh_token)

        for tokens in (world.first, second, third):
            with pytest.raises(Unauthorized):
                world.identity(tokens)
            with pytest.raises(Unauthorized):
                world.refresh(tokens.refresh_token)

    def test_no_refresh_token_is_stored_in_plain_text(self, make: Callable[[], World]) -> None:
        world = make()
        fresh = world.refresh(world.first.refresh_token)

        row = world.stores.sessions.session(fresh.session_id)
        assert row is not None
        for text in (world.first.refresh_token, fresh.refresh_token):
            secret = bytes.fromhex(text.split(".")[1])
            assert secret not in (row.current, row.previous, row.seed)

    def test_another_users_session_is_not_found(self, make: Callable[[], World]) -> None:
        """Whatever a signed token says, PostgreSQL knows whose session it is."""
        world, stranger = make(), make()
        identity = Identity(user_id=world.user.id, session_id=stranger.first.session_id)

        assert not world.auth.still_valid(identity)
        assert not world.auth.still_valid(Identity(user_id=new_id(), session_id=new_id()))
