"""Which sessions stand: Redis, and the stand-in for it, held to the same.

And G5 on real servers: who is revoked stays out, whatever Redis forgets.
"""

import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
import redis

from chalicelib.auth.sessions.models import Session, Tokens
from chalicelib.auth.sessions.revocation import Revocation
from chalicelib.auth.sessions.service import Auth
from chalicelib.auth.sessions.tickets import Tickets
from chalicelib.auth.sessions.tokens import AccessTokens
from chalicelib.config import Settings
from chalicelib.drivers.postgres import Postgres
from chalicelib.drivers.redis import Call, Scripts, connect
from chalicelib.errors import RateLimited, Unauthorized, Unavailable
from chalicelib.identity import Identity
from chalicelib.ids import new_id
from chalicelib.limits.guesses import Throttle
from chalicelib.limits.table import Use
from chalicelib.live.events import EndedBy
from tests.contract.accounts import RoundTrips, Slots, Stores, migrated, profile, real
from tests.unit.auth.fakes import (
    PHONE,
    FakeRevocation,
    FakeSockets,
    auth_settings,
)

DEFAULT = Use()


def revoke(revocation: Revocation, user_id: str, session_ids: list[str]) -> None:
    if calls := revocation.tombstones(user_id, session_ids):
        revocation._scripts.run_all(calls)


class TestRevocation:
    @pytest.fixture(params=["fake", "redis"])
    def revocation(self, request: pytest.FixtureRequest) -> Revocation:
        if request.param == "fake":
            return FakeRevocation()
        return Revocation(request.getfixturevalue("client"), auth_settings())

    def test_an_unknown_session_has_no_state(self, revocation: Revocation) -> None:
        assert revocation.check("ana", "s1", DEFAULT).stands is None
        assert revocation.stands("ana", "s1") is None

    def test_remembers_what_was_confirmed(self, revocation: Revocation) -> None:
        assert revocation.confirm("ana", "s1")

        assert revocation.check("ana", "s1", DEFAULT).stands is True
        assert revocation.stands("ana", "s1") is True
        assert revocation.stands("ana", "s2") is None
        assert revocation.stands("bo", "s1") is None

    def test_remembers_what_was_revoked(self, revocation: Revocation) -> None:
        revocation.confirm("ana", "s1")
        revoke(revocation, "ana", ["s1", "s2"])

        for session_id in ("s1", "s2"):
            assert revocation.check("ana", session_id, DEFAULT).stands is False
            assert revocation.stands("ana", session_id) is False

    def test_a_late_confirmation_does_not_undo_a_revoke(self, revocation: Revocation) -> None:
        revoke(revocation, "ana", ["s1"])

        assert not revocation.confirm("ana", "s1")
        assert revocation.stands("ana", "s1") is False

    def test_a_repeated_confirmation_does_no_harm(self, revocation: Revocation) -> None:
        assert revocation.confirm("ana", "s1")
        assert revocation.confirm("ana", "s1")


class TestRevocationOnRedis:
    def test_a_check_is_one_round_trip(
        self, client: redis.Redis, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        revocation = Revocation(client, auth_settings())
        revocation.confirm("ana", "s1")
        revocation.check("ana", "s1", DEFAULT)  # loads the script
        trips = RoundTrips(client, monkeypatch)

        revocation.check("ana", "s1", DEFAULT)
        assert trips.count == 1
        revocation.stands("ana", "s1")
        assert trips.count == 2

    def test_survives_a_server_that_lost_its_scripts(self, client: redis.Redis) -> None:
        revocation = Revocation(client, auth_settings())
        revocation.confirm("ana", "s1")
        client.script_flush()

        assert revocation.check("ana", "s1", DEFAULT).stands is True

    def test_keys_of_a_user_are_on_one_slot(self, client: redis.Redis) -> None:
        revocation = Revocation(client, auth_settings())
        revocation.confirm("ana", "s1")
        revocation.check("ana", "s1", DEFAULT)

        assert sorted(client.keys()) == [
            "rate:{ana}:default:session:s1",
            "rate:{ana}:default:user:",
            "session:{ana}:s1",
        ]

    def test_a_tombstone_outlives_every_token_and_everything_expires(
        self, client: redis.Redis
    ) -> None:
        revocation = Revocation(client, auth_settings(access_token_seconds=900))
        revocation.confirm("ana", "s1")
        revocation.check("ana", "s1", DEFAULT)
        revoke(revocation, "ana", ["s2"])

        assert 0 < client.ttl("session:{ana}:s1") <= 900
        assert 900 < client.ttl("session:{ana}:s2") <= 960
        assert client.pttl("rate:{ana}:default:session:s1") != -1  # for ever

    def test_no_server_no_entry(self) -> None:
        revocation = Revocation(connect("redis://127.0.0.1:1"), auth_settings())

        with pytest.raises(Unavailable):
            revocation.check("ana", "s1", DEFAULT)
        for ask in (revocation.stands, revocation.confirm):
            with pytest.raises(Unavailable):
                ask("ana", "s1")
        with pytest.raises(Unavailable):
            revocation.unfinished([("ana", "s1")])


class TestRateLimit:
    def limited(self, client: redis.Redis, per_second: float, burst: int) -> Revocation:
        wide = (100_000, 1)
        session = (burst, round(burst / per_second))
        given = auth_settings(rate_limits={"default": {"user": wide, "session": session}})
        return Revocation(client, given)

    def test_a_burst_passes_and_no_more(self, client: redis.Redis) -> None:
        revocation = self.limited(client, 0.001, 5)
        for _ in range(5):
            revocation.check("ana", "s1", DEFAULT)

        with pytest.raises(RateLimited) as raised:
            revocation.check("ana", "s1", DEFAULT)
        assert 990 <= raised.value.details["retry_after"] <= 1000

    def test_each_session_has_its_own(self, client: redis.Redis) -> None:
        revocation = self.limited(client, 0.001, 1)
        revocation.check("ana", "s1", DEFAULT)

        assert revocation.check("ana", "s2", DEFAULT).stands is None
        assert revocation.check("bo", "s1", DEFAULT).stands is None

    def test_refused_requests_take_no_tokens(self, client: redis.Redis) -> None:
        revocation = self.limited(client, 0.001, 1)
        revocation.check("ana", "s1", DEFAULT)
        waits = []
        for _ in range(20):
            with pytest.raises(RateLimited) as raised:
                revocation.check("ana", "s1", DEFAULT)
            waits.append(raised.value.details["retry_after"])

        assert max(waits) <= 1000

    def test_fills_again_with_time(self, client: redis.Redis) -> None:
        revocation = self.limited(client, 20, 20)
        for _ in range(20):
            revocation.check("ana", "s1", DEFAULT)

        deadline = time.monotonic() + 5
        admitted = 0
        while admitted < 3 and time.monotonic() < deadline:
            try:
                revocation.check("ana", "s1", DEFAULT)
                admitted += 1
            except RateLimited:
                time.sleep(0.01)

        assert admitted == 3

    def test_a_revoked_session_over_its_limit_is_refused_as_revoked(
        self, client: redis.Redis
    ) -> None:
        revocation = self.limited(client, 0.001, 1)
        revocation.check("ana", "s1", DEFAULT)
        revoke(revocation, "ana", ["s1"])

        assert revocation.check("ana", "s1", DEFAULT).stands is False

    def test_ten_thousand_requests_at_once_get_a_burst_through(self, client: redis.Redis) -> None:
        revocation = self.limited(client, 0.001, 100)

        def hammer(_: int) -> int:
            passed = 0
            for _ in range(1250):
                try:
                    revocation.check("ana", "s1", DEFAULT)
                    passed += 1
                except RateLimited:
                    pass
            return passed

        with ThreadPoolExecutor(8) as pool:
            assert sum(pool.map(hammer, range(8))) == 100


class TestClassesOfLimits:
    def revocation(self, client: redis.Redis, **send: tuple[int, int]) -> Revocation:
        return Revocation(client, auth_settings(rate_limits={"send": send}))

    def admitted(
        self, revocation: Revocation, count: int, user: str, session: str, use: Use
    ) -> int:
        """How many of `count` requests pass."""
        passed = 0
        for _ in range(count):
            with suppress(RateLimited):
                revocation.check(user, session, use)
                passed += 1
        return passed

    def test_sessions_of_a_user_share_theirs(self, client: redis.Redis) -> None:
        revocation = self.revocation(client, user=(5, 900))
        use = Use(limit="send")

        assert self.admitted(revocation, 4, "ana", "s1", use) == 4
        assert self.admitted(revocation, 4, "ana", "s2", use) == 1
        assert self.admitted(revocation, 4, "bo", "s1", use) == 4

    def test_classes_do_not_share_any(self, client: redis.Redis) -> None:
        revocation = self.revocation(client, user=(1, 900))

        assert self.admitted(revocation, 3, "ana", "s1", Use(limit="send")) == 1
        assert self.admitted(revocation, 3, "ana", "s1", DEFAULT) == 3

    def test_each_sender_has_its_own_bucket_for_a_target(self, client: redis.Redis) -> None:
        """A stranger who knows of a chat must not use up what its members need."""
        revocation = self.revocation(client, target=(2, 900))

        def to(chat: str) -> Use:
            return Use(limit="send", target=chat)

        assert self.admitted(revocation, 4, "eve", "s1", to("c1")) == 2
        assert self.admitted(revocation, 4, "eve", "s1", to("c2")) == 2
        assert self.admitted(revocation, 2, "ana", "s1", to("c1")) == 2

    def test_a_program_takes_nothing_from_its_users_buckets(self, client: redis.Redis) -> None:
        """Also by what it may not do: its scopes are looked at when it has been counted."""
        revocation = self.revocation(client, user=(2, 900), target=(1, 900))
        use = Use(limit="send", target="c1")
        for grant in ("g1", "g2"):
            with suppress(RateLimited):
                revocation.check("ana", grant, use, "board")

        with pytest.raises(RateLimited):
            revocation.check("ana", "g3", use, "board")
        revocation.check("ana", "g4", use, "clock")
        revocation.check("ana", "s1", use)

    def test_a_refusal_by_one_bucket_takes_nothing_from_the_others(
        self, client: redis.Redis
    ) -> None:
        revocation = self.revocation(client, target=(1, 900), user=(3, 900))
        full = Use(limit="send", target="c1")

        assert self.admitted(revocation, 10, "ana", "s1", full) == 1
        assert self.admitted(revocation, 3, "ana", "s1", Use(limit="send", target="c2")) == 1
        assert self.admitted(revocation, 3, "ana", "s1", Use(limit="send", target="c3")) == 1

    def test_an_answer_says_what_is_left(self, client: redis.Redis) -> None:
        revocation = self.revocation(client, user=(5, 900), session=(9, 90), target=(2, 20))
        revocation.check("ana", "s1", Use(limit="send"))

        admission = revocation.check("ana", "s1", Use(limit="send", target="c1"))

        found = [(one.name, one.remaining, one.more_in) for one in admission.quotas]
        assert found == [("send-user", 3, 180), ("send-session", 7, 10), ("send-target", 1, 10)]

    def test_a_check_with_limits_is_one_round_trip(
        self, client: redis.Redis, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        revocation = Revocation(client, auth_settings())
        use = Use(limit="send", address="192.0.2.1", target="c1")
        revocation.check("ana", "s1", use)
        trips = RoundTrips(client, monkeypatch)

        revocation.check("ana", "s1", use)

        assert trips.count == 1

    def test_no_script_touches_two_slots(
        self, client: redis.Redis, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        revocation = Revocation(client, auth_settings())
        slots = Slots(revocation._scripts, monkeypatch)

        revocation.check("ana", "s1", Use(limit="send", target="c1"))

        assert [len(one) for one in slots.of_each] == [1]

    def test_targets_are_kept_as_digests_and_everything_expires(self, client: redis.Redis) -> None:
        revocation = Revocation(client, auth_settings())
        revocation.check("ana", "s1", Use(limit="send", address="192.0.2.1", target="c1"))

        keys = list(map(str, client.scan_iter()))
        assert len(keys) == 3
        assert not [key for key in keys if key.endswith("c1")]
        assert all(client.pttl(key) != -1 for key in keys)  # for ever


class Sockets(FakeSockets):
    """None is open."""

    def __init__(self, client: redis.Redis) -> None:
        super().__init__()
        self._scripts = Scripts(client)

    def end_sessions(
        self,
        user_id: str,
        session_ids: Collection[str],
        tombstones: Sequence[Call],
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
