"""Answers of every server are lost while people chat: cut off, or never there (G1, G2, G3, G6)."""

import asyncio
import json
import random
from collections.abc import Callable, Iterator

import aiohttp
import pytest

from chalicelib.deadline import REQUEST_SECONDS
from tests.cloud import WIDE
from tests.faults.behind import Clouds
from tests.faults.checks import check
from tests.faults.conftest import UNHINDERED, WORKERS
from tests.faults.crowd import Crowd
from tests.faults.lossy import Loss

SERVERS = {
    "mongo": ["messages", "postgres", "redis", "rabbitmq", "gateway", "fcm"],
    "postgres": ["postgres"],
}
"""Those behind the same code are harmed where MongoDB keeps the messages."""

WANTED = {"cut": 12, "silence": 4}
"""How many answers each test loses, or fewer if the time is over."""

GAPS = {"cut": 30, "silence": 40}
"""At least one of this many answers is lost."""

LONGEST_SECONDS = 30.0
BOUND = REQUEST_SECONDS + 5  # a busy machine


@pytest.fixture(scope="module")
def clouds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clouds]:
    with Clouds(
        tmp_path_factory.mktemp,
        *["--schedule-seconds", "1", "--workers", str(WORKERS)],
        PENDING_AFTER_SECONDS="2",
        DELIVERED_WITHIN_SECONDS="2",
        PUSH_RETRY_SECONDS="1,2,5,15",
        SOCKETS_PER_SESSION="100",
        RATE_LIMITS=json.dumps({**json.loads(WIDE), **UNHINDERED}),
    ) as clouds:
        yield clouds


CASES = [
    pytest.param(store, server, how, id=f"{store}-{server}-{how}")
    for store, servers in SERVERS.items()
    for server in servers
    for how in WANTED
]


@pytest.mark.parametrize(("store", "server", "how"), CASES)
def test_g1_g2_g3_g6_g9_lost_answers_lose_and_double_nothing(
    clouds: Clouds, chance: random.Random, store: str, server: str, how: str
) -> None:
    """What is acknowledged is there once and in order for each member, and shown once."""
    behind = clouds.on(store)

    async def scenario(crowd: Crowd) -> Loss:
        loss = Loss(now_and_then(chance, GAPS[how]), chance, silent=how == "silence")
        async with crowd.talking():
            ends = asyncio.get_running_loop().time() + LONGEST_SECONDS
            with behind.proxies[server].losing(loss):
                while loss.lost < WANTED[how] and asyncio.get_running_loop().time() < ends:
                    await asyncio.sleep(0.1)
            await asyncio.sleep(1)
        await check(crowd, bound=BOUND)
        return loss

    async def whole() -> Loss:
        async with aiohttp.ClientSession() as http, asyncio.timeout(180):
            crowd = Crowd(behind.http_url, http, chance)
            await crowd.ready()
            await crowd.anonymous.call("DELETE /_local/pushes")
            await crowd.gather()
            try:
                return await scenario(crowd)
            finally:
                await crowd.leave()

    loss = asyncio.run(whole())
    print(f"lost {loss.lost} of {loss.answers} answers")
    assert loss.lost > 0


def now_and_then(chance: random.Random, longest: int) -> Callable[[int], bool]:
    """Chooses answers at random distances, none of which is longer."""
    due = chance.randint(1, longest)

    def chosen(answer: int) -> bool:
        nonlocal due
        if answer < due:
            return False
        due = answer + chance.randint(1, longest)
        return True

    return chosen
