"""Servers and workers die or freeze while people write and change what they wrote; nothing that was
acknowledged is lost."""

import asyncio
import os
import random

import pytest

from tests.faults.bad_day import bad_day
from tests.faults.checks import check
from tests.faults.conftest import Run
from tests.faults.crowd import Crowd
from tests.faults.trouble import Trouble
from tests.stored import StoredChanges

SERVERS = ("rabbitmq", "redis", "postgres", "mongo")
ROUNDS = int(os.environ.get("FAULT_ROUNDS", "1"))
FREEZE_SECONDS = 7.0
"""Longer than any call waits for a server."""


@pytest.mark.parametrize("server", SERVERS)
def test_g1_g2_g3_a_server_that_is_killed_loses_nothing(
    run: Run, trouble: Trouble, stored: StoredChanges, server: str
) -> None:
    async def scenario(crowd: Crowd) -> None:
        async with crowd.talking(), crowd.editing(stored):
            await asyncio.sleep(1)
            await trouble.kill(server)
            await crowd.ready()
            await asyncio.sleep(1)
        await check(crowd)
        assert crowd.calls.outcomes() <= {"ok", "unavailable", "unauthorized", "lost"}

    run(scenario)


@pytest.mark.parametrize("server", SERVERS)
def test_g1_g2_g3_g9_a_server_that_freezes_loses_nothing_and_holds_up_nobody_for_long(
    run: Run, trouble: Trouble, stored: StoredChanges, server: str
) -> None:
    async def scenario(crowd: Crowd) -> None:
        async with crowd.talking(), crowd.editing(stored):
            await asyncio.sleep(1)
            await trouble.freeze(server, FREEZE_SECONDS)
            await crowd.ready()
            await asyncio.sleep(1)
        await check(crowd)
        assert crowd.calls.outcomes() <= {"ok", "unavailable", "unauthorized", "lost"}

    run(scenario)


def test_g1_g2_g3_workers_that_are_killed_lose_nothing(
    run: Run, trouble: Trouble, stored: StoredChanges, chance: random.Random
) -> None:
    async def scenario(crowd: Crowd) -> None:
        async with crowd.talking(), crowd.editing(stored):
            await asyncio.sleep(1)
            for _ in range(20):
                trouble.kill_worker()
                await asyncio.sleep(chance.uniform(0, 0.3))
            trouble.kill_workers()
            await asyncio.sleep(1)
        await check(crowd)
        assert "crashed" in crowd.calls.outcomes()

    run(scenario)


@pytest.mark.parametrize("number", range(ROUNDS))
def test_g1_g2_g3_g9_a_bad_day_loses_nothing(
    run: Run, trouble: Trouble, seed: int, number: int
) -> None:
    """Several things at once and one after the other; FAULT_ROUNDS says how many such days."""
    run(bad_day(trouble, random.Random(f"{seed} {number}")))
