"""Every chat and message is published, whatever dies. Users do not wait for that."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Iterator
from typing import Any

import pytest

from tests.cloud import Cloud
from tests.faults.checks import check, pages
from tests.faults.conftest import Run
from tests.faults.crowd import Crowd
from tests.faults.test_outbox import cut_off
from tests.faults.trouble import Trouble
from tests.listener import Listener, listening

Told = tuple[str, str]
"""The type and the id of an event."""

JOB_RUNS_SECONDS = 5
"""Time for several runs of the jobs; what is pending is redelivered after two seconds here."""
ANSWER_SECONDS = 6.0
"""A send waits for RabbitMQ for a second; the rest is for a busy machine."""


@pytest.fixture
def listener(cloud: Cloud) -> Iterator[Listener]:
    with listening(cloud, "faults") as listener:
        yield listener


def told(listener: Listener, crowd: Crowd) -> list[Told]:
    """Types and ids of all events about the crowd's chats so far, each as often as it came. What
    the test before has left may come as well."""
    events = [one for one in list(listener.events) if "chat_id" in one["data"]]
    ids = {user.id for users in crowd.members.values() for user in users}
    ours = {
        one["subject"]
        for one in events
        if one["type"] == "chat.created" and ids.issuperset(one["data"]["member_ids"])
    }
    return [(one["type"], one["id"]) for one in events if one["data"]["chat_id"] in ours]


async def until_told(listener: Listener, crowd: Crowd, wanted: set[Told]) -> None:
    """Wait until all of these have come."""
    await crowd.until(lambda: set(told(listener, crowd)) >= wanted)


async def everything(crowd: Crowd) -> set[Told]:
    """The events of all chats and messages there are."""
    found: set[Told] = set()
    for chat_id, members in crowd.members.items():
        found.add(("chat.created", chat_id))
        found |= {("message.created", m["id"]) for m in await pages(members[0], chat_id)}
    return found


def test_g1_sockets_get_a_message_once_and_soon_though_rabbitmq_is_frozen(
    run: Run, trouble: Trouble, listener: Listener
) -> None:
    async def scenario(crowd: Crowd) -> None:
        await crowd.greet()
        async with crowd.bo.socket() as his:
            async with trouble.suspended("rabbitmq"):
                chat_id = await crowd.bo.chat_with(crowd.cy)
                sent = [await timely(crowd.ana.send(crowd.lively, f"{n}")) for n in range(20)]
                for message in sent:
                    await his.event("message.new", lambda m, one=message: m == one)  # type: ignore[misc]
                await asyncio.sleep(JOB_RUNS_SECONDS)
            await crowd.ready()
            await until_told(listener, crowd, await everything(crowd) | {("chat.created", chat_id)})
            await asyncio.sleep(JOB_RUNS_SECONDS)
            came = Counter(e["data"]["id"] for e in his.events if e["event"] == "message.new")

        assert {message_id: came[message_id] for message_id in came} == {m["id"]: 1 for m in sent}
        known = await everything(crowd) | {("chat.created", chat_id)}
        assert set(told(listener, crowd)) == known, "no event without its change"

    run(scenario)


async def timely(sending: Awaitable[Any]) -> Any:
    """The answer, which must not take long."""
    started = time.monotonic()
    answer = await sending
    assert time.monotonic() - started < ANSWER_SECONDS
    return answer


def test_g1_a_rabbitmq_that_dies_under_load_costs_no_event_and_no_push(
    run: Run, trouble: Trouble, listener: Listener
) -> None:
    async def scenario(crowd: Crowd) -> None:
        async with crowd.talking():
            await asyncio.sleep(1)
            await trouble.kill("rabbitmq")
            await trouble.answers("rabbitmq")
            await asyncio.sleep(1)
        await check(crowd)
        await until_told(listener, crowd, await everything(crowd))

        found = told(listener, crowd)
        assert set(found) == await everything(crowd), "no event without its change"
        print(f"told again: {len(found) - len(set(found))} of {len(found)}")

    run(scenario)


def test_g1_workers_that_die_all_the_time_cost_no_event(
    run: Run, trouble: Trouble, listener: Listener
) -> None:
    async def scenario(crowd: Crowd) -> None:
        async with crowd.talking():
            for _ in range(8):
                await asyncio.sleep(0.4)
                trouble.kill_worker()
            await asyncio.sleep(0.5)
        await check(crowd)
        await until_told(listener, crowd, await everything(crowd))

        assert set(told(listener, crowd)) == await everything(crowd)

    run(scenario)


def test_g1_a_worker_that_dies_between_storing_and_publishing_leaves_an_event_that_comes(
    run: Run, trouble: Trouble, listener: Listener
) -> None:
    async def scenario(crowd: Crowd) -> None:
        await cut_off(crowd, trouble)
        await crowd.ready()
        [message] = await pages(crowd.cy, crowd.lonely)
        await until_told(listener, crowd, {("message.created", message["id"])})
        await crowd.until_shown(crowd.di, [message["id"]])

    run(scenario)
