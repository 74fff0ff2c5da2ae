"""Answers of Redis that are lost, and workers that die, in the middle of what has two halves."""

import asyncio
import random
import shutil
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import psycopg
import pytest
import redis
import websockets

from chalicelib.auth.sessions import revocation
from chalicelib.drivers.redis import _digest
from chalicelib.live import keys
from local.servers import start_all
from tests.client import PASSWORD, Refused, Socket, User, register
from tests.cloud import WIDE, Cloud
from tests.faults.crowd import Crowd
from tests.faults.lossy import LossyProxy
from tests.faults.trouble import Trouble

# What is said to Redis in the write that ends sessions, and in no other.
ENDING = _digest(revocation._REVOKE)
NOTHING: dict[str, Any] = {"chats": {}}
NEW = "battery staple 24 horse"

ATTEMPTS = 5


class Place(NamedTuple):
    """A cloud whose functions reach Redis through a proxy of the test."""

    cloud: Cloud
    redis: LossyProxy
    direct: Any


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    state: Path = tmp_path_factory.mktemp("redis")
    folder: Path = tmp_path_factory.mktemp("cloud")
    options = ["--messages", "mongo", "--schedule-seconds", "1", "--workers", "3"]
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, state)
        servers = stack.enter_context(start_all(state, ["redis"], print, on_failure=lambda: None))
        url = servers["redis"].url
        proxy = stack.enter_context(closing(LossyProxy(url)))
        direct = stack.enter_context(closing(redis.Redis.from_url(url, decode_responses=True)))
        cloud = Cloud(folder, *options, REDIS_URL=proxy.url, RATE_LIMITS=WIDE)
        yield Place(stack.enter_context(cloud), proxy, direct)


class People:
    """Ana, signed in twice, with two sockets of the second session; and an admin."""

    ana: User
    tablet: User
    admin: User
    busy: Socket
    quiet: Socket

    async def gather(self, place: Place, http: aiohttp.ClientSession) -> None:
        url = place.cloud.http_url
        self.ana, admin = [await register(url, http, name) for name in ("ana", "admin")]
        place.cloud.maintain(task="grant", username=admin.username, role="admin")
        self.admin = await admin.sign_in()
        self.tablet = await self.ana.sign_in()
        self.busy, self.quiet = [await self.tablet.connect() for _ in range(2)]
        await self.busy.ask("sync", NOTHING)
        # Redis has to know the script that is to be recognised.
        await (await self.ana.sign_in()).ok("POST /v1/auth/logout")

    async def user(self, route: str, body: Any = None) -> int:
        return (await self.ana.call(route, body)).status

    async def staff(self, route: str, body: Any = None) -> int:
        answer = await self.admin.call(f"{route}".replace("{ana}", self.ana.id), body)
        return answer.status


async def log_out(people: People) -> int:
    return (await people.tablet.call("POST /v1/auth/logout")).status


async def end_one(people: People) -> int:
    return await people.user(f"DELETE /v1/auth/sessions/{people.tablet.signed_in['session_id']}")


async def end_others(people: People) -> int:
    return await people.user("DELETE /v1/auth/sessions")


async def change_password(people: People) -> int:
    body = {"current_password": PASSWORD, "new_password": NEW}
    return await people.user("POST /v1/auth/password", body)


async def delete_account(people: People) -> int:
    return await people.user("POST /v1/users/me/delete", {"password": PASSWORD})


async def suspend(people: People) -> int:
    return await people.staff("POST /v1/admin/users/{ana}/suspend", {"reason": "Spam"})


async def end_all(people: People) -> int:
    return await people.staff("DELETE /v1/admin/users/{ana}/sessions")


async def take_role(people: People) -> int:
    return await people.staff("DELETE /v1/admin/users/{ana}/roles/moderator")


Act = Callable[[People], Coroutine[Any, Any, int]]
ACTS = [
    log_out,
    end_one,
    end_others,
    change_password,
    delete_account,
    suspend,
    end_all,
    take_role,
]


def run(place: Place, scenario: Callable[[People], Awaitable[None]]) -> None:
    async def whole() -> None:
        async with aiohttp.ClientSession() as http, asyncio.timeout(120):
            people = People()
            await people.gather(place, http)
            await scenario(people)
            for socket in (people.busy, people.quiet):
                await socket.close()

    asyncio.run(whole())


async def is_let_in(socket: Socket, action: str = "sync", data: Any = NOTHING) -> bool:
    """Whether a socket is still signed in. If not, it is refused, or closed already."""
    try:
        await socket.ask(action, data)
    except Refused as refused:
        if refused.code != "unauthorized":
            raise
        return False
    except (ConnectionError, websockets.ConnectionClosed):
        return False
    return True


@pytest.mark.parametrize("act", ACTS)
def test_g5_a_sign_out_whose_answer_from_redis_is_lost_leaves_no_socket_signed_in(
    place: Place, act: Act
) -> None:
    async def scenario(people: People) -> None:
        with place.redis.losing_answers_to(ENDING):
            assert await act(people) == 503

        assert not await is_let_in(people.busy)
        await people.quiet.closed()
        assert (await people.tablet.call("GET /v1/users/me")).status == 401
        assert not place.direct.exists(keys.sockets(people.ana.id))
        if act is delete_account:
            assert not place.direct.exists(keys.last_seen(people.ana.id))

    run(place, scenario)


@pytest.mark.parametrize("act", ACTS)
def test_g5_a_sign_out_whose_worker_dies_is_completed_although_nobody_repeats_it(
    place: Place, act: Act
) -> None:
    """PostgreSQL knows of it by then, and Redis does not."""

    async def scenario(people: People) -> None:
        with place.redis.holding(ENDING) as held:
            acting = asyncio.create_task(act(people))
            assert await asyncio.to_thread(held.wait, 15)
            Trouble(place.cloud, random.Random()).kill_workers()
            assert await acting == 502

        for socket in (people.busy, people.quiet):  # which send nothing
            await socket.closed()
        assert (await people.tablet.call("GET /v1/users/me")).status == 401

    run(place, scenario)


def test_g5_a_request_of_a_revoked_session_closes_its_sockets(place: Place) -> None:
    """As an earlier version left them, which told Redis of a session and of its sockets apart."""

    async def scenario(people: People) -> None:
        session = f"session:{{{people.ana.id}}}:{people.tablet.signed_in['session_id']}"
        place.direct.set(session, "0", ex=60)

        assert (await people.tablet.call("POST /v1/auth/logout")).status == 401

        for socket in (people.busy, people.quiet):
            await socket.closed()
        assert await (await people.ana.connect()).ask("ping") == {}

    run(place, scenario)


def test_g5_so_does_any_frame(place: Place) -> None:
    async def scenario(people: People) -> None:
        session = f"session:{{{people.ana.id}}}:{people.tablet.signed_in['session_id']}"
        place.direct.set(session, "0", ex=60)

        assert not await is_let_in(people.busy)

        await people.quiet.closed()

    run(place, scenario)


def test_g1_g6_a_message_that_comes_during_connect_is_not_lost_and_not_pushed(
    place: Place,
) -> None:
    async def attempt(people: People) -> bool:
        """False if $connect gave up on PostgreSQL before the message was sent."""
        bo = await register(people.ana.url, people.ana.http, "bo")
        chat = await people.ana.chat_with(bo)
        crowd = Crowd(people.ana.url, people.ana.http, random.Random())
        await crowd.give_phone(bo)
        ticket = await bo.ok("POST /v1/socket-tickets")
        # So that $connect asks PostgreSQL how the session stands.
        place.direct.delete(f"session:{{{bo.id}}}:{bo.signed_in['session_id']}")
        postgres = place.cloud.about["environment"]["POSTGRES_URL"]
        async with await psycopg.AsyncConnection.connect(postgres) as connection:
            # Nothing else waits, so that the message is sent long before $connect gives up.
            await connection.execute("LOCK TABLE sessions IN ACCESS EXCLUSIVE MODE")
            connecting = asyncio.create_task(bo.open(ticket))
            await crowd.until(lambda: bool(place.direct.exists(keys.sockets(bo.id))))
            message = await people.ana.send(chat, "are you there?")
            if connecting.done():
                await asyncio.gather(connecting, return_exceptions=True)
                return False
        socket = await connecting

        news = await socket.ask("sync", NOTHING)
        assert [one for item in news["items"] for one in item["changes"]] == [message]
        await socket.ask("chat.delivered", {"chat_id": chat, "seq": message["seq"]})
        later = await people.ana.send(chat, "and now?")
        assert await socket.event("message.new") == later
        await socket.ask("chat.delivered", {"chat_id": chat, "seq": later["seq"]})
        await socket.close()

        await crowd.until(lambda: not place.direct.exists(keys.sockets(bo.id)))
        last = await people.ana.send(chat, "bye")
        await crowd.until_shown(bo, [last["id"]])
        assert await crowd.shown(bo) == [last["id"]]
        return True

    async def scenario(people: People) -> None:
        for _ in range(ATTEMPTS):
            if await attempt(people):
                return
        raise AssertionError("no message came during a $connect")

    run(place, scenario)


def test_g1_a_socket_that_redis_evicted_from_its_users_list_is_closed(place: Place) -> None:
    async def scenario(people: People) -> None:
        place.direct.delete(keys.sockets(people.ana.id))

        for socket in (people.busy, people.quiet):
            assert not await is_let_in(socket, "ping", {})
            await socket.closed()

    run(place, scenario)


def test_g1_a_socket_that_never_pings_is_closed_within_a_minute(place: Place) -> None:
    async def scenario(people: People) -> None:
        place.direct.delete(keys.sockets(people.ana.id))
        for key in place.direct.keys(keys.connection("*")):
            place.direct.hincrby(key, "checked_at", -60)  # the minute is over

        assert not await is_let_in(people.busy)
        await people.busy.closed()

    run(place, scenario)
