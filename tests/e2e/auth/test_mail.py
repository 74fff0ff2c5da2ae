"""Addresses are verified and forgotten passwords set by mail, through the local cloud."""

import asyncio
import uuid
from typing import Any

import pytest
import websockets

from tests.client import PASSWORD, Api, User
from tests.e2e.conftest import People, Run

NEW = "another horse battery 43"


async def login(api: Api, name: str, password: str = PASSWORD) -> int:
    answer = await api.call("POST /v1/auth/login", {"login": name, "password": password})
    return answer.status


def test_an_address_is_verified_by_the_link_that_registering_mailed(run: Run) -> None:
    async def scenario(people: People) -> None:
        ana, eve = await people.new("ana"), await people.new("eve")
        email = ana.signed_in["user"]["email"]
        (token,) = await people.mailed(ana)
        assert await login(people.anonymous, email) == 401

        refused = await eve.call("POST /v1/auth/email/verify", {"token": token})
        assert (refused.status, refused.code) == (400, "link_invalid")
        await ana.ok("POST /v1/auth/email/verify", {"token": token})

        assert (await ana.ok("GET /v1/users/me"))["email_verified"] is True
        assert await login(people.anonymous, email.upper()) == 200

    run(scenario)


def test_a_domain_in_unicode_and_in_ascii_is_one_address(run: Run) -> None:
    async def scenario(people: People) -> None:
        name = f"u{uuid.uuid4().hex[:8]}"
        ours, sent_to = f"{name}@Bücher.example", f"{name}@xn--bcher-kva.example"
        account = {"email": ours, "username": name, "display_name": "U", "password": PASSWORD}
        made = await people.anonymous.ok("POST /v1/auth/register", account)
        assert made["user"]["email"] == ours.lower()
        user = User(people.anonymous.url, people.anonymous.http, made["access_token"])
        user.signed_in = {**made, "user": {**made["user"], "email": sent_to}}
        (token,) = await people.mailed(user)
        await user.ok("POST /v1/auth/email/verify", {"token": token})

        for login_name in (ours, sent_to.upper(), f"{name}@bücher\u3002example"):
            assert await login(people.anonymous, login_name) == 200
        await people.anonymous.ok("POST /v1/auth/password/reset-request", {"email": ours})
        reset = {"token": (await people.mailed(user, 2))[0], "new_password": NEW}
        await people.anonymous.ok("POST /v1/auth/password/reset", reset)
        assert await login(people.anonymous, ours, NEW) == 200
        other = await people.anonymous.call(
            "POST /v1/auth/register", {**account, "email": f"{name}é@bücher.example"}
        )
        assert (other.status, other.code) == (422, "validation_failed")

    run(scenario)


def test_g5_a_reset_ends_every_session_and_closes_its_sockets(run: Run) -> None:
    async def scenario(people: People) -> None:
        ana = await people.new("ana")
        await people.mailed(ana)
        async with ana.socket() as socket:
            email = {"email": ana.signed_in["user"]["email"]}
            await people.anonymous.ok("POST /v1/auth/password/reset-request", email)
            token = (await people.mailed(ana, 2))[0]
            reset = {"token": token, "new_password": NEW}
            await people.anonymous.ok("POST /v1/auth/password/reset", reset)

            assert (await ana.call("GET /v1/users/me")).status == 401
            await socket.closed()
        refresh = {"refresh_token": ana.signed_in["refresh_token"]}
        assert (await people.anonymous.call("POST /v1/auth/refresh", refresh)).status == 401
        assert await login(people.anonymous, ana.username) == 401
        assert await login(people.anonymous, ana.username, NEW) == 200
        again = await people.anonymous.call(
            "POST /v1/auth/password/reset", {"token": token, "new_password": NEW + "!"}
        )
        assert (again.status, again.code) == (400, "link_invalid")

    run(scenario)


def test_nothing_tells_whether_an_address_is_known(run: Run) -> None:
    async def scenario(people: People) -> None:
        ana = await people.new("ana")
        await verify(people, ana)
        known, unknown = ana.signed_in["user"]["email"], f"{uuid.uuid4().hex}@example.org"

        assert await ways_in(people, known) == await ways_in(people, unknown)

    async def verify(people: People, user: User) -> None:
        (token,) = await people.mailed(user)
        await user.ok("POST /v1/auth/email/verify", {"token": token})

    async def ways_in(people: People, email: str) -> list[Any]:
        """How everything that takes an address answers to a stranger."""
        api, name = people.anonymous, f"eve_{uuid.uuid4().hex[:8]}"
        account = {"email": email, "username": name, "display_name": "Eve", "password": NEW}
        made = await api.call("POST /v1/auth/register", account)
        eve = Api(api.url, api.http, made.body["access_token"])
        profile = await eve.ok("GET /v1/users/me")
        return [
            made.status,
            profile["email_verified"],
            (await api.call("POST /v1/auth/password/reset-request", {"email": email})).status,
            (await eve.call("POST /v1/auth/email/verify-request")).status,
            await login(api, email, NEW),
            await login(api, email, "wrong wrong wrong"),
            *await asked_for(people, email),
        ]

    async def asked_for(people: People, email: str) -> list[Any]:
        """How one account that wants an address is answered."""
        mallory = await people.new("mallory")
        wanted = {"email": email, "password": PASSWORD}
        asked = await mallory.call("POST /v1/users/me/email", wanted)
        profile = await mallory.ok("GET /v1/users/me")
        return [asked.status, asked.body, profile["pending_email"] == email]

    run(scenario)


def test_a_mail_that_ses_does_not_take_comes_later(run: Run) -> None:
    async def scenario(people: People) -> None:
        """It is put off for a minute, and meanwhile others get theirs."""
        name = f"u{uuid.uuid4().hex[:8]}"
        email = f"fail-503-{name}@example.org"
        account = {"email": email, "username": name, "display_name": "U", "password": PASSWORD}
        await people.anonymous.ok("POST /v1/auth/register", account)

        assert await people.mailed(await people.new("ana"))
        mails = (await people.anonymous.ok("GET /_local/mails"))["items"]
        assert email not in {mail["to"] for mail in mails}

    run(scenario)


def test_a_socket_of_a_reset_session_cannot_be_opened(run: Run) -> None:
    async def scenario(people: People) -> None:
        ana = await people.new("ana")
        ticket = await ana.ok("POST /v1/socket-tickets")
        email = {"email": ana.signed_in["user"]["email"]}
        await people.anonymous.ok("POST /v1/auth/password/reset-request", email)
        token = (await people.mailed(ana, 2))[0]
        reset = {"token": token, "new_password": NEW}
        await people.anonymous.ok("POST /v1/auth/password/reset", reset)

        with pytest.raises(websockets.InvalidStatus) as refused:
            await ana.open(ticket)
        assert refused.value.response.status_code == 401

    run(scenario)


def test_a_sign_in_sends_an_event_and_from_a_new_device_a_mail(run: Run) -> None:
    async def scenario(people: People) -> None:
        ana = await people.new("ana")
        (token,) = await people.mailed(ana)
        await ana.ok("POST /v1/auth/email/verify", {"token": token})
        async with ana.socket() as socket:
            credentials = {"login": ana.username, "password": PASSWORD, "device_name": "Desk"}
            signed_in = await people.anonymous.ok("POST /v1/auth/login", credentials)

            told = await socket.event("account.signed_in")
        assert told["session_id"] == signed_in["session_id"]
        assert told["device_name"] == "Desk"
        await people.told(ana, "- A new device signed in")

    run(scenario)


def test_asking_again_and_again_voids_no_link(run: Run) -> None:
    """Anybody can ask for anybody's."""

    async def scenario(people: People) -> None:
        ana = await people.verified("ana")
        email = {"email": ana.signed_in["user"]["email"]}
        await people.anonymous.ok("POST /v1/auth/password/reset-request", email)
        token = (await people.mailed(ana, 2))[0]
        for _ in range(5):
            await people.anonymous.ok("POST /v1/auth/password/reset-request", email)
        other = await people.new("bo")
        await people.mailed(other)  # so the job has handled those before it

        assert len(await people.mailed(ana)) == 2
        reset = {"token": token, "new_password": NEW}
        await people.anonymous.ok("POST /v1/auth/password/reset", reset)

    run(scenario)


def test_strangers_who_claim_an_address_do_not_keep_its_owner_out(run: Run) -> None:
    async def scenario(people: People) -> None:
        ana = await people.new("ana")
        email = ana.signed_in["user"]["email"]
        (link,) = await people.mailed(ana)
        for _ in range(7):
            name = f"eve_{uuid.uuid4().hex[:8]}"
            claim = {"email": email, "username": name, "display_name": "E", "password": NEW}
            await people.anonymous.ok("POST /v1/auth/register", claim)
        assert len(await people.mailed(ana, 6)) == 6

        await people.anonymous.ok("POST /v1/auth/password/reset-request", {"email": email})
        reset = await people.told(ana, f"a new password of the Parley account @{ana.username}.")
        await ana.ok("POST /v1/auth/email/verify", {"token": link})

        assert "#reset=" in reset
        assert await login(people.anonymous, email) == 200

    run(scenario)


def test_an_account_moves_to_another_address(run: Run) -> None:
    async def scenario(people: People) -> None:
        ana, bo = await people.verified("ana"), await people.new("bo")
        old = ana.signed_in["user"]["email"]
        async with ana.socket() as socket:
            new = await people.move(ana)
            assert (await socket.event("account.email_changed"))["email"] == new

        me = await ana.ok("GET /v1/users/me")
        assert (me["email"], me["email_verified"], me["pending_email"]) == (new, True, None)
        assert await login(people.anonymous, new) == 200
        assert await login(people.anonymous, old) == 401
        assert "does not sign in any more" in await people.told(ana, "took the place of this one")
        text = await people.told(ana, "Another e-mail address was asked for")
        assert new not in text
        asked = {"email": new, "password": PASSWORD}
        assert (await bo.call("POST /v1/users/me/email", asked)).status == 204
        wrong = await bo.call("POST /v1/users/me/email", {**asked, "password": "wrong"})
        assert (wrong.status, wrong.code) == (401, "invalid_credentials")

    run(scenario)


def test_every_change_of_how_one_signs_in_is_mailed(run: Run) -> None:
    async def scenario(people: People) -> None:
        ana = await people.verified("ana")
        await people.told(ana, "- This e-mail address was verified")
        change = {"current_password": PASSWORD, "new_password": NEW}
        await ana.ok("POST /v1/auth/password", change)
        await people.told(ana, "- The password was changed")
        await ana.ok("POST /v1/users/me/delete", {"password": NEW})

        text = await people.told(ana, "- The account was deleted")
        assert f"@{ana.username}" in text

    run(scenario)


def test_a_sign_in_that_copies_a_known_devices_name_is_mailed(run: Run) -> None:
    async def scenario(people: People) -> None:
        ana = await people.verified("ana")
        known = {"login": ana.username, "password": PASSWORD, "device_name": "Desk"}
        known["device_key"] = uuid.uuid4().hex
        await people.anonymous.ok("POST /v1/auth/login", known)
        await people.told(ana, "- A new device signed in")
        mails = len(await people.mails(ana))
        await people.anonymous.ok("POST /v1/auth/login", known)
        await people.mailed(await people.new("bo"))  # so the job has handled what came before
        assert len(await people.mails(ana)) == mails

        copied = {**known, "device_key": uuid.uuid4().hex}
        await people.anonymous.ok("POST /v1/auth/login", copied)

        async with asyncio.timeout(20):
            while len(await people.mails(ana)) == mails:
                await asyncio.sleep(0.1)

    run(scenario)
