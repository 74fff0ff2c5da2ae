"""Publishing, on a real RabbitMQ."""

import time

import pytest

from chalicelib.broker.publisher import Broker
from chalicelib.broker.pushes import PUSH_QUEUES, Canary, MessageUnread, shard_of
from chalicelib.broker.topology import EVENTS
from chalicelib.errors import Unavailable
from chalicelib.ids import new_id
from tests.contract.broker.queues import Queues, unread, user_of


class TestPublishing:
    @pytest.mark.parametrize("shard", range(len(PUSH_QUEUES)))
    def test_queues_an_event_by_its_users(self, broker: Broker, queues: Queues, shard: int) -> None:
        event = unread(user_of(shard))

        broker.publish(event)

        found = queues.take(f"push.{shard}")
        assert found is not None, "it must be there when publish returns"
        _, properties, body = found
        assert MessageUnread.model_validate_json(body) == event
        assert properties.delivery_mode == 2
        assert properties.content_type == "application/json"
        assert properties.message_id == event.message_id
        assert abs(properties.timestamp - time.time()) < 60

    def test_a_canary_goes_into_every_push_queue(self, broker: Broker, queues: Queues) -> None:
        canary = Canary(canary=new_id())

        assert broker.publish_canary(canary) == PUSH_QUEUES

        for queue in PUSH_QUEUES:
            found = queues.take(queue)
            assert found is not None
            assert Canary.model_validate_json(found[2]) == canary

    def test_reaches_everyone_once(self, broker: Broker, queues: Queues) -> None:
        events = [unread(*(new_id() for _ in range(700))) for _ in range(5)]

        broker.publish_all(events)

        reached = []
        for shard, queue in enumerate(PUSH_QUEUES):
            while (found := queues.take(queue)) is not None:
                part = MessageUnread.model_validate_json(found[2])
                assert {shard_of(user_id) for user_id in part.user_ids} == {shard}
                reached += [(part.message_id, user_id) for user_id in part.user_ids]
        assert sorted(reached) == sorted((e.message_id, u) for e in events for u in e.user_ids)

    def test_fails_where_a_queue_is_full(self, broker: Broker, queues: Queues) -> None:
        arguments = {"x-max-length": 1, "x-overflow": "reject-publish"}
        queue = queues.channel.queue_declare("", exclusive=True, arguments=arguments).method.queue
        queues.channel.queue_bind(queue, EVENTS, "message.unread.0")
        event = unread(user_of(0))
        broker.publish(event)

        with pytest.raises(Unavailable):
            broker.publish_all([event, event])
