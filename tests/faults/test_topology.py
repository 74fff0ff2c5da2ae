"""RabbitMQ loses its exchanges and queues, like a broker that is set up again."""

import asyncio

import pika
import pytest

from chalicelib.broker.pushes import PUSH_QUEUES
from chalicelib.broker.topology import DEAD, EVENTS, RETRY, RETRY_SECONDS
from tests.cloud import Cloud
from tests.faults.checks import check
from tests.faults.conftest import Run, on_one_store
from tests.faults.crowd import Crowd

QUEUES = [*PUSH_QUEUES, DEAD, *(f"push.retry.{n + 1}" for n in range(len(RETRY_SECONDS)))]


@on_one_store
def test_g1_exchanges_that_are_deleted_under_load_cost_no_push(run: Run, cloud: Cloud) -> None:
    async def scenario(crowd: Crowd) -> None:
        async with crowd.talking():
            await asyncio.sleep(1)
            await asyncio.to_thread(delete, cloud, exchanges=[EVENTS, RETRY])
            await asyncio.sleep(2)
        await check(crowd)

    run(scenario)


@on_one_store
@pytest.mark.parametrize("exchanges", [[], [EVENTS, RETRY]])
def test_g1_queues_that_are_deleted_cost_no_push_of_what_is_sent_then(
    run: Run, cloud: Cloud, exchanges: list[str]
) -> None:
    async def scenario(crowd: Crowd) -> None:
        await asyncio.to_thread(delete, cloud, exchanges=exchanges, queues=QUEUES)
        async with crowd.talking():
            await asyncio.sleep(2)
        await check(crowd)

    run(scenario)


def delete(cloud: Cloud, *, exchanges: list[str], queues: list[str] | None = None) -> None:
    """Without any of our own code."""
    url = cloud.about["environment"]["AMQP_URL"]
    connection = pika.BlockingConnection(pika.URLParameters(url))
    channel = connection.channel()
    for exchange in exchanges:
        channel.exchange_delete(exchange)
    for queue in queues or []:
        channel.queue_delete(queue)
    connection.close()
