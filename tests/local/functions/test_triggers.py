"""RabbitMQ triggers hand over batches, acknowledge and deliver again as Lambda's event source."""

import base64
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pika
import pytest

from local.functions import triggers as module
from local.functions.registered import Function
from local.functions.triggers import Triggers
from local.servers import Servers
from tests.local.conftest import MakeStack
from tests.local.stack import Stack, eventually


@pytest.fixture
def broker(servers: Servers) -> Iterator["Broker"]:
    made = Broker(servers.env["AMQP_URL"])
    yield made
    made.delete()


class Broker:
    """A quorum queue of the test's own."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.queue = f"test.{uuid4()}"
        self.declare()

    def declare(self) -> None:
        with self._channel() as channel:
            arguments = {"x-queue-type": "quorum"}
            channel.queue_declare(self.queue, durable=True, arguments=arguments)

    @contextmanager
    def _channel(self) -> Iterator[pika.adapters.blocking_connection.BlockingChannel]:
        connection = pika.BlockingConnection(pika.URLParameters(self.url))
        try:
            yield connection.channel()
        finally:
            connection.close()

    def publish(self, *bodies: str, **properties: object) -> None:
        with self._channel() as channel:
            channel.confirm_delivery()
            for body in bodies:
                channel.basic_publish(
                    "",
                    self.queue,
                    body.encode(),
                    pika.BasicProperties(delivery_mode=2, **properties),
                )

    def ready(self) -> int:
        """How many messages wait to be delivered."""
        with self._channel() as channel:
            count: int = channel.queue_declare(self.queue, passive=True).method.message_count
            return count

    def delete(self) -> None:
        with self._channel() as channel:
            channel.queue_delete(self.queue)


@contextmanager
def triggered(
    stack: Stack, broker: Broker, *, function: Function | None = None, window: float = 0.2
) -> Iterator[None]:
    async def start() -> Triggers:
        made = Triggers(
            pool=stack.pool,
            amqp_url=broker.url,
            queues=[broker.queue],
            function=function or stack.app.functions["notify"],
            report=stack.reports.append,
            window=window,
        )
        made.start()
        return made

    triggers = stack.run(start())
    try:
        yield
    finally:
        stack.run(triggers.stop())


def batches(stack: Stack, broker: Broker, kind: str = "notify") -> list[list[str]]:
    """The bodies that the function was called with."""
    found = []
    for event in stack.records(kind):
        (queue, messages), *others = event["rmqMessagesByQueue"].items()
        assert not others
        if queue == f"{broker.queue}::/":
            found.append([base64.b64decode(message["data"]).decode() for message in messages])
    return found


def test_events_have_the_shape_of_amazon_mqs(stack: Stack, broker: Broker) -> None:
    broker.publish(
        '{"é": 1}',
        content_type="application/json",
        message_id="m-1",
        correlation_id="c-1",
        timestamp=int(datetime(2026, 11, 5, 13, 4, 5, tzinfo=UTC).timestamp()),
        expiration="60000",
        headers={"text": "hi", "number": 10, "list": ["a"], "table": {"b": "c"}},
    )
    with triggered(stack, broker):
        eventually(lambda: batches(stack, broker))

    event = stack.records("notify")[-1]
    assert event["eventSource"] == "aws:rmq"
    assert event["eventSourceArn"].startswith("arn:aws:mq:")
    ((queue, (message,)),) = event["rmqMessagesByQueue"].items()
    assert queue == f"{broker.queue}::/"
    assert base64.b64decode(message["data"]).decode() == '{"é": 1}'
    assert message["redelivered"] is False
    properties = message["basicProperties"]
    assert properties["contentType"] == "application/json"
    assert properties["deliveryMode"] == 2
    assert properties["messageId"] == "m-1"
    assert properties["correlationId"] == "c-1"
    assert properties["timestamp"] == "Nov 5, 2026, 1:04:05 PM"
    assert properties["expiration"] == "60000"
    assert properties["bodySize"] == 9
    assert properties["headers"] == {
        "text": {"bytes": [104, 105]},
        "number": 10,
        "list": [{"bytes": [97]}],
        "table": {"b": {"bytes": [99]}},
    }
    assert 50_000 < event["remaining"] <= 60_000


def test_messages_come_in_batches_and_are_acknowledged(stack: Stack, broker: Broker) -> None:
    bodies = [str(number) for number in range(250)]
    broker.publish(*bodies)
    with triggered(stack, broker, window=2):
        eventually(lambda: sum(map(len, batches(stack, broker))) >= 250)

    assert [body for batch in batches(stack, broker) for body in batch] == bodies
    assert [len(batch) for batch in batches(stack, broker)] == [100, 100, 50]
    time.sleep(0.2)
    assert broker.ready() == 0


def test_a_failed_batch_is_delivered_again_as_a_whole(stack: Stack, broker: Broker) -> None:
    flag = Path(f"{stack.record_file}.fail")
    flag.touch()
    broker.publish("one", "two")
    try:
        with triggered(stack, broker, window=1):
            eventually(lambda: len(batches(stack, broker)) >= 2)
            flag.unlink()
            eventually(lambda: len(batches(stack, broker)) >= 3)
            time.sleep(0.5)
    finally:
        flag.unlink(missing_ok=True)

    assert batches(stack, broker) == [["one", "two"]] * 3
    last = stack.records("notify")[-1]["rmqMessagesByQueue"][f"{broker.queue}::/"]
    assert [message["redelivered"] for message in last] == [True, True]
    assert broker.ready() == 0
    assert any("failed and are delivered again" in report for report in stack.reports)


def test_a_batch_is_delivered_again_when_its_worker_dies(stack: Stack, broker: Broker) -> None:
    broker.publish("fragile")
    with triggered(stack, broker, function=Function("app.dies_once", "dies_once")):
        eventually(lambda: len(batches(stack, broker, "survived")) == 1)
        time.sleep(0.3)

    assert batches(stack, broker, "survived") == [["fragile"]]
    assert broker.ready() == 0


def test_a_queue_has_one_execution_at_a_time(stack: Stack, broker: Broker) -> None:
    slow = Function("app.slow_schedule", "slow")
    before = len(stack.marks("slow-started", "slow-ended"))
    with triggered(stack, broker, function=slow, window=0):
        for number in range(4):
            broker.publish(str(number))
        eventually(lambda: sum(map(len, batches(stack, broker, "slow-started"))) == 4)
        eventually(lambda: len(stack.marks("slow-started", "slow-ended")) % 2 == 0)

    kinds = [kind for kind, _ in stack.marks("slow-started", "slow-ended")[before:]]
    assert kinds == ["slow-started", "slow-ended"] * (len(kinds) // 2)


def test_what_is_not_acknowledged_goes_back_when_the_trigger_stops(
    stack: Stack, broker: Broker
) -> None:
    broker.publish("unfinished")
    with triggered(stack, broker, function=Function("app.hangs", "hangs")):
        eventually(lambda: batches(stack, broker, "hangs"))

    assert eventually(broker.ready) == 1


def test_a_queue_that_appears_later_is_found(stack: Stack, broker: Broker) -> None:
    broker.delete()
    with triggered(stack, broker):
        time.sleep(0.5)
        broker.declare()
        broker.publish("found")

        eventually(lambda: batches(stack, broker) == [["found"]])


@pytest.mark.parametrize("pause", [0.0, 0.2, 1.5])
def test_a_queue_that_is_deleted_and_declared_again_is_consumed_again(
    stack: Stack, broker: Broker, pause: float
) -> None:
    with triggered(stack, broker):
        broker.publish("before")
        eventually(lambda: batches(stack, broker) == [["before"]])
        broker.delete()
        time.sleep(pause)
        broker.declare()
        broker.publish("after")

        eventually(lambda: batches(stack, broker) == [["before"], ["after"]])


def test_an_empty_queue_is_consumed_for_ever(
    stack: Stack, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_RENEWED_EVERY", 0.3)
    with triggered(stack, broker):
        for number in range(4):
            time.sleep(0.5)
            broker.publish(str(number))

        eventually(lambda: sum(map(len, batches(stack, broker))) == 4)


def test_the_broker_may_go_away_and_come_back(
    make_stack: MakeStack, servers: Servers, broker: Broker
) -> None:
    stack = make_stack(workers=1)
    with triggered(stack, broker):
        broker.publish("before")
        eventually(lambda: batches(stack, broker) == [["before"]])

        servers["rabbitmq"].restart()
        broker.publish("after")

        # Together with "before", if the broker stopped before it got the acknowledgement.
        eventually(lambda: any("after" in one for one in batches(stack, broker)), patience=30)
    assert stack.reports == []


@pytest.mark.parametrize("after", [0.0, 0.001, 0.003, 0.006, 0.01, 0.03])
def test_it_stops_at_any_moment(stack: Stack, broker: Broker, after: float) -> None:
    for _ in range(5):
        with triggered(stack, broker):
            time.sleep(after)
