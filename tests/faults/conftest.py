"""A local cloud for each message store, and people who chat in it while servers die."""

import asyncio
import json
import os
import random
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress

import aiohttp
import pytest

from tests.client import Api
from tests.cloud import WIDE, Cloud
from tests.faults.crowd import Crowd
from tests.faults.trouble import Trouble
from tests.stored import StoredChanges, stored_in

STORES = ("mongo", "postgres")
# As many calls at a time as there are callers: on AWS none waits for another one's answer.
WORKERS = 10
MINUTES = 3
SOCKETS_PER_SESSION = 100
# Devices that could not send for a while catch up faster than people would.
UNHINDERED = {
    "send": {kind: [100_000, 1] for kind in ("user", "session", "target")},
    "default": {kind: [100_000, 1] for kind in ("user", "session")},
    "frame": {"socket": [100_000, 1]},
    "connect": {kind: [100_000, 1] for kind in ("user", "session")},
}


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """No test harms MongoDB where messages are in PostgreSQL: that cloud has none."""
    needless = [item for item in items if item.name.endswith("[postgres-mongo]")]
    items[:] = [item for item in items if item not in needless]
    config.hook.pytest_deselected(items=needless)


on_one_store = pytest.mark.parametrize("cloud", STORES[:1], indirect=True)
"""For what does not depend on where messages are kept."""


@pytest.fixture(scope="package", params=STORES)
def cloud(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Cloud]:
    cloud = Cloud(
        tmp_path_factory.mktemp("cloud"),
        "--messages",
        request.param,
        "--schedule-seconds",
        "1",
        "--workers",
        str(WORKERS),
        PENDING_AFTER_SECONDS="2",
        DELIVERED_WITHIN_SECONDS="2",
        PUSH_RETRY_SECONDS="1,2,5,15",
        SOCKETS_PER_SESSION=str(SOCKETS_PER_SESSION),
        RATE_LIMITS=json.dumps({**json.loads(WIDE), **UNHINDERED}),
    )
    with cloud:
        asyncio.run(warm(cloud))
        yield cloud


async def warm(cloud: Cloud) -> None:
    """Have every worker load its drivers, which takes it a second."""
    async with aiohttp.ClientSession() as http:
        api = Api(cloud.http_url, http)
        await asyncio.gather(*(api.ok("GET /v1/ready") for _ in range(2 * WORKERS)))


@pytest.fixture
def seed() -> int:
    """FAULT_SEED repeats a failure, as far as the machine's own timing lets it be repeated."""
    seed = int(os.environ.get("FAULT_SEED") or random.SystemRandom().randrange(10**9))
    print(f"FAULT_SEED={seed}")  # pytest shows it when the test fails
    return seed


@pytest.fixture
def chance(seed: int) -> random.Random:
    return random.Random(seed)


@pytest.fixture
def trouble(cloud: Cloud, chance: random.Random) -> Trouble:
    return Trouble(cloud, chance)


@pytest.fixture
def stored(cloud: Cloud) -> Iterator[StoredChanges]:
    """Makes changes of chats that no route makes yet."""
    with stored_in(cloud) as stored:
        yield stored


Run = Callable[[Callable[[Crowd], Awaitable[None]]], None]


@pytest.fixture
def run(cloud: Cloud, chance: random.Random) -> Run:
    """Runs `async def scenario(crowd)` among people who have gathered."""

    def run(scenario: Callable[[Crowd], Awaitable[None]]) -> None:
        async def whole() -> None:
            async with aiohttp.ClientSession() as http, asyncio.timeout(60 * MINUTES):
                crowd = Crowd(cloud.http_url, http, chance)
                await crowd.ready()
                await crowd.anonymous.call("DELETE /_local/pushes")
                try:
                    await crowd.gather()
                    await scenario(crowd)
                except BaseException:
                    with suppress(Exception):  # the first failure is the one that counts
                        await crowd.leave()
                    raise
                await crowd.leave()

        asyncio.run(whole())

    return run
