"""Socket tickets and throttles: Redis, and the stand-ins for it, held to the same."""

import hashlib
import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
import redis

from chalicelib.auth.sessions.tickets import Tickets
from chalicelib.drivers.redis import connect
from chalicelib.errors import RateLimited, Unavailable
from chalicelib.identity import Identity
from chalicelib.limits.guesses import KNOWN_DEVICES, Throttle
from tests.contract.accounts import RoundTrips, Slots, wrong, wrong_login
from tests.unit.auth.fakes import FakeThrottle, FakeTickets, auth_settings
from tests.unit.settings import rates


def tried(throttle: Throttle, login: str, address: str, key: str | None = None) -> None:
    """An attempt at a password that was let through by name and address, and is counted."""
    wrong_login(throttle, throttle.login(login, address, key), f"id of {login}")


def signed_in(throttle: Throttle, login: str, address: str, key: str | None = None) -> None:
    with throttle.account(throttle.login(login, address, key), f"id of {login}"):
        pass
    if key:
        throttle.recognise([login], f"id of {login}", key)


class TestTickets:
    ANA = Identity(user_id="ana", session_id="s1", scopes=frozenset({"chats.read"}))

    @pytest.fixture(params=["fake", "redis"])
    def tickets(self, request: pytest.FixtureRequest) -> Tickets:
        if request.param == "fake":
            return FakeTickets()
        return Tickets(request.getfixturevalue("client"), auth_settings())

    @pytest.mark.parametrize("who", [ANA, replace(ANA, client_id="board")])
    def test_work_once_and_name_the_client(self, tickets: Tickets, who: Identity) -> None:
        ticket = tickets.issue(who)

        assert tickets.redeem(ticket) == who
        assert tickets.redeem(ticket) is None

    def test_of_an_earlier_version_are_refused(self, client: redis.Redis) -> None:
        digest = hashlib.sha256(b"old").hexdigest()
        client.set(f"ticket:{digest}", json.dumps(["ana", "s1", ["chats.read"]]))

        assert Tickets(client, auth_settings()).redeem("old") is None

    @pytest.mark.parametrize("ticket", ["", "nope", "*", "\ud800", "x" * 100_000])
    def test_unknown_tickets_are_refused(self, tickets: Tickets, ticket: str) -> None:
        assert tickets.redeem(ticket) is None

    def test_only_one_of_many_redeems(self, client: redis.Redis) -> None:
        tickets = Tickets(client, auth_settings())
        ticket = tickets.issue(self.ANA)

        with ThreadPoolExecutor(8) as pool:
            results = list(pool.map(lambda _: tickets.redeem(ticket), range(16)))

        assert sum(result is not None for result in results) == 1

    def test_end_by_themselves(self, client: redis.Redis) -> None:
        tickets = Tickets(client, auth_settings(socket_ticket_seconds=40))
        ticket = tickets.issue(self.ANA)
        (key,) = client.keys()
        assert ticket not in key
        assert 0 < client.pttl(key) <= 40_000
        client.pexpire(key, 1)
        time.sleep(0.05)

        assert tickets.redeem(ticket) is None

    def test_without_redis_there_are_no_tickets(self) -> None:
        tickets = Tickets(connect("redis://127.0.0.1:1"), auth_settings())

        with pytest.raises(Unavailable):
            tickets.issue(self.ANA)
        with pytest.raises(Unavailable):
            tickets.redeem("x")


class TestThrottle:
    GIVEN = auth_settings(
        rate_limits=rates(
            {
                "login.address": 4,
                "login.target": 3,
                "login-here.target": 2,
                "login-device.target": 2,
                "password.user": 2,
                "confirm.user": 5,
                "token.user": 2,
                "guess.address": 2,
                "code.user": 2,
                "register.address": 2,
                "refresh.session": 2,
                "refresh.address": 2,
                "reset.address": 2,
                "reset.target": 2,
            }
        )
    )

    @pytest.fixture(params=["fake", "redis"])
    def throttle(self, request: pytest.FixtureRequest) -> Throttle:
        if request.param == "fake":
            return FakeThrottle(self.GIVEN)
        return Throttle(request.getfixturevalue("client"), self.GIVEN.limits)

    def test_limits_logins_by_what_was_typed(self, throttle: Throttle) -> None:
        for n in range(3):
            tried(throttle, "ana", f"192.0.2.{n}")

        with pytest.raises(RateLimited) as raised:
            tried(throttle, "ana", "192.0.2.9")
        assert 200 <= raised.value.details["retry_after"] <= 900
        tried(throttle, "bo", "192.0.2.9")

    def test_limits_logins_by_name_and_address_first(self, throttle: Throttle) -> None:
        for _ in range(2):
            tried(throttle, "ana", "192.0.2.1")

        with pytest.raises(RateLimited):
            tried(throttle, "ana", "192.0.2.1")
        tried(throttle, "ana", "192.0.2.2")

    def test_limits_logins_by_account_without_revealing_it(self, throttle: Throttle) -> None:
        def allowed(user_id: str | None) -> list[bool]:
            attempts = [throttle.login(f"name{n}", f"192.0.2.{n}") for n in range(5)]
            return [wrong_login(throttle, one, user_id) for one in attempts]

        assert allowed("id of ana") == [True, True, True, False, False]
        assert allowed("id of bo") == [True, True, True, False, False]

    def test_limits_unknown_logins_by_what_was_typed(self, throttle: Throttle) -> None:
        attempts = [throttle.login("nobody", f"192.0.2.{n}") for n in range(5)]

        assert wrong_login(throttle, attempts[0], None)
        assert wrong_login(throttle, attempts[1], None)

    def test_a_known_device_has_its_own_bucket(self, throttle: Throttle) -> None:
        signed_in(throttle, "ana", "192.0.2.1", "key")
        for n in range(9):
            with suppress(RateLimited):
                tried(throttle, "ana", f"192.0.2.{n}")

        for _ in range(10):
            attempt = throttle.login("ana", "192.0.2.1", "key")
            with throttle.account(attempt, "id of ana") as allowed:
                assert allowed
        for _ in range(2):
            tried(throttle, "ana", "192.0.2.1", "key")
        with pytest.raises(RateLimited):
            tried(throttle, "ana", "192.0.2.1", "key")

    def test_a_device_is_known_after_a_sign_in_not_after_a_right_password(
        self, throttle: Throttle
    ) -> None:
        attempt = throttle.login("ana", "192.0.2.1", "key")
        with throttle.account(attempt, "id of ana"):
            pass
        assert not throttle.knows("id of ana", "key")

        throttle.recognise(["ana"], "id of ana", "key")

        assert throttle.knows("id of ana", "key")
        assert not any(throttle.knows("id of ana", other) for other in ("another", "", None))
        assert not throttle.knows("id of bo", "key")

    def test_a_known_device_ignores_the_address_limit(self, throttle: Throttle) -> None:
        throttle.recognise(["ana"], "id of ana", "key")
        for n in range(4):
            tried(throttle, f"user{n}", "192.0.2.1")
        with pytest.raises(RateLimited):
            tried(throttle, "user5", "192.0.2.1")

        tried(throttle, "ana", "192.0.2.1", "key")

    def test_an_unknown_device_shares_the_buckets_of_strangers(self, throttle: Throttle) -> None:
        throttle.recognise(["bo"], "id of bo", "key")
        for key in ("key", "other"):
            tried(throttle, "ana", "192.0.2.1", key)

        for unknown in ("key", "other", "third", None):
            with pytest.raises(RateLimited):
                tried(throttle, "ana", "192.0.2.1", unknown)

    def test_a_success_of_the_owner_gives_strangers_no_tokens(self, throttle: Throttle) -> None:
        throttle.recognise(["ana"], "id of ana", "key")
        for login in ("ana", "ana", "bo", "cy"):
            tried(throttle, login, "192.0.2.1")
        signed_in(throttle, "ana", "192.0.2.1", "key")

        for login in ("ana", "eve"):
            with pytest.raises(RateLimited):
                tried(throttle, login, "192.0.2.1")

    def test_a_forgotten_account_has_no_known_devices(self, throttle: Throttle) -> None:
        throttle.recognise(["ana"], "id of ana", "key")
        for _ in range(2):
            tried(throttle, "ana", "192.0.2.1")

        throttle.forget("id of ana", ["ana"])

        with pytest.raises(RateLimited):
            tried(throttle, "ana", "192.0.2.1", "key")

    def test_a_reset_by_the_owner_forgets_earlier_attempts(self, throttle: Throttle) -> None:
        for n in (1, 1, 2):
            tried(throttle, "ana", f"192.0.2.{n}")
        for _ in range(2):
            wrong(throttle.password, "id of ana")
            wrong(throttle.code, "id of ana")
            throttle.signed_in("id of ana")

        throttle.forgive("id of ana", ["ana"], "192.0.2.1")

        assert wrong_login(throttle, throttle.login("ana", "192.0.2.1"), "id of ana")
        wrong(throttle.password, "id of ana")
        wrong(throttle.code, "id of ana")
        throttle.signed_in("id of ana")

    def test_limits_logins_by_address(self, throttle: Throttle) -> None:
        for n in range(4):
            tried(throttle, f"user{n}", "192.0.2.1")

        with pytest.raises(RateLimited):
            tried(throttle, "ana", "192.0.2.1")
        tried(throttle, "ana", "192.0.2.2")

    def test_all_of_an_ipv6_network_is_one_address(self, throttle: Throttle) -> None:
        for n in range(4):
            tried(throttle, f"user{n}", f"2001:db8:0:1::{n}")

        with pytest.raises(RateLimited):
            tried(throttle, "ana", "2001:db8:0:1:ffff::1")
        tried(throttle, "ana", "2001:db8:0:2::1")

    def test_a_success_resets_the_account_and_returns_its_own_token(
        self, throttle: Throttle
    ) -> None:
        for _ in range(10):
            signed_in(throttle, "ana", "192.0.2.1")

    def test_a_success_does_not_reset_the_address(self, throttle: Throttle) -> None:
        for n in range(3):
            tried(throttle, f"user{n}", "192.0.2.1")
        signed_in(throttle, "user3", "192.0.2.1")
        tried(throttle, "ana", "192.0.2.1")

        with pytest.raises(RateLimited):
            tried(throttle, "ana", "192.0.2.1")

    def test_limits_successes_by_account_for_every_name_and_device(self) -> None:
        throttle = FakeThrottle(auth_settings(rate_limits=rates({"sign-in.user": 3})))
        signed_in(throttle, "ana", "192.0.2.1", "key")
        signed_in(throttle, "ana", "192.0.2.2")
        throttle.signed_in("id of ana")

        for key in ("key", None):
            with pytest.raises(RateLimited):
                tried(throttle, "ana", "192.0.2.3", key)
        with pytest.raises(RateLimited):
            throttle.signed_in("id of ana")
        signed_in(throttle, "bo", "192.0.2.1")

    def test_failures_and_successes_have_separate_buckets(self, throttle: Throttle) -> None:
        throttle.signed_in("id of ana")
        for n in range(9):
            with suppress(RateLimited):
                tried(throttle, "ana", f"192.0.2.{n}")

        throttle.signed_in("id of ana")

    def test_limits_right_passwords_of_signed_in_users_too(self, throttle: Throttle) -> None:
        for _ in range(5):
            with throttle.password("ana"):
                pass

        with pytest.raises(RateLimited):
            wrong(throttle.password, "ana")

    def test_limits_programs_and_guesses_at_their_secrets(self, throttle: Throttle) -> None:
        for _ in range(2):
            throttle.program("p1")
            throttle.program_guess("192.0.2.1")

        with pytest.raises(RateLimited):
            throttle.program("p1")
        with pytest.raises(RateLimited):
            throttle.program_guess("192.0.2.1")
        throttle.program("p2")
        throttle.program_guess("192.0.2.2")

    def test_limits_passwords_by_user_until_one_is_right(self, throttle: Throttle) -> None:
        with throttle.password("ana"):
            pass
        for _ in range(2):
            wrong(throttle.password, "ana")

        with pytest.raises(RateLimited):
            wrong(throttle.password, "ana")
        wrong(throttle.password, "bo")

    def test_limits_registrations_resets_mails_and_refreshes(self, throttle: Throttle) -> None:
        calls: list[tuple[Callable[[str], None], str, str]] = [
            (throttle.registration, "192.0.2.1", "192.0.2.2"),
            (throttle.reset, "192.0.2.1", "192.0.2.2"),
            (partial(throttle.mail, "reset"), "ana@example.org", "bo@example.org"),
            (partial(throttle.mail, "verify"), "ana@example.org", "bo@example.org"),
            (throttle.refresh, "s1", "s2"),
            (partial(wrong, throttle.refresh_from), "192.0.2.1", "192.0.2.2"),
        ]
        for count, one, other in calls:
            for _ in range(2):
                count(one)
            with pytest.raises(RateLimited):
                count(one)
            count(other)

    def test_limits_resets_by_address_and_mails_by_kind_and_mailbox(
        self, throttle: Throttle
    ) -> None:
        for _ in range(2):
            throttle.reset("192.0.2.1")
            throttle.mail("reset", "ana@example.org")

        with pytest.raises(RateLimited):
            throttle.reset("192.0.2.1")
        with pytest.raises(RateLimited):
            throttle.mail("reset", "ana@example.org")
        throttle.reset("192.0.2.2")
        throttle.mail("signed_in", "ana@example.org")
        throttle.mail("reset", "bo@example.org")

    def test_limits_codes_by_user_until_one_is_right(self, throttle: Throttle) -> None:
        with throttle.code("ana"):
            pass
        for _ in range(2):
            wrong(throttle.code, "ana")

        with pytest.raises(RateLimited):
            wrong(throttle.code, "ana")
        wrong(throttle.code, "bo")

    def test_returns_the_token_of_a_refresh_that_was_not_a_guess(self, throttle: Throttle) -> None:
        for _ in range(10):
            with throttle.refresh_from("192.0.2.1"):
                pass

        for _ in range(2):
            wrong(throttle.refresh_from, "2001:db8::1")
        with pytest.raises(RateLimited):
            wrong(throttle.refresh_from, "2001:db8::2")


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
