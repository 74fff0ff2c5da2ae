"""One's data is exported through the local cloud: asked for, made by the job, fetched by a link."""

import asyncio
import io
import json
from typing import Any
from zipfile import ZipFile

import pytest

from tests.client import PASSWORD, User
from tests.e2e.conftest import People, Run

PROOF = {"password": PASSWORD}
WRONG = {"password": "wrong horse battery 43"}


async def ready(user: User) -> dict[str, Any]:
    async with asyncio.timeout(30):
        while True:
            found: dict[str, Any] = await user.ok("GET /v1/users/me/export")
            if found["status"] != "waiting":
                return found
            await asyncio.sleep(0.2)


async def fetched(people: People, url: str) -> tuple[int, bytes]:
    async with people.http.get(url) as answer:
        return answer.status, await answer.read()


async def leads_to(people: People, url: str) -> str:
    async with people.http.get(url, allow_redirects=False) as answer:
        assert answer.status == 303
        return answer.headers["Location"]


def test_an_archive_is_asked_for_made_and_fetched_by_its_owner_alone(run: Run) -> None:
    async def scenario(people: People) -> None:
        ana, bo, chat = await people.pair()
        eve = await people.new("eve")
        await bo.send(chat, "for ana")
        wrong = await ana.call("POST /v1/users/me/export", WRONG)
        assert (wrong.status, wrong.code) == (401, "invalid_credentials")
        none = await ana.call("GET /v1/users/me/export")
        assert (none.status, none.code) == (404, "export_not_found")

        both = await asyncio.gather(*[ana.ok("POST /v1/users/me/export", PROOF) for _ in range(2)])
        assert both[0]["id"] == both[1]["id"]
        assert (await ready(ana))["status"] == "ready"
        assert (await ana.call("POST /v1/users/me/export", PROOF)).status == 429

        wrong = await ana.call("POST /v1/users/me/export/link", WRONG)
        assert (wrong.status, wrong.code) == (401, "invalid_credentials")
        strange = await eve.call("POST /v1/users/me/export/link", PROOF)
        assert (strange.status, strange.code) == (404, "export_not_found")

        link = await ana.ok("POST /v1/users/me/export/link", PROOF)
        status, body = await fetched(people, link["url"])
        assert status == 200
        with ZipFile(io.BytesIO(body)) as archive:
            account = json.loads(archive.read("account.json"))
            (message,) = json.loads(archive.read("messages.json"))
        assert account["profile"][0]["email"] == ana.signed_in["user"]["email"]
        assert message["content"]["text"] == "for ana"
        assert bo.signed_in["user"]["email"].encode() not in body
        assert (await fetched(people, link["url"].partition("?")[0]))[0] == 422
        assert (await fetched(people, link["url"] + "0"))[0] == 404
        at_s3 = await leads_to(people, link["url"])
        assert (await fetched(people, at_s3.partition("?")[0]))[0] == 403
        assert (await fetched(people, at_s3 + "0"))[0] == 403

    run(scenario)


@pytest.mark.parametrize("end", ["suspended", "signed out", "revoked", "new password"])
def test_a_link_ends_with_the_session_that_asked_for_it(run: Run, end: str) -> None:
    async def scenario(people: People) -> None:
        ana = await people.new("ana")
        other = await ana.sign_in()
        await ana.ok("POST /v1/users/me/export", PROOF)
        await ready(ana)
        link = await ana.ok("POST /v1/users/me/export/link", PROOF)
        assert (await fetched(people, link["url"]))[0] == 200

        if end == "suspended":
            moderator = await people.staff("moderator")
            await moderator.ok(f"POST /v1/admin/users/{ana.id}/suspend", {"reason": "Spam"})
        elif end == "signed out":
            await ana.ok("POST /v1/auth/logout")
        elif end == "revoked":
            await other.ok("DELETE /v1/auth/sessions")
        else:
            change = {"current_password": PASSWORD, "new_password": WRONG["password"]}
            await other.ok("POST /v1/auth/password", change)

        assert (await fetched(people, link["url"]))[0] == 404

    run(scenario)


def test_a_deleted_account_leaves_no_archive(run: Run) -> None:
    async def scenario(people: People) -> None:
        ana = await people.new("ana")
        await ana.ok("POST /v1/users/me/export", PROOF)
        await ready(ana)
        link = await ana.ok("POST /v1/users/me/export/link", PROOF)
        at_s3 = await leads_to(people, link["url"])
        assert (await fetched(people, at_s3))[0] == 200

        await ana.ok("POST /v1/users/me/delete", PROOF)

        assert (await fetched(people, link["url"]))[0] == 404
        async with asyncio.timeout(20):
            while (await fetched(people, at_s3))[0] != 404:
                await asyncio.sleep(0.2)

    run(scenario)
