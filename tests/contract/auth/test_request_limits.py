"""Limits of requests, which the check of a session takes from, on Redis."""

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
import redis

from chalicelib.auth.sessions.revocation import Revocation
from chalicelib.errors import RateLimited
from chalicelib.limits.table import Use
from tests.contract.accounts import RoundTrips, Slots
from tests.contract.auth.revoking import DEFAULT, revoke
from tests.unit.auth.fakes import (
    auth_settings,
)


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
