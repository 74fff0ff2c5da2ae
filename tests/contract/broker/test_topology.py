"""The topology, made and made again, on a real RabbitMQ."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress

import pytest

from chalicelib.broker import publisher as module
from chalicelib.broker.publisher import Broker
from chalicelib.broker.pushes import PUSH_QUEUES, MessageUnread
from chalicelib.broker.topology import DEAD, EVENTS, RETRY, declare, declare_within
from chalicelib.errors import Unavailable
from tests.contract.broker.queues import QUEUES, Queues, failure, unread, user_of


class TestTopology:
    def test_can_be_declared_again(self, amqp_url: str, queues: Queues) -> None:
        declare(amqp_url)
        declare(amqp_url)

    @pytest.mark.parametrize("queue", QUEUES)
    def test_every_queue_is_replicated(self, queues: Queues, queue: str) -> None:
        queues.channel.basic_publish("", queue, b"")
        method, _, _ = queues.wait_for(queue, keep=True)
        queues.channel.basic_nack(method.delivery_tag, requeue=True)

        _, properties, _ = queues.wait_for(queue)
        assert properties.headers["x-delivery-count"] == 1, "only quorum queues count"

    def test_a_record_that_always_crashes_its_consumer_is_dead_lettered(
        self, broker: Broker, queues: Queues
    ) -> None:
        event = unread(user_of(1))
        broker.publish(event)

        for _ in range(51):
            method, _, _ = queues.wait_for("push.1", keep=True)
            queues.channel.basic_nack(method.delivery_tag, requeue=True)

        assert MessageUnread.model_validate_json(queues.wait_for(DEAD)[2]) == event


class TestALostTopology:
    """As on a broker that was set up again, or whose queues somebody deleted."""

    @pytest.fixture(autouse=True)
    def whole_again(self, amqp_url: str, queues: Queues) -> Iterator[None]:
        yield
        declare(amqp_url)

    @pytest.mark.parametrize("queue", PUSH_QUEUES)
    def test_a_deleted_queue_is_declared_again(
        self, broker: Broker, queues: Queues, queue: str
    ) -> None:
        queues.channel.queue_delete(queue)

        broker.publish(unread(user_of(PUSH_QUEUES.index(queue))))

        assert queues.take(queue) is not None

    @pytest.mark.parametrize("warm", [True, False])
    @pytest.mark.parametrize("exchange", [EVENTS, RETRY])
    def test_a_deleted_exchange_is_declared_again(
        self, broker: Broker, queues: Queues, exchange: str, warm: bool
    ) -> None:
        if warm:
            broker.ping()
        queues.channel.exchange_delete(exchange)

        broker.publish(unread(user_of(1)))
        broker.retry([failure(shard=2)])

        assert queues.take("push.1") is not None
        queues.wait_for("push.2")

    def test_a_lost_binding_is_made_again(self, broker: Broker, queues: Queues) -> None:
        queues.channel.queue_unbind("push.2", EVENTS, "message.unread.2")

        broker.publish(unread(user_of(2)))

        assert queues.take("push.2") is not None

    def test_an_empty_broker_gets_all_of_it(self, broker: Broker, queues: Queues) -> None:
        for queue in QUEUES:
            queues.channel.queue_delete(queue)
        for exchange in (EVENTS, RETRY):
            queues.channel.exchange_delete(exchange)

        broker.bury([failure(shard=0)])

        queues.wait_for(DEAD)
        for queue in QUEUES:
            assert queues.take(queue) is None, "it must be there, and empty"
        queues.channel.exchange_declare(EVENTS, passive=True)
        queues.channel.exchange_declare(RETRY, passive=True)

    def test_a_ping_declares_an_exchange_that_is_missing(
        self, broker: Broker, queues: Queues
    ) -> None:
        queues.channel.exchange_delete(EVENTS)

        broker.ping()

        queues.channel.exchange_declare(EVENTS, passive=True)

    def test_exchanges_lost_under_load_cost_no_push_that_comes_later(
        self, amqp_url: str, queues: Queues
    ) -> None:
        lost = threading.Event()
        stop = threading.Event()
        promised: list[str] = []

        def publish(_: int) -> None:
            with closing(Broker(amqp_url)) as broker:
                while not stop.is_set():
                    after = lost.is_set()
                    event = unread(user_of(3))
                    try:
                        broker.publish(event)
                    except Unavailable:
                        continue  # the outbox keeps it
                    if after:
                        promised.append(event.message_id)

        with ThreadPoolExecutor() as pool:
            published = pool.map(publish, range(3))
            queues.channel.exchange_delete(EVENTS)
            queues.channel.queue_delete("push.3")
            lost.set()
            deadline = time.monotonic() + 30
            while len(promised) < 20 and time.monotonic() < deadline:
                time.sleep(0.01)
            stop.set()
            list(published)

        came = set()
        while (found := queues.take("push.3")) is not None:
            came.add(MessageUnread.model_validate_json(found[2]).message_id)
        assert len(promised) >= 20
        assert set(promised) <= came

    def test_nothing_is_declared_for_every_message(
        self, broker: Broker, queues: Queues, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        declared = count_declarations(monkeypatch)
        for _ in range(5):
            queues.channel.queue_delete("push.0")
            with suppress(Unavailable):
                broker.publish(unread(user_of(0)))
        assert len(declared) == 1

        later = time.time() + module.RESTORE_SECONDS + 1
        monkeypatch.setattr(time, "time", lambda: later)
        broker.publish(unread(user_of(0)))

        assert len(declared) == 2

    def test_a_refused_declaration_is_logged_and_not_repeated(
        self, broker: Broker, queues: Queues, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Refused as by permissions: such a queue cannot be ours."""
        declared = count_declarations(monkeypatch)
        queues.channel.queue_delete("push.1")
        queues.channel.queue_declare("push.1", durable=False, exclusive=True)
        try:
            for _ in range(3):
                with pytest.raises(Unavailable):
                    broker.publish(unread(user_of(1)))
            assert len(declared) == 1

            broker.publish(unread(user_of(0)))
        finally:
            queues.channel.queue_delete("push.1")


def count_declarations(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    urls: list[str] = []

    def count(url: str, deadline: float) -> None:
        urls.append(url)
        declare_within(url, deadline)

    monkeypatch.setattr(module, "declare_within", count)
    return urls
