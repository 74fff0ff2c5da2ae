"""Redis holds nothing whose loss would lose anything."""

import asyncio

from tests.client import PASSWORD, Refused, User
from tests.faults.calls import Unanswered
from tests.faults.conftest import Run, on_one_store
from tests.faults.crowd import Crowd, Sent
from tests.faults.trouble import Trouble

pytestmark = [on_one_store]


async def ask(crowd: Crowd, user: User, route: str) -> str:
    """The outcome of a request: "ok", "unavailable" without Redis, or its error code."""
    try:
        await crowd.calls.http(user, route)
    except Unanswered as unanswered:
        return str(unanswered)
    except Refused as refused:
        return refused.code
    return "ok"


async def is_let_in(crowd: Crowd, user: User) -> bool:
    """Whether a request with this access token succeeds."""
    outcome = await ask(crowd, user, "GET /v1/users/me")
    assert outcome in ("ok", "unauthorized", "unavailable")
    return outcome == "ok"


def test_g5_what_was_revoked_stays_revoked_when_redis_loses_everything(
    run: Run, trouble: Trouble
) -> None:
    async def scenario(crowd: Crowd) -> None:
        ana = crowd.di  # who has no device online that its own sign-out would trouble
        left, ended, deposed = [await ana.sign_in() for _ in range(3)]
        stays = await ana.sign_in()
        for session in (left, ended, deposed, stays):
            assert await is_let_in(crowd, session)
        await left.ok("POST /v1/auth/logout")
        await stays.ok(f"DELETE /v1/auth/sessions/{ended.signed_in['session_id']}")
        await stays.ok(
            "POST /v1/auth/password",
            {"current_password": PASSWORD, "new_password": "battery staple 24 horse"},
        )

        gone = (left, ended, deposed, ana)
        back = asyncio.create_task(trouble.kill("redis"))
        while not back.done():
            for session in gone:
                assert not await is_let_in(crowd, session)
            await asyncio.sleep(0.02)
        await back
        await crowd.ready()

        for session in gone:
            for route in ("GET /v1/users/me", "POST /v1/socket-tickets"):
                answer = await session.call(route)
                assert (answer.status, answer.code) == (401, "unauthorized")
            token = session.signed_in["refresh_token"]
            answer = await session.call("POST /v1/auth/refresh", {"refresh_token": token})
            assert answer.status == 401
        assert await is_let_in(crowd, stays)
        assert (await stays.call("POST /v1/socket-tickets")).status == 201

    run(scenario)


def test_g5_nothing_is_accepted_after_a_logout_while_redis_restarts(
    run: Run, trouble: Trouble
) -> None:
    """Requests with the token race with the logout, and with Redis's death before or after it."""

    async def scenario(crowd: Crowd) -> None:
        session = await crowd.bo.sign_in()
        ended = asyncio.Event()

        async def knock() -> int:
            """Until ten calls that began after the logout have been refused."""
            let_in = refused = 0
            while refused < 10:
                after = ended.is_set()
                if await is_let_in(crowd, session):
                    assert not after
                    let_in += 1
                else:
                    refused += after
                await asyncio.sleep(0.2)  # within the session's rate limit
            return let_in

        async def log_out() -> None:
            """A client repeats it until the answer says that it is signed out."""
            await asyncio.sleep(crowd.chance.uniform(0, 1))
            while (outcome := await ask(crowd, session, "POST /v1/auth/logout")) == "unavailable":
                await asyncio.sleep(0.1)
            assert outcome in ("ok", "unauthorized")
            ended.set()

        async def kill() -> None:
            await asyncio.sleep(crowd.chance.uniform(0.3, 1.2))
            await trouble.kill("redis")

        knocking = asyncio.gather(*(knock() for _ in range(4)))
        await asyncio.gather(log_out(), kill())
        assert sum(await knocking) > 0

    run(scenario)


def test_g1_sockets_that_redis_lost_are_closed_and_connect_again(
    run: Run, trouble: Trouble
) -> None:
    async def scenario(crowd: Crowd) -> None:
        opened = [device.sockets for device in crowd.devices]
        await trouble.kill("redis")
        await crowd.ready()
        sent = Sent.new(crowd.lively, crowd.bo, "now?")
        message = await crowd.calls.http(crowd.bo, sent.route, sent.body)
        await crowd.until(
            lambda: all(
                device.sockets > before
                for device, before in zip(crowd.devices, opened, strict=True)
            )
        )
        for device in crowd.devices[:3]:
            await crowd.until(lambda d=device: d.messages(crowd.lively) == [message])  # type: ignore[misc]

    run(scenario)
