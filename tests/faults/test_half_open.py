"""A phone that lost its network looks connected: its socket takes everything and gives nothing."""

import asyncio

import pytest

from tests.faults.conftest import Run, on_one_store
from tests.faults.crowd import Crowd, Sent
from tests.faults.trouble import Trouble

pytestmark = [on_one_store]


@pytest.mark.parametrize("harm", ["kill", "freeze"])
def test_g1_a_message_that_a_socket_swallowed_is_pushed_although_rabbitmq_was_away(
    run: Run, trouble: Trouble, harm: str
) -> None:
    async def scenario(crowd: Crowd) -> None:
        async with crowd.di.socket() as silent:
            silent.connection.transport.pause_reading()
            sent = Sent.new(crowd.lonely, crowd.cy, "are you there?")
            if harm == "kill":
                away = asyncio.create_task(trouble.kill("rabbitmq"))
            else:
                away = asyncio.create_task(trouble.freeze("rabbitmq", 5))
            message = await crowd.calls.http(crowd.cy, sent.route, sent.body)
            # Only a missing acknowledgement leads to a push, and it is overdue soon.
            assert await crowd.shown(crowd.di) == []
            await away
            await crowd.until_shown(crowd.di, [message["id"]])
            assert await crowd.shown(crowd.di) == [message["id"]]
            silent.connection.transport.resume_reading()

    run(scenario)


def test_g6_what_a_socket_swallowed_is_pushed_once_while_nothing_is_amiss(run: Run) -> None:
    async def scenario(crowd: Crowd) -> None:
        async with crowd.di.socket() as silent:
            silent.connection.transport.pause_reading()
            messages = []
            for text in ("are you there?", "hello?"):
                sent = Sent.new(crowd.lonely, crowd.cy, text)
                messages.append(await crowd.calls.http(crowd.cy, sent.route, sent.body))
            ids = sorted(message["id"] for message in messages)
            await crowd.until_shown(crowd.di, ids)
            await asyncio.sleep(4)  # the jobs run every second
            assert sorted(await crowd.received(crowd.di)) == ids
            silent.connection.transport.resume_reading()

    run(scenario)
