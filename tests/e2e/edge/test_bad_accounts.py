"""Registering and signing in with what is not valid, or taken, or guessed."""

import json
import uuid
from typing import Any

import pytest

from tests.client import PASSWORD
from tests.e2e.conftest import People, Run
from tests.e2e.edge.problems import is_problem


def test_a_known_device_is_not_locked_out_by_guesses(run: Run) -> None:
    async def scenario(people: People) -> None:
        ana = await people.new("ana")
        right = {"login": ana.username, "password": PASSWORD, "device_key": uuid.uuid4().hex}
        await people.anonymous.ok("POST /v1/auth/login", right)
        wrong = {"login": ana.username, "password": "wrong guess"}
        for _ in range(12):
            refused = await people.anonymous.call("POST /v1/auth/login", wrong)
        assert is_problem(refused, 429, "rate_limited")
        assert int(refused.headers["retry-after"]) == refused.body["retry_after"]
        assert "ratelimit-policy" in refused.headers
        stranger = {**right, "device_key": uuid.uuid4().hex}
        assert (await people.anonymous.call("POST /v1/auth/login", stranger)).status == 429
        assert (await people.anonymous.call("POST /v1/auth/login", right)).status == 200

    run(scenario)


ACCOUNT = {
    "email": "ok@example.org",
    "username": "ok_name",
    "password": PASSWORD,
    "display_name": "Ok",
}


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"email": "nobody"}, "email"),
        ({"email": "a@b"}, "email"),
        ({"email": "x" * 250 + "@example.org"}, "email"),
        ({"username": "ab"}, "username"),
        ({"username": "a" * 33}, "username"),
        ({"username": "a b c"}, "username"),
        ({"username": "ana-é"}, "username"),
        ({"password": "short"}, "password"),
        ({"password": "é" * 600}, "password"),
        ({"password": "1234567890"}, "password"),
        ({"password": None}, "password"),
        ({"display_name": ""}, "display_name"),
        ({"display_name": "a\u202e\u0000"}, "display_name"),
        ({"role": "admin"}, "role"),
    ],
)
def test_g7_bad_registrations_are_answered_by_field(
    run: Run, change: dict[str, Any], field: str
) -> None:
    async def scenario(people: People) -> None:
        answer = await people.anonymous.call("POST /v1/auth/register", {**ACCOUNT, **change})
        assert is_problem(answer, 422, "validation_failed")
        assert [error["field"] for error in answer.body["errors"]] == [field]
        value = next(iter(change.values()))
        said = [error["message"] for error in answer.body["errors"]]
        assert not value or str(value) not in json.dumps(said)

    run(scenario)


def test_g7_a_taken_username_is_answered_and_a_taken_address_is_not(run: Run) -> None:
    async def scenario(people: People) -> None:
        ana = await people.new("ana")
        email = ana.signed_in["user"]["email"].upper()
        taken = {**ACCOUNT, "username": ana.username.upper(), "email": "new@example.org"}
        fresh = {**ACCOUNT, "username": f"x{uuid.uuid4().hex[:8]}", "email": email}

        refused = await people.anonymous.call("POST /v1/auth/register", taken)
        assert is_problem(refused, 409, "username_taken")
        assert (await people.anonymous.call("POST /v1/auth/register", fresh)).status == 201

    run(scenario)


def test_a_login_does_not_tell_whether_there_is_an_account(run: Run) -> None:
    async def scenario(people: People) -> None:
        ana = await people.new("ana")
        answers = [
            await people.anonymous.call(
                "POST /v1/auth/login", {"login": login, "password": "wrong wrong wrong"}
            )
            for login in (ana.username, f"nobody_{uuid.uuid4().hex[:8]}")
        ]
        for answer in answers:
            assert is_problem(answer, 401, "invalid_credentials")
        bodies = [{**answer.body, "request_id": ""} for answer in answers]
        assert bodies[0] == bodies[1]

    run(scenario)


def test_guessing_a_password_is_slowed(run: Run) -> None:
    async def scenario(people: People) -> None:
        ana = await people.new("ana")
        guesses = [
            await people.anonymous.call(
                "POST /v1/auth/login", {"login": ana.username, "password": f"wrong guess {n}"}
            )
            for n in range(15)
        ]
        assert [g.status for g in guesses[:10]] == [401] * 10
        assert {g.status for g in guesses[11:]} == {429}
        assert int(guesses[-1].headers["retry-after"]) > 0

    run(scenario)
