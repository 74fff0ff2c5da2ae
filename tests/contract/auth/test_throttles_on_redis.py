"""What only a real Redis shows of throttles: races, keys, scripts and round trips."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import redis

from chalicelib.drivers.redis import connect
from chalicelib.errors import RateLimited, Unavailable
from chalicelib.limits.guesses import KNOWN_DEVICES, Throttle
from tests.contract.accounts import RoundTrips, Slots
from tests.contract.auth.trying import signed_in, tried
from tests.unit.auth.fakes import auth_settings
from tests.unit.settings import rates


class TestThrottleOnRedis:
    def test_counts_guesses_that_come_at_once(self, client: redis.Redis) -> None:
        throttle = Throttle(
            client, auth_settings(rate_limits=rates({"login-here.target": 5})).limits
        )

        def guess(_: int) -> bool:
            try:
                tried(throttle, "ana", "192.0.2.1")
            except RateLimited:
                return False
            return True

        with ThreadPoolExecutor(8) as pool:
            assert sum(pool.map(guess, range(40))) == 5

    def test_stores_digests_that_expire(self, client: redis.Redis) -> None:
        throttle = Throttle(client, auth_settings().limits)
        tried(throttle, "ana@example.org", "192.0.2.1", "key of ana")
        signed_in(throttle, "ana@example.org", "192.0.2.1", "key of ana")

        keys: list[Any] = client.keys()
        devices = [key for key in keys if key.startswith("devices:")]
        assert len(devices) == 2
        assert all(0 < client.ttl(key) <= 900 for key in set(keys) - set(devices))
        assert all(client.ttl(key) > 900 for key in devices)
        marks = [str(client.zrange(key, 0, -1)) for key in devices]
        names = " ".join([*keys, *marks])
        assert not [word for word in ("ana", "192", "key of") if word in names]

    def test_returns_the_token_of_one_attempt_only(self, client: redis.Redis) -> None:
        throttle = Throttle(
            client, auth_settings(rate_limits=rates({"login-here.target": 3})).limits
        )
        for _ in range(2):
            tried(throttle, "ana", "192.0.2.1")
        signed_in(throttle, "ana", "192.0.2.1")

        tried(throttle, "ana", "192.0.2.1")
        with pytest.raises(RateLimited):
            tried(throttle, "ana", "192.0.2.1")

    def test_a_raised_limit_counts_at_once_for_limited_callers(self, client: redis.Redis) -> None:
        hour, second = [
            Throttle(
                client, auth_settings(rate_limits=rates({"register.address": 2}, seconds)).limits
            )
            for seconds in (3600, 1)
        ]
        for _ in range(2):
            hour.registration("192.0.2.1")

        with pytest.raises(RateLimited):
            hour.registration("192.0.2.1")
        second.registration("192.0.2.1")  # what it holds cannot be, by the new limit
        with pytest.raises(RateLimited) as raised:
            second.registration("192.0.2.1")

        assert raised.value.details["retry_after"] == 1

    def test_knows_the_devices_used_last(self, client: redis.Redis) -> None:
        throttle = Throttle(client, auth_settings().limits)
        for n in range(KNOWN_DEVICES + 5):
            throttle.recognise(["ana"], "id of ana", f"key {n}")

        found = [client.zcard(key) for key in client.keys("devices:*")]
        assert found == [KNOWN_DEVICES, KNOWN_DEVICES]

    def test_no_script_touches_two_slots(
        self, client: redis.Redis, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        throttle = Throttle(client, auth_settings().limits)
        slots = Slots(throttle._scripts, monkeypatch)

        signed_in(throttle, "ana", "192.0.2.1", "key")

        assert [len(one) for one in slots.of_each] == [1] * len(slots.of_each)

    def test_a_success_after_the_window_leaves_no_key_without_expiry(
        self, client: redis.Redis
    ) -> None:
        throttle = Throttle(client, auth_settings().limits)
        with throttle.account(throttle.login("ana", "192.0.2.1"), "id of ana"):
            client.flushdb()

        (key,) = client.keys()
        assert 0 < client.ttl(key) <= 900

    def test_an_attempt_is_three_round_trips(
        self, client: redis.Redis, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """To look, as a login; to look, as an account; to count."""
        throttle = Throttle(client, auth_settings().limits)
        signed_in(throttle, "ana", "192.0.2.1", "key")
        trips = RoundTrips(client, monkeypatch)

        tried(throttle, "ana", "192.0.2.1", "key")

        assert trips.count == 3

    def test_without_redis_nobody_can_log_in(self) -> None:
        throttle = Throttle(connect("redis://127.0.0.1:1"), auth_settings().limits)

        with pytest.raises(Unavailable):
            tried(throttle, "ana", "192.0.2.1")
