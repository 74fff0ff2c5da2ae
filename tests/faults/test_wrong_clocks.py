"""Functions whose clocks are five minutes ahead, behind, or jump; the servers keep the time."""

import asyncio
import json
from collections.abc import Iterator
from functools import partial
from typing import Any

import pyotp
import pytest

from tests.client import PASSWORD, User
from tests.cloud import WIDE, Cloud
from tests.faults import conftest
from tests.faults.checks import check
from tests.faults.crowd import Crowd, Sent
from tests.faults.wrong_clocks import WrongClocks, WrongCloud

MINUTES = 5 * 60
PROOF = {"password": PASSWORD}
NEW = "another horse battery 43"


@pytest.fixture(scope="module")
def clocks(tmp_path_factory: pytest.TempPathFactory) -> WrongClocks:
    return WrongClocks(tmp_path_factory.mktemp("clocks"))


@pytest.fixture(scope="module", params=conftest.STORES)
def cloud(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    clocks: WrongClocks,
) -> Iterator[Cloud]:
    # A busy machine may need some seconds for an acknowledgement, and no push is expected here.
    cloud = WrongCloud(
        tmp_path_factory.mktemp("cloud"),
        clocks.python,
        *("--messages", request.param, "--schedule-seconds", "1", "--workers", "6"),
        PENDING_AFTER_SECONDS="2",
        DELIVERED_WITHIN_SECONDS="10",
        RATE_LIMITS=json.dumps({**json.loads(WIDE), **conftest.UNHINDERED}),
    )
    with cloud:
        yield cloud


@pytest.fixture(params=["ahead", "behind", "both"])
def wrong(request: pytest.FixtureRequest, cloud: Cloud, clocks: WrongClocks) -> Iterator[str]:
    """All clocks are wrong; or one is ahead, one behind, and the others are right."""
    clocks.set({"ahead": MINUTES, "behind": -MINUTES, "both": 0}[request.param])
    if request.param == "both":
        one, two, *_ = cloud.about["workers"]
        clocks.set(MINUTES, [one])
        clocks.set(-MINUTES, [two])
    yield request.param
    clocks.set(0)


async def mails(crowd: Crowd, user: User, subject: str) -> list[str]:
    address = user.signed_in["user"]["email"]
    found = (await crowd.anonymous.ok("GET /_local/mails"))["items"]
    return [one["text"] for one in found if one["to"] == address and subject in one["subject"]]


async def linked(crowd: Crowd, user: User, subject: str) -> str:
    """What the link ends with in the mail of a subject, which comes in time."""

    async def came() -> bool:
        return bool(await mails(crowd, user, subject))

    await crowd.until(came)
    (text,) = await mails(crowd, user, subject)
    return text.partition("=")[2].split()[0]


@pytest.mark.usefixtures("wrong")
def test_g1_nothing_is_lost_and_nobody_online_is_pushed_to(run: conftest.Run) -> None:
    async def scenario(crowd: Crowd) -> None:
        await crowd.give_phone(crowd.bo)
        async with crowd.talking():
            await crowd.until(lambda: all(len(one.acknowledged) > 9 for one in crowd.speakers))
        await check(crowd)
        assert await crowd.shown(crowd.bo) == []

    run(scenario)


def all_went_on(crowd: Crowd, told: list[int]) -> bool:
    """Whether each has had two more messages acknowledged."""
    now = [len(one.acknowledged) for one in crowd.speakers]
    return all(new > old + 1 for new, old in zip(now, told, strict=True))


def test_g1_nothing_is_lost_while_clocks_jump(run: conftest.Run, clocks: WrongClocks) -> None:
    async def scenario(crowd: Crowd) -> None:
        await crowd.give_phone(crowd.bo)
        try:
            async with crowd.talking():
                for seconds in (MINUTES, -MINUTES, 0, -MINUTES, MINUTES):
                    clocks.set(seconds)
                    told = [len(one.acknowledged) for one in crowd.speakers]
                    await crowd.until(partial(all_went_on, crowd, told))
        finally:
            clocks.set(0)
        await check(crowd)
        assert await crowd.shown(crowd.bo) == []

    run(scenario)


@pytest.mark.usefixtures("wrong")
def test_g1_what_a_socket_swallowed_is_pushed_in_time_and_once(run: conftest.Run) -> None:
    async def scenario(crowd: Crowd) -> None:
        async with crowd.di.socket() as silent:
            silent.connection.transport.pause_reading()
            began = asyncio.get_running_loop().time()
            sent = Sent.new(crowd.lonely, crowd.cy, "are you there?")
            message = await crowd.calls.http(crowd.cy, sent.route, sent.body)
            await crowd.until_shown(crowd.di, [message["id"]])
            assert asyncio.get_running_loop().time() - began >= 2  # not at once: it is overdue
            await asyncio.sleep(4)  # the jobs run every second
            assert await crowd.received(crowd.di) == [message["id"]]
            silent.connection.transport.resume_reading()

    run(scenario)


@pytest.mark.usefixtures("wrong")
def test_sessions_stand_and_refresh_and_end(run: conftest.Run) -> None:
    async def scenario(crowd: Crowd) -> None:
        ana = crowd.ana
        for _ in range(12):  # the workers take turns
            assert (await ana.call("GET /v1/users/me")).status == 200
            token = {"refresh_token": ana.signed_in["refresh_token"]}
            ana.signed_in |= await ana.ok("POST /v1/auth/refresh", token)
            ana.token = ana.signed_in["access_token"]
        listed = await ana.ok("GET /v1/auth/sessions")
        assert len(listed["items"]) == 2
        tablet = await ana.sign_in()
        await tablet.ok("POST /v1/auth/logout")
        for _ in range(6):
            assert (await tablet.call("GET /v1/users/me")).status == 401

    run(scenario)


@pytest.mark.usefixtures("wrong")
def test_links_come_by_mail_and_are_good(run: conftest.Run) -> None:
    async def scenario(crowd: Crowd) -> None:
        di = crowd.di  # has no device that the end of all sessions would send away
        token = await linked(crowd, di, "Verify")
        await di.ok("POST /v1/auth/email/verify", {"token": token})
        email = {"email": di.signed_in["user"]["email"]}
        await crowd.anonymous.ok("POST /v1/auth/password/reset-request", email)
        reset = {"token": await linked(crowd, di, "Set a new password"), "new_password": NEW}
        await crowd.anonymous.ok("POST /v1/auth/password/reset", reset)
        again = {"login": di.username, "password": NEW}
        await crowd.anonymous.ok("POST /v1/auth/login", again)

    run(scenario)


@pytest.mark.usefixtures("wrong")
def test_codes_of_an_authenticator_are_good(run: conftest.Run) -> None:
    async def scenario(crowd: Crowd) -> None:
        bo = crowd.bo
        secret = (await bo.ok("POST /v1/auth/second-factor", PROOF))["secret"]
        code = {"code": pyotp.TOTP(secret).now()}
        await bo.ok("POST /v1/auth/second-factor/confirm", code)

    run(scenario)


@pytest.mark.usefixtures("wrong")
def test_an_archive_is_made_and_fetched(run: conftest.Run) -> None:
    async def scenario(crowd: Crowd) -> None:
        di = crowd.di
        await di.ok("POST /v1/users/me/export", PROOF)

        async def ready() -> bool:
            found: dict[str, Any] = await di.ok("GET /v1/users/me/export")
            return bool(found["status"] == "ready")

        await crowd.until(ready)
        for _ in range(6):
            link = await di.ok("POST /v1/users/me/export/link", PROOF)
            async with crowd.anonymous.http.get(link["url"]) as answer:
                assert answer.status == 200

    run(scenario)
