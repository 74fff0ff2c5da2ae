"""Servers that are slow, or drip: requests are answered in time, and nothing is half done (G9).

On this machine each limit of a single call is met a few times in a row, which is what one deadline
for all of them is for.
"""

import asyncio
import shutil
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from urllib.parse import urlsplit

import aiohttp
import pytest
import websockets

from chalicelib.deadline import REQUEST_SECONDS
from local.servers import start_all
from tests.client import PASSWORD, Answer, Api, User, register
from tests.cloud import WIDE, Cloud
from tests.proxy import Proxy

WORKERS = 2
BOUND = REQUEST_SECONDS + 5  # a busy machine, and the two seconds that PostgreSQL may overrun
Scenario = Callable[[Api], Awaitable[None]]


@dataclass
class Net:
    """What lies between the functions and their servers."""

    cloud: Cloud
    postgres: Proxy
    redis: Proxy

    def well(self) -> None:
        for proxy in (self.postgres, self.redis):
            proxy.delay = proxy.drip = 0.0


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Net]:
    state = tmp_path_factory.mktemp("servers")
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, state)
        servers = stack.enter_context(
            start_all(state, ["postgres", "redis"], print, on_failure=lambda: None)
        )
        postgres, redis = (_before(servers[kind].url, stack) for kind in ("postgres", "redis"))
        cloud = Cloud(
            tmp_path_factory.mktemp("cloud"),
            *["--messages", "postgres", "--workers", str(WORKERS), "--schedule-seconds", "3600"],
            POSTGRES_URL=_through(servers["postgres"].url, postgres),
            REDIS_URL=_through(servers["redis"].url, redis),
            RATE_LIMITS=WIDE,
        )
        yield Net(stack.enter_context(cloud), postgres, redis)


@pytest.fixture
def run(net: Net) -> Iterator[Callable[[Scenario], None]]:
    """Runs a scenario with everything well, and every worker warm, at its start."""

    def run(scenario: Scenario) -> None:
        async def whole() -> None:
            async with aiohttp.ClientSession() as http:
                anonymous = Api(net.cloud.http_url, http)
                await _warm(anonymous)
                await scenario(anonymous)

        asyncio.run(whole())

    net.well()
    yield run
    net.well()


def test_g9_a_deletion_over_a_slow_postgresql_is_answered_in_time(
    net: Net, run: Callable[[Scenario], None]
) -> None:
    async def scenario(anonymous: Api) -> None:
        ana = await register(anonymous.url, anonymous.http)
        other = await ana.sign_in()
        net.postgres.delay = 2.4

        await _unavailable(ana, "POST /v1/users/me/delete", {"password": PASSWORD})
        net.well()
        await _warm(anonymous)
        assert (await other.call("GET /v1/users/me")).status == 200  # nothing was deleted
        assert (await ana.call("POST /v1/users/me/delete", {"password": PASSWORD})).status == 204
        assert (await other.call("GET /v1/users/me")).status == 401

    run(scenario)


def test_g9_connecting_over_slow_servers_is_answered_in_time(
    net: Net, run: Callable[[Scenario], None]
) -> None:
    async def scenario(anonymous: Api) -> None:
        ana = await register(anonymous.url, anonymous.http)
        net.redis.delay, net.postgres.delay = 0.9, 2.4
        url, bearer = net.cloud.socket_url, {"Authorization": f"Bearer {ana.token}"}

        started = time.monotonic()
        status = 101
        try:
            await websockets.connect(url, additional_headers=bearer, open_timeout=2 * BOUND)
        except websockets.InvalidStatus as refused:
            status = refused.response.status_code
        assert time.monotonic() - started < BOUND
        assert status in (101, 503)
        net.well()
        await _warm(anonymous)
        async with ana.socket() as socket:
            await socket.ask("ping")

    run(scenario)


DRIPPED = {
    "a ticket": ("POST /v1/socket-tickets", None, 201),
    "a logout": ("POST /v1/auth/logout", None, 204),
    "a change of password": (
        "POST /v1/auth/password",
        {"current_password": PASSWORD, "new_password": "battery staple 24 horse"},
        204,
    ),
    "a deletion": ("POST /v1/users/me/delete", {"password": PASSWORD}, 204),
}


@pytest.mark.parametrize("server", ["redis", "postgres"])
@pytest.mark.parametrize("what", DRIPPED)
def test_g9_a_server_that_answers_byte_by_byte_delays_nobody(
    what: str, server: str, net: Net, run: Callable[[Scenario], None]
) -> None:
    route, body, status = DRIPPED[what]

    async def scenario(anonymous: Api) -> None:
        ana = await register(anonymous.url, anonymous.http)
        getattr(net, server).drip = 1.0

        started = time.monotonic()
        answer = await ana.call(route, body)
        assert time.monotonic() - started < BOUND
        if answer.status != status:  # one of them needs nothing of PostgreSQL
            _is_unavailable(answer)
        net.well()
        await _warm(anonymous)
        if answer.status == 503:
            assert (await ana.call(route, body)).status == status

    run(scenario)


async def _warm(anonymous: Api) -> None:
    """Until each worker has connections that work."""
    async with asyncio.timeout(60):
        well = 0
        while well < 4 * WORKERS:
            answers = await asyncio.gather(
                *(anonymous.call("GET /v1/ready") for _ in range(2 * WORKERS))
            )
            well = well + len(answers) if all(a.status == 200 for a in answers) else 0


async def _unavailable(user: User, route: str, body: object) -> None:
    started = time.monotonic()
    answer = await user.call(route, body)
    assert time.monotonic() - started < BOUND
    _is_unavailable(answer)


def _is_unavailable(answer: Answer) -> None:
    assert (answer.status, answer.code) == (503, "unavailable")
    assert int(answer.headers["retry-after"]) > 0


def _before(url: str, stack: ExitStack) -> Proxy:
    parts = urlsplit(url)
    return stack.enter_context(Proxy(parts.hostname or "", parts.port or 0))


def _through(url: str, proxy: Proxy) -> str:
    parts = urlsplit(url)
    user, at, _ = parts.netloc.rpartition("@")
    return parts._replace(netloc=f"{user}{at}127.0.0.1:{proxy.port}").geturl()
