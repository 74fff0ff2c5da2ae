"""Signing in with a second factor, through the local cloud."""

from typing import Any

import pyotp
import pytest

from tests.client import PASSWORD, Answer, User, next_code
from tests.e2e.conftest import People, Run

NEW = "another horse battery 43"
ROUTE = "/v1/auth/second-factor"


async def protect(user: User) -> tuple[pyotp.TOTP, list[str]]:
    """Set a second factor up: the app, and the recovery codes."""
    enrolment = await user.ok(f"POST {ROUTE}", {"password": PASSWORD})
    app = pyotp.TOTP(enrolment["secret"])
    made = await user.ok(f"POST {ROUTE}/confirm", {"code": app.now()})
    return app, made["recovery_codes"]


async def login(people: People, name: str, password: str = PASSWORD, **more: Any) -> Answer:
    body = {"login": name, "password": password, **more}
    return await people.anonymous.call("POST /v1/auth/login", body)


def test_a_password_alone_does_not_sign_in_and_a_code_does_once(run: Run) -> None:
    async def scenario(people: People) -> None:
        ana = await people.new("ana")
        app, _ = await protect(ana)
        refused = await login(people, ana.username)
        assert (refused.status, refused.code) == (401, "second_factor_required")
        assert "access_token" not in refused.body

        code = next_code(app)
        assert (await login(people, ana.username, second_factor=code)).status == 200

        again = await login(people, ana.username, second_factor=code)
        assert (again.status, again.code) == (401, "second_factor_invalid")

    run(scenario)


def test_a_recovery_code_takes_the_place_of_the_app_once(run: Run) -> None:
    async def scenario(people: People) -> None:
        ana = await people.new("ana")
        _, codes = await protect(ana)

        answers = [await login(people, ana.username, second_factor=codes[0]) for _ in range(2)]

        assert [answer.status for answer in answers] == [200, 401]
        assert await ana.ok(f"GET {ROUTE}") == {"enabled": True, "recovery_codes_left": 9}

    run(scenario)


def test_a_password_reset_still_asks_for_the_second_factor(run: Run) -> None:
    async def scenario(people: People) -> None:
        ana = await people.new("ana")
        (link,) = await people.mailed(ana)
        await ana.ok("POST /v1/auth/email/verify", {"token": link})
        app, _ = await protect(ana)
        email = {"email": ana.signed_in["user"]["email"]}
        await people.anonymous.ok("POST /v1/auth/password/reset-request", email)
        reset = {"token": (await people.mailed(ana, 2))[0], "new_password": NEW}
        await people.anonymous.ok("POST /v1/auth/password/reset", reset)

        refused = await login(people, ana.username, NEW)
        assert refused.code == "second_factor_required"
        assert (await login(people, ana.username, NEW, second_factor=next_code(app))).status == 200

    run(scenario)


def test_a_reset_that_proves_the_address_removes_an_older_second_factor(run: Run) -> None:
    """Until then, somebody else may have had the account."""

    async def scenario(people: People) -> None:
        ana = await people.new("ana")
        await protect(ana)
        await people.mailed(ana)
        email = {"email": ana.signed_in["user"]["email"]}
        await people.anonymous.ok("POST /v1/auth/password/reset-request", email)
        reset = {"token": (await people.mailed(ana, 2))[0], "new_password": NEW}
        await people.anonymous.ok("POST /v1/auth/password/reset", reset)

        assert (await login(people, ana.username, NEW)).status == 200

    run(scenario)


def test_guesses_at_codes_are_limited_also_with_the_right_password(run: Run) -> None:
    async def scenario(people: People) -> None:
        ana = await people.new("ana")
        app, codes = await protect(ana)
        guesses = [await login(people, ana.username, second_factor="a" * 16) for _ in range(6)]
        assert [one.status for one in guesses] == [401] * 5 + [429]
        for code in (next_code(app), codes[0]):
            assert (await login(people, ana.username, second_factor=code)).status == 429

    run(scenario)


def test_it_is_taken_away_with_the_password_and_a_code(run: Run) -> None:
    async def scenario(people: People) -> None:
        ana = await people.new("ana")
        app, _ = await protect(ana)
        wrong = await ana.call(f"POST {ROUTE}/disable", {"password": "wrong wrong wrong"})
        assert (wrong.status, wrong.code) == (401, "invalid_credentials")
        alone = await ana.call(f"POST {ROUTE}/disable", {"password": PASSWORD})
        assert (alone.status, alone.code) == (401, "second_factor_required")

        both = {"password": PASSWORD, "second_factor": next_code(app)}
        await ana.ok(f"POST {ROUTE}/disable", both)

        assert (await login(people, ana.username)).status == 200

    run(scenario)


@pytest.mark.parametrize(
    ("route", "body"),
    [
        (f"{ROUTE}/disable", {"password": PASSWORD}),
        (f"{ROUTE}/recovery-codes", {"password": PASSWORD}),
        ("/v1/auth/password", {"current_password": PASSWORD, "new_password": NEW}),
        ("/v1/auth/passkeys/begin", {"password": PASSWORD}),
        ("/v1/users/me/export", {"password": PASSWORD}),
        ("/v1/users/me/export/link", {"password": PASSWORD}),
        ("/v1/users/me/delete", {"password": PASSWORD}),
    ],
)
def test_a_session_and_the_password_are_not_enough(
    run: Run, route: str, body: dict[str, str]
) -> None:
    async def scenario(people: People) -> None:
        ana = await people.new("ana")
        _, codes = await protect(ana)

        refused = await ana.call(f"POST {route}", body)
        assert (refused.status, refused.code) == (401, "second_factor_required")
        guessed = await ana.call(f"POST {route}", {**body, "second_factor": "aaaa-aaaa-aaaa-aaaa"})
        assert (guessed.status, guessed.code) == (401, "second_factor_invalid")
        proven = await ana.call(f"POST {route}", {**body, "second_factor": codes[0]})
        assert proven.status in (200, 202, 204, 404), proven.body

    run(scenario)
