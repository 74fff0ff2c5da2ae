"""Failed pushes: tried again, laid aside, redriven; on a real RabbitMQ."""

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import pika
import pytest

from chalicelib.broker.publisher import Broker
from chalicelib.broker.pushes import Failure, MessageUnread
from chalicelib.broker.topology import DEAD, EVENTS
from chalicelib.errors import Unavailable
from tests.contract.broker.queues import BOUND, Queues, failure, unread, user_of
from tests.proxy import Proxy


class TestRetries:
    @pytest.mark.parametrize("attempt", range(4))
    def test_come_back_to_the_queue_they_failed_in(
        self, broker: Broker, queues: Queues, attempt: int
    ) -> None:
        broker.retry([failure(attempt)])

        method, properties, body = queues.wait_for("push.1")
        assert body == b'{"n":1}'
        assert method.routing_key == "message.unread.1"
        assert properties.headers["attempt"] == attempt + 1
        assert properties.headers["reason"] == "UnavailableError"
        assert properties.delivery_mode == 2
        assert properties.expiration is None

    def test_count_attempts_also_with_a_requested_pause(
        self, amqp_url: str, queues: Queues
    ) -> None:
        with closing(Broker(amqp_url, retry_seconds=(0.1, 0.1, 0.2, 0.1))) as broker:
            broker.retry([failure()._replace(retry_after=0.2)])

        _, properties, _ = queues.wait_for("push.1")
        assert (properties.headers["attempt"], properties.headers["tries"]) == (3, 1)

    def test_come_back_after_their_delay(self, amqp_url: str, queues: Queues) -> None:
        with closing(Broker(amqp_url, retry_seconds=(1.0, 1.0, 1.0, 1.0))) as broker:
            before = time.monotonic()
            broker.retry([failure()])

            queues.wait_for("push.1")
            assert time.monotonic() - before >= 1.0

    def test_do_not_wait_for_each_other(self, amqp_url: str, queues: Queues) -> None:
        with closing(Broker(amqp_url, retry_seconds=(60, 0.1, 60, 60))) as broker:
            broker.retry([failure(0, shard=0), failure(1, shard=1), failure(2, shard=2)])

            queues.wait_for("push.1")

    def test_are_dead_lettered_in_the_end(self, broker: Broker, queues: Queues) -> None:
        broker.retry([failure(4), failure(0)])

        _, properties, body = queues.wait_for(DEAD)
        assert body == b'{"n":1}'
        expected = {"attempt": 4, "reason": "UnavailableError", "queue": "push.1"}
        assert {key: properties.headers[key] for key in expected} == expected
        queues.wait_for("push.1")
        assert queues.take(DEAD) is None

    def test_skip_records_that_can_never_succeed(self, broker: Broker, queues: Queues) -> None:
        broker.bury([failure(0)])

        queues.wait_for(DEAD)


class TestRedrive:
    def test_gives_records_all_their_tries_again(self, broker: Broker, queues: Queues) -> None:
        broker.retry([failure(4, shard=2)])
        broker.bury([failure(1, shard=3)])

        assert broker.redrive(10) == (2, 0)

        for queue in ("push.2", "push.3"):
            method, properties, body = queues.wait_for(queue)
            assert body == b'{"n":1}'
            assert method.routing_key == f"message.unread.{queue[-1]}"
            assert properties.headers.pop("x-delivery-count", 0) == 0
            assert properties.headers == {"attempt": 0}
            assert properties.delivery_mode == 2
        assert queues.take(DEAD) is None

    def test_moves_no_more_than_it_is_told_the_oldest_first(
        self, broker: Broker, queues: Queues
    ) -> None:
        broker.bury([Failure(str(n).encode(), 0, 0, "x") for n in range(120)])

        assert broker.redrive(70) == (70, 50)

        assert [queues.wait_for("push.0")[2] for _ in range(70)] == [
            str(n).encode() for n in range(70)
        ]
        assert broker.redrive(1000) == (50, 0)

    def test_of_an_empty_queue_moves_nothing(self, broker: Broker, queues: Queues) -> None:
        assert broker.redrive(1000) == (0, 0)

    @pytest.mark.parametrize("headers", [None, {"queue": "push.99"}, {"queue": "push.dead"}])
    def test_of_a_record_without_a_queue_name_uses_the_first_queue(
        self, broker: Broker, queues: Queues, headers: dict[str, Any] | None
    ) -> None:
        queues.channel.confirm_delivery()
        properties = pika.BasicProperties(headers=headers, message_id="m1", delivery_mode=2)
        queues.channel.basic_publish("", DEAD, b"{}", properties)

        assert broker.redrive(1).moved == 1

        _, properties, body = queues.wait_for("push.0")
        assert (properties.message_id, body) == ("m1", b"{}")

    def test_includes_records_that_rabbitmq_dead_lettered(
        self, broker: Broker, queues: Queues
    ) -> None:
        event = unread(user_of(0))
        broker.publish(event)
        for _ in range(51):
            method, _, _ = queues.wait_for("push.0", keep=True)
            queues.channel.basic_nack(method.delivery_tag, requeue=True)
        queues.wait_until_one_is_in(DEAD)

        assert broker.redrive(10).moved == 1

        assert MessageUnread.model_validate_json(queues.wait_for("push.0")[2]) == event

    def test_leaves_records_that_no_queue_accepts(self, broker: Broker, queues: Queues) -> None:
        broker.bury([failure(0, shard=2)])
        queues.channel.queue_unbind("push.2", EVENTS, "message.unread.2")
        try:
            with pytest.raises(Unavailable):
                broker.redrive(10)
        finally:
            queues.channel.queue_bind("push.2", EVENTS, "message.unread.2")

        assert queues.wait_for(DEAD)[2] == b'{"n":1}'

    def test_by_two_at_once_moves_each_record_once(
        self, amqp_url: str, broker: Broker, queues: Queues
    ) -> None:
        broker.bury([Failure(str(n).encode(), 1, 0, "x") for n in range(200)])

        with ThreadPoolExecutor() as pool:
            found = list(pool.map(lambda _: Broker(amqp_url).redrive(200), range(2)))

        assert sum(one.moved for one in found) == 200
        moved = [queues.wait_for("push.1")[2] for _ in range(200)]
        assert sorted(moved, key=int) == [str(n).encode() for n in range(200)]
        assert queues.take("push.1") is None

    def test_has_an_end(self, hurried: None, behind: Broker, proxy: Proxy, queues: Queues) -> None:
        behind.bury([failure(0)])
        proxy.freeze()

        before = time.monotonic()
        with pytest.raises(Unavailable):
            behind.redrive(10)

        assert time.monotonic() - before < BOUND
        proxy.thaw()
        queues.wait_for(DEAD)
