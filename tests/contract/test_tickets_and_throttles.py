"""Socket tickets and throttles: Redis, and the stand-ins for it, held to the same."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import redis

from chalicelib.auth.models import Identity
from chalicelib.auth.throttle import Throttle
from chalicelib.auth.tickets import Tickets
from chalicelib.errors import RateLimited, Unavailable
from chalicelib.redis import connect
from tests.contract.accounts import RoundTrips
from tests.unit.auth.fakes import FakeThrottle, FakeTickets, auth_settings


@pytest.fixture
def client(redis_url: str) -> Iterator[redis.Redis]:
    client = connect(redis_url)
    client.flushdb()
    yield client
    client.close()


class TestTickets:
    ANA = Identity(user_id="ana", session_id="s1", scopes=frozenset({"chats.read"}))

    @pytest.fixture(params=["fake", "redis"])
    def tickets(self, request: pytest.FixtureRequest) -> Tickets:
        if request.param == "fake":
            return FakeTickets()
        return Tickets(request.getfixturevalue("client"), auth_settings())

    def test_are_good_once(self, tickets: Tickets) -> None:
        ticket = tickets.issue(self.ANA)

        assert tickets.redeem(ticket) == self.ANA
        assert tickets.redeem(ticket) is None

    @pytest.mark.parametrize("ticket", ["", "nope", "*", "\ud800", "x" * 100_000])
    def test_unknown_ones_are_nobodys(self, tickets: Tickets, ticket: str) -> None:
        assert tickets.redeem(ticket) is None

    def test_only_one_of_many_redeems(self, client: redis.Redis) -> None:
        tickets = Tickets(client, auth_settings())
        ticket = tickets.issue(self.ANA)

        with ThreadPoolExecutor(8) as pool:
            results = list(pool.map(lambda _: tickets.redeem(ticket), range(16)))

        assert sum(result is not None for result in results) == 1

    def test_end_by_themselves(self, client: redis.Redis) -> None:
        tickets = Tickets(client, auth_settings(socket_ticket_seconds=1))
        ticket = tickets.issue(self.ANA)
        (key,) = client.keys()
        assert ticket not in key
        assert 0 < client.pttl(key) <= 1000
        client.pexpire(key, 1)
        time.sleep(0.05)

        assert tickets.redeem(ticket) is None

    def test_no_server_no_ticket(self) -> None:
        tickets = Tickets(connect("redis://127.0.0.1:1"), auth_settings())

        with pytest.raises(Unavailable):
            tickets.issue(self.ANA)
        with pytest.raises(Unavailable):
            tickets.redeem("x")


class TestThrottle:
    GIVEN = auth_settings(
        failed_logins_per_account=2,
        failed_logins_per_address=4,
        registrations_per_address=2,
        refreshes_per_session=2,
        failed_refreshes_per_address=2,
        failed_codes_per_account=2,
        resets_per_address=2,
        mails_per_recipient=2,
        throttle_window_seconds=100,
    )

    @pytest.fixture(params=["fake", "redis"])
    def throttle(self, request: pytest.FixtureRequest) -> Throttle:
        if request.param == "fake":
            return FakeThrottle(self.GIVEN)
        return Throttle(request.getfixturevalue("client"), self.GIVEN)

    def test_limits_logins_by_what_was_typed(self, throttle: Throttle) -> None:
        for n in range(2):
            throttle.login("ana", f"192.0.2.{n}")

        with pytest.raises(RateLimited) as raised:
            throttle.login("ana", "192.0.2.9")
        assert 90 <= raised.value.details["retry_after"] <= 100
        throttle.login("bo", "192.0.2.9")

    def test_limits_logins_by_account_without_a_word(self, throttle: Throttle) -> None:
        assert [throttle.account("id of ana") for _ in range(4)] == [True, True, False, False]
        assert throttle.account("id of bo")

        throttle.login("ana", "192.0.2.1")
        throttle.logged_in("ana", "id of ana", "192.0.2.1")

        assert throttle.account("id of ana")

    def test_limits_logins_by_address(self, throttle: Throttle) -> None:
        for n in range(4):
            throttle.login(f"user{n}", "192.0.2.1")

        with pytest.raises(RateLimited):
            throttle.login("ana", "192.0.2.1")
        throttle.login("ana", "192.0.2.2")

    def test_all_of_an_ipv6_network_is_one_address(self, throttle: Throttle) -> None:
        for n in range(4):
            throttle.login(f"user{n}", f"2001:db8:0:1::{n}")

        with pytest.raises(RateLimited):
            throttle.login("ana", "2001:db8:0:1:ffff::1")
        throttle.login("ana", "2001:db8:0:2::1")

    def test_a_success_forgives_the_account_and_its_own_attempt(self, throttle: Throttle) -> None:
        for _ in range(10):
            throttle.login("ana", "192.0.2.1")
            throttle.logged_in("ana", "id of ana", "192.0.2.1")

    def test_but_not_the_address(self, throttle: Throttle) -> None:
        for n in range(4):
            throttle.login(f"user{n}", "192.0.2.1")
            if n == 3:
                throttle.logged_in(f"user{n}", "id", "192.0.2.1")
        throttle.login("ana", "192.0.2.1")

        with pytest.raises(RateLimited):
            throttle.login("ana", "192.0.2.1")

    def test_limits_passwords_by_user_until_one_is_right(self, throttle: Throttle) -> None:
        throttle.password("ana")
        throttle.password_right("ana")
        for _ in range(2):
            throttle.password("ana")

        with pytest.raises(RateLimited):
            throttle.password("ana")
        throttle.password("bo")

    def test_limits_registrations_and_refreshes(self, throttle: Throttle) -> None:
        calls: list[tuple[Callable[[str], None], str, str]] = [
            (throttle.registration, "192.0.2.1", "192.0.2.2"),
            (throttle.refresh, "s1", "s2"),
            (throttle.refresh_from, "192.0.2.1", "192.0.2.2"),
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
        throttle.code("ana")
        throttle.code_right("ana")
        for _ in range(2):
            throttle.code("ana")

        with pytest.raises(RateLimited):
            throttle.code("ana")
        throttle.code("bo")

    def test_forgives_all_attempts_at_an_account(self, throttle: Throttle) -> None:
        for _ in range(2):
            throttle.login("ana", "192.0.2.1")
            throttle.account("id of ana")
            throttle.password("id of ana")
            throttle.code("id of ana")

        throttle.forgive("id of ana", ["ana", "ana@example.org"])

        throttle.login("ana", "192.0.2.1")
        assert throttle.account("id of ana")
        throttle.password("id of ana")
        throttle.code("id of ana")

    def test_takes_back_a_refresh_that_was_no_guess(self, throttle: Throttle) -> None:
        for _ in range(10):
            throttle.refresh_from("192.0.2.1")
            throttle.refreshed_from("192.0.2.1")

        for _ in range(2):
            throttle.refresh_from("2001:db8::1")
        with pytest.raises(RateLimited):
            throttle.refresh_from("2001:db8::2")


class TestThrottleOnRedis:
    def test_counts_guesses_that_come_at_once(self, client: redis.Redis) -> None:
        throttle = Throttle(client, auth_settings(failed_logins_per_account=5))

        def guess(_: int) -> bool:
            try:
                throttle.login("ana", "192.0.2.1")
            except RateLimited:
                return False
            return True

        with ThreadPoolExecutor(8) as pool:
            assert sum(pool.map(guess, range(40))) == 5

    def test_forgets_with_its_window_and_names_nobody(self, client: redis.Redis) -> None:
        throttle = Throttle(client, auth_settings(throttle_window_seconds=100))
        throttle.login("ana@example.org", "192.0.2.1")
        throttle.logged_in("ana@example.org", "id of ana", "192.0.2.1")
        throttle.login("ana@example.org", "192.0.2.1")

        keys = client.keys()
        assert len(keys) == 2
        assert all(0 < client.ttl(key) <= 100 for key in keys)
        assert not [key for key in keys if "ana" in key or "192" in key]

    def test_a_success_after_the_window_leaves_no_counter_without_end(
        self, client: redis.Redis
    ) -> None:
        throttle = Throttle(client, auth_settings())
        throttle.login("ana", "192.0.2.1")
        client.flushdb()
        throttle.logged_in("ana", "id of ana", "192.0.2.1")

        assert client.keys() == []

    def test_counting_both_is_one_round_trip(
        self, client: redis.Redis, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        throttle = Throttle(client, auth_settings())
        throttle.login("ana", "192.0.2.1")
        trips = RoundTrips(client, monkeypatch)

        throttle.login("ana", "192.0.2.1")

        assert trips.count == 1

    def test_no_server_no_login(self) -> None:
        throttle = Throttle(connect("redis://127.0.0.1:1"), auth_settings())

        with pytest.raises(Unavailable):
            throttle.login("ana", "192.0.2.1")
