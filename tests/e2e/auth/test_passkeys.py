"""Passkeys, through the local cloud."""

import time
from typing import Any

import pyotp

from tests.client import PASSWORD, Answer, User
from tests.e2e.conftest import People, Run
from tests.unit.auth.passkeys.authenticator import Authenticator

ROUTE = "/v1/auth/passkeys"
LOGIN = "/v1/auth/login"


def device(people: People) -> Authenticator:
    origin = people.cloud.http_url.replace("127.0.0.1", "localhost")
    return Authenticator(origin=origin, rp_id="localhost", counts=True)


async def add(user: User, key: Authenticator, name: str = "Laptop", **more: str) -> dict[str, Any]:
    begun = await user.ok(f"POST {ROUTE}/begin", {"password": PASSWORD, **more})
    new = {"name": name, "credential": key.make(begun["options"])}
    made: dict[str, Any] = await user.ok(f"POST {ROUTE}", new)
    return made


async def sign_in(people: People, key: Authenticator) -> Answer:
    begun = await people.anonymous.ok(f"POST {LOGIN}/passkey/begin")
    body = {"credential": key.answer(begun["options"])}
    return await people.anonymous.call(f"POST {LOGIN}/passkey", body)


def test_a_passkey_signs_in_until_it_is_removed(run: Run) -> None:
    async def scenario(people: People) -> None:
        ana, key = await people.new("ana"), device(people)
        made = await add(ana, key)
        signed_in = await sign_in(people, key)
        assert (signed_in.status, signed_in.body["user"]["id"]) == (200, ana.id)
        (kept,) = (await ana.ok(f"GET {ROUTE}"))["items"]
        assert kept["last_used_at"] is not None

        await ana.ok(f"DELETE {ROUTE}/{made['id']}")

        refused = await sign_in(people, key)
        assert (refused.status, refused.code) == (401, "passkey_invalid")

    run(scenario)


def test_an_address_is_no_origin_of_it(run: Run) -> None:
    async def scenario(people: People) -> None:
        ana, key = await people.new("ana"), device(people)
        await add(ana, key)
        key.origin = people.cloud.http_url

        assert (await sign_in(people, key)).code == "passkey_invalid"

    run(scenario)


def test_it_takes_the_place_of_a_code(run: Run) -> None:
    async def scenario(people: People) -> None:
        ana, key = await people.new("ana"), device(people)
        await add(ana, key)
        enrolment = await ana.ok("POST /v1/auth/second-factor", {"password": PASSWORD})
        code = pyotp.TOTP(enrolment["secret"]).at(int(time.time()))
        await ana.ok("POST /v1/auth/second-factor/confirm", {"code": code})
        login: dict[str, Any] = {"login": ana.username, "password": PASSWORD}

        asked = await people.anonymous.call(f"POST {LOGIN}", login)
        assert (asked.status, asked.code) == (401, "second_factor_required")
        assert asked.body["methods"] == ["totp", "recovery_code", "passkey"]
        login["passkey"] = key.answer(asked.body["passkey"])
        first, again = [await people.anonymous.call(f"POST {LOGIN}", login) for _ in range(2)]

        assert first.status == 200
        assert (again.status, again.code) == (401, "passkey_invalid")

    run(scenario)


def test_a_suspended_user_gets_account_suspended(run: Run) -> None:
    async def scenario(people: People) -> None:
        ana, key = await people.new("ana"), device(people)
        await add(ana, key)
        moderator = await people.staff("moderator")
        await moderator.ok(f"POST /v1/admin/users/{ana.id}/suspend", {"reason": "Spam"})

        assert (await sign_in(people, key)).code == "account_suspended"

    run(scenario)
