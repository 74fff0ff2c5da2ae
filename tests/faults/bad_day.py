"""Servers and workers die and freeze by chance while people chat."""

import asyncio
import random
from collections.abc import Awaitable, Callable

from tests.faults.calls import API_GATEWAY_SECONDS
from tests.faults.checks import check
from tests.faults.crowd import Crowd
from tests.faults.trouble import Trouble


def bad_day(
    trouble: Trouble, chance: random.Random, troubles: int = 2
) -> Callable[[Crowd], Awaitable[None]]:
    """A scenario: troubles in turn, each of one or two things at once; then all is checked."""

    async def scenario(crowd: Crowd) -> None:
        mortal = set(trouble.servers)
        async with crowd.talking():
            for _ in range(troubles):
                await asyncio.sleep(chance.uniform(0, 1))
                hit = [harm(trouble, chance, mortal) for _ in range(chance.randint(1, 2))]
                await asyncio.gather(*hit)
            await crowd.ready()
            await asyncio.sleep(1)
        await check(crowd, bound=API_GATEWAY_SECONDS)

    return scenario


async def harm(trouble: Trouble, chance: random.Random, mortal: set[str]) -> None:
    """Something bad happens; each server dies once at most, since the cloud gives up on one
    that dies all the time."""
    server = chance.choice(sorted(trouble.servers))
    match chance.choice(["kill", "freeze", "workers"]):
        case "kill" if server in mortal:
            mortal.remove(server)
            print("kill", server)
            await trouble.kill(server)
        case "workers":
            print("kill workers")
            trouble.kill_worker()
            await asyncio.sleep(chance.uniform(0, 1))
            trouble.kill_workers()
        case _:
            seconds = chance.uniform(0.5, 8)
            print(f"freeze {server} for {seconds:.1f} s")
            await trouble.freeze(server, seconds)
