"""Programs in their own name: they push directly, and check users."""

import asyncio
from typing import Any

import pytest

from tests.client import PASSWORD, Api
from tests.e2e.conftest import People, Run
from tests.e2e.oauth.oauth import Program, post, registered
from tests.e2e.phones import pushes_for

NOBODY = "00000000-0000-7000-8000-0000000000ff"


def program(people: People, *scopes: str) -> Program:
    return registered(
        people.cloud, redirect_uris=[], post_logout_redirect_uris=[], scopes=list(scopes)
    )


def token_of(people: People, one: Program, **form: str) -> str:
    answer = post(
        people.cloud.http_url, "/oauth2/token", one, grant_type="client_credentials", **form
    )
    assert answer.status_code == 200, answer.text
    return str(answer.json()["access_token"])


async def service(people: People, *scopes: str) -> Api:
    """The token of a new program with these scopes."""
    one = await asyncio.to_thread(program, people, *scopes)
    token = await asyncio.to_thread(token_of, people, one)
    return Api(people.cloud.http_url, people.http, token)


def push(*user_ids: str, **changes: Any) -> dict[str, Any]:
    return {"user_ids": list(user_ids), "title": "Shop", "body": "Your shoes are here", **changes}


def test_a_push_reaches_phones_without_the_queue_and_reports_each_user(run: Run) -> None:
    async def scenario(people: People) -> None:
        ana, bo, shop = await asyncio.gather(
            people.new(), people.new(), service(people, "push.send")
        )
        phone = f"phone-{ana.id}"
        for device, token in (("phone", phone), ("tablet", f"fail-unregistered-{ana.id}")):
            await ana.ok(
                f"PUT /v1/users/me/push-tokens/{device}", {"token": token, "platform": "web"}
            )

        told = await shop.ok("POST /v1/push", push(bo.id, ana.id, NOBODY, data={"order": "17"}))

        assert told["items"] == [
            {"user_id": bo.id, "outcome": "no_device", "devices": 0},
            {"user_id": ana.id, "outcome": "sent", "devices": 1},
            {"user_id": NOBODY, "outcome": "no_device", "devices": 0},
        ]
        (shown,) = await pushes_for(people, phone)
        assert (shown["title"], shown["body"]) == ("Shop", "Your shoes are here")
        assert shown["data"] == {"order": "17"}

        await ana.ok("PATCH /v1/users/me", {"push_previews": False})
        await shop.ok("POST /v1/push", push(ana.id))
        shown = (await pushes_for(people, phone, wanted=2))[0]
        assert "shoes" not in str(shown)

    run(scenario)


def test_a_device_that_fails_is_reported(run: Run) -> None:
    async def scenario(people: People) -> None:
        ana, shop = await asyncio.gather(people.new(), service(people, "push.send"))
        await ana.ok(
            "PUT /v1/users/me/push-tokens/phone",
            {"token": f"fail-503-{ana.id}", "platform": "web"},
        )

        told = await shop.ok("POST /v1/push", push(ana.id))

        assert told["items"] == [{"user_id": ana.id, "outcome": "try_again", "devices": 0}]

    run(scenario)


def test_users_are_active_suspended_deleted_or_unknown(run: Run) -> None:
    async def scenario(people: People) -> None:
        ana, banned, gone, moderator, shop = await asyncio.gather(
            people.new(),
            people.new(),
            people.new(),
            people.staff("moderator"),
            service(people, "users.validate"),
        )
        await moderator.ok(f"POST /v1/admin/users/{banned.id}/suspend", {"reason": "Spam"})
        await gone.ok("POST /v1/users/me/delete", {"password": PASSWORD})
        asked = [gone.id, ana.id, NOBODY, banned.id, ana.id]

        answer = await shop.ok("POST /v1/users/validate", {"user_ids": asked})

        assert [(one["user_id"], one["exists"], one["active"]) for one in answer["items"]] == [
            (gone.id, False, False),
            (ana.id, True, True),
            (NOBODY, False, False),
            (banned.id, True, False),
            (ana.id, True, True),
        ]

    run(scenario)


@pytest.mark.parametrize(
    ("route", "body"),
    [
        ("POST /v1/push", push(NOBODY, topic="all")),
        ("POST /v1/push", push(NOBODY, data={"message_id": "x"})),
        ("POST /v1/push", push()),
        ("POST /v1/users/validate", {"user_ids": []}),
        ("POST /v1/users/validate", {"user_ids": [NOBODY] * 501}),
        ("POST /v1/users/validate", {"user_ids": ["x"]}),
    ],
)
def test_g7_bad_input_is_answered(run: Run, route: str, body: dict[str, Any]) -> None:
    async def scenario(people: People) -> None:
        shop = await service(people, "push.send", "users.validate")
        answer = await shop.call(route, body)
        assert (answer.status, answer.code) == (422, "validation_failed")

    run(scenario)


def test_a_scope_opens_only_its_own_route(run: Run) -> None:
    async def scenario(people: People) -> None:
        one = await asyncio.to_thread(program, people, "push.send", "users.validate")
        token = await asyncio.to_thread(token_of, people, one, scope="users.validate")
        less = Api(people.cloud.http_url, people.http, token)
        ask = {"user_ids": [NOBODY]}
        assert (await less.ok("POST /v1/users/validate", ask))["items"]
        assert (await less.call("POST /v1/push", push(NOBODY))).code == "forbidden"
        user = await people.new()
        assert (await user.call("POST /v1/users/validate", ask)).code == "forbidden"

    run(scenario)


def test_g5_revoked_tokens_and_tokens_of_deleted_programs_are_refused(run: Run) -> None:
    async def scenario(people: People) -> None:
        admin = await people.staff("admin")
        one = await asyncio.to_thread(program, people, "users.validate")
        first, second = [await asyncio.to_thread(token_of, people, one) for _ in range(2)]
        url, ask = people.cloud.http_url, {"user_ids": [NOBODY]}
        callers = [Api(url, people.http, token) for token in (first, second)]

        await asyncio.to_thread(post, url, "/oauth2/revoke", one, token=first)

        answers = [(await each.call("POST /v1/users/validate", ask)).status for each in callers]
        assert answers == [401, 200]
        await admin.ok(f"DELETE /v1/admin/oauth-clients/{one.id}")
        assert (await callers[1].call("POST /v1/users/validate", ask)).status == 401

    run(scenario)


def test_all_tokens_of_a_program_share_one_rate(run: Run) -> None:
    async def scenario(people: People) -> None:
        one = await asyncio.to_thread(program, people, "users.validate")
        tokens = [await asyncio.to_thread(token_of, people, one) for _ in range(4)]
        callers = [Api(people.cloud.http_url, people.http, token) for token in tokens]
        ask = {"user_ids": [NOBODY]}
        answers = await asyncio.gather(
            *(each.call("POST /v1/users/validate", ask) for each in callers for _ in range(100))
        )
        assert {answer.status for answer in answers} == {200, 429}

    run(scenario)
