"""If a worker dies between storing and delivering a message, another one delivers it."""

import asyncio

from tests.faults.calls import Unanswered
from tests.faults.checks import pages
from tests.faults.conftest import Run
from tests.faults.crowd import Crowd, Sent
from tests.faults.trouble import Trouble

UNDER_WAY_SECONDS = 0.7
"""A call has got to the server that is frozen, and has not given up on it yet."""


def test_g1_a_worker_that_dies_before_it_has_pushed_leaves_a_push_that_comes(
    run: Run, trouble: Trouble
) -> None:
    async def scenario(crowd: Crowd) -> None:
        sent = await cut_off(crowd, trouble)
        await crowd.ready()  # all workers died, and the next one called may not have been missed
        [message] = await pages(crowd.cy, crowd.lonely)
        assert message["client_id"] == sent.client_id
        await crowd.until_shown(crowd.di, [message["id"]])
        assert await crowd.cy.ok(sent.route, sent.body) == message
        assert await pages(crowd.di, crowd.lonely) == [message]

    run(scenario)


def test_g1_a_worker_that_dies_before_it_has_told_sockets_leaves_an_event_that_comes(
    run: Run, trouble: Trouble
) -> None:
    async def scenario(crowd: Crowd) -> None:
        sent = Sent.new(crowd.lively, crowd.ana, "are you there?")
        # These two do nothing that would find the message: they wait for what comes.
        async with crowd.ana.socket() as hers, crowd.bo.socket() as his:
            async with trouble.suspended(trouble.store):
                sending = asyncio.create_task(crowd.calls.http(crowd.ana, sent.route, sent.body))
                await asyncio.sleep(UNDER_WAY_SECONDS)
                redis = await trouble.stop("redis")
            try:
                await asyncio.sleep(UNDER_WAY_SECONDS)
                await die(trouble, sending)
            finally:
                redis.resume()

            message = await his.event("message.new")
            assert message["client_id"] == sent.client_id
            assert await hers.event("message.new") == message
            assert await crowd.ana.ok(sent.route, sent.body) == message
            assert await pages(crowd.bo, crowd.lively) == [message]

    run(scenario)


async def cut_off(crowd: Crowd, trouble: Trouble) -> Sent:
    """A message to the lonely chat, whose worker dies while it waits for RabbitMQ."""
    sent = Sent.new(crowd.lonely, crowd.cy, "are you there?")
    async with trouble.suspended("rabbitmq"):
        sending = asyncio.create_task(crowd.calls.http(crowd.cy, sent.route, sent.body))
        await asyncio.sleep(UNDER_WAY_SECONDS)
        await die(trouble, sending)
    return sent


async def die(trouble: Trouble, sending: "asyncio.Task[object]") -> None:
    """Kill the sender's worker in the middle of its work."""
    assert not sending.done()
    trouble.kill_workers()
    [result] = await asyncio.gather(sending, return_exceptions=True)
    assert isinstance(result, Unanswered)
    assert str(result) == "crashed"
