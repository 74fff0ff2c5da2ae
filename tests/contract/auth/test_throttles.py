"""Throttles: Redis, and the stand-in for it, held to the same."""

from collections.abc import Callable
from contextlib import suppress
from functools import partial

import pytest

from chalicelib.errors import RateLimited
from chalicelib.limits.guesses import Throttle
from tests.contract.accounts import wrong, wrong_login
from tests.contract.auth.trying import signed_in, tried
from tests.unit.auth.fakes import FakeThrottle, auth_settings
from tests.unit.settings import rates


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
