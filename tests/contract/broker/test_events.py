"""Events for other services beside pushes, on a real RabbitMQ: begun early, and harmful to none."""

import json
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from pika import SelectConnection

from chalicelib.broker import publisher as module
from chalicelib.broker.cloud_events import CloudEvent
from chalicelib.broker.publisher import Broker
from chalicelib.broker.pushes import MessageUnread
from chalicelib.broker.topology import EVENTS
from chalicelib.domain_events.models import MessageCreated
from chalicelib.drivers.amqp import Link, Outgoing
from chalicelib.errors import Unavailable
from chalicelib.ids import new_id
from chalicelib.wire import now
from tests.contract.broker.queues import Queues, eventually, through, unread, user_of
from tests.proxy import Proxy


def created() -> CloudEvent:
    message_id = new_id()
    data = MessageCreated(message_id=message_id, chat_id=new_id(), seq=1, sender_id=new_id())
    return CloudEvent.of(data, message_id, time=now(), issuer="https://chat.example.org")


class Service(Queues):
    """Another service, with a queue of its own."""

    def __init__(self, url: str, **arguments: Any) -> None:
        super().__init__(url)
        declared = self.channel.queue_declare("", exclusive=True, arguments=arguments or None)
        self.queue = declared.method.queue
        self.channel.queue_bind(self.queue, EVENTS, "message.created")

    def got(self) -> list[str]:
        """The ids of the events that came."""
        found = []
        while (one := self.take(self.queue)) is not None:
            found.append(json.loads(one[2])["id"])
        return found


@pytest.fixture
def service(amqp_url: str, queues: Queues) -> Iterator[Service]:
    service = Service(amqp_url)
    yield service
    service.connection.close()


@pytest.fixture
def broker(amqp_url: str, queues: Queues, proxy: Proxy) -> Iterator[Broker]:
    """Its connection is open."""
    with closing(Broker(through(amqp_url, proxy.port))) as broker:
        broker.ping()
        yield broker


def test_a_confirmed_event_is_in_the_queue_once(broker: Broker, service: Service) -> None:
    event, link = created(), broker._link

    begun = broker.begin([event])
    assert begun.link is link
    assert broker.finish(begun, ())

    assert service.got() == [event.id]
    assert broker._link is link


@pytest.mark.parametrize("pushes", [0, 1, 3])
def test_an_event_and_its_pushes_are_one_write(
    broker: Broker, service: Service, monkeypatch: pytest.MonkeyPatch, pushes: int
) -> None:
    """So that RabbitMQ cannot answer between them: they are one round trip at any speed."""
    writes: list[bytes] = []
    write = SelectConnection._adapter_emit_data

    def noted(connection: SelectConnection, data: bytes) -> None:
        writes.append(data)
        write(connection, data)

    monkeypatch.setattr(SelectConnection, "_adapter_emit_data", noted)
    event = created()

    assert broker.finish(broker.prepare([event]), [unread(user_of(n)) for n in range(pushes)])

    assert len(writes) == 1
    assert service.got() == [event.id]


def test_an_event_is_sent_though_nobody_waits_for_it(broker: Broker, service: Service) -> None:
    event = created()

    broker.begin([event])

    eventually(lambda: service.got() == [event.id], within=10)


def test_a_push_and_an_event_are_confirmed_together(
    broker: Broker, service: Service, queues: Queues
) -> None:
    event, push = created(), unread(user_of(2))

    assert broker.finish(broker.prepare([event]), [push])

    assert service.got() == [event.id]
    found = queues.take("push.2")
    assert found is not None
    assert MessageUnread.model_validate_json(found[2]) == push


def test_a_new_container_connects_at_the_end_alone(
    amqp_url: str, queues: Queues, proxy: Proxy, service: Service
) -> None:
    event = created()
    with closing(Broker(through(amqp_url, proxy.port))) as broker:
        begun = broker.begin([event])
        assert proxy.carried == 0
        # On a busy machine connecting may take longer than events are waited for.
        while not broker.finish(begun, ()):
            broker._rests_since = broker._events_rest_since = 0

    assert event.id in service.got()


def test_events_without_a_consumer_are_no_failure(broker: Broker) -> None:
    assert broker.finish(broker.begin([created()]), ())
    broker.publish_events([created() for _ in range(200)])
    broker.publish_events([])


class TestAServiceWhoseQueueIsFull:
    @pytest.fixture
    def full(self, amqp_url: str, queues: Queues) -> Iterator[Service]:
        service = Service(amqp_url, **{"x-max-length": 1, "x-overflow": "reject-publish"})
        service.channel.basic_publish("", service.queue, b"")
        yield service
        service.connection.close()

    def test_does_not_stop_pushes_or_other_services(
        self, broker: Broker, full: Service, service: Service, queues: Queues
    ) -> None:
        link, events = broker._link, [created() for _ in range(3)]

        for event in events:
            assert not broker.finish(broker.begin([event]), [unread(user_of(1))])

        assert service.got() == [event.id for event in events]
        assert [queues.take("push.1") is not None for _ in range(4)] == [True, True, True, False]
        assert broker._link is link, "the connection is well"

    def test_delays_no_caller(self, broker: Broker, full: Service) -> None:
        before = time.monotonic()

        for _ in range(5):
            assert not broker.finish(broker.begin([created()]), ())

        assert time.monotonic() - before < module.EVENT_SECONDS

    def test_raises_unavailable_to_the_job(self, broker: Broker, full: Service) -> None:
        with pytest.raises(Unavailable):
            broker.publish_events([created()])


class TestAServiceWhoseQueueDoesNotAnswer:
    """RabbitMQ confirms an event when all its queues have it. One without a majority has not."""

    @pytest.fixture(autouse=True)
    def silent(self, monkeypatch: pytest.MonkeyPatch) -> None:
        begin = Link.begin

        def never_confirmed(link: Link, messages: list[Outgoing]) -> frozenset[int]:
            numbers = begin(link, messages)
            if not messages:
                return numbers
            link._unconfirmed.add(2**63)
            return numbers | {2**63}

        monkeypatch.setattr(Link, "begin", never_confirmed)

    def test_does_not_stop_pushes(self, broker: Broker, service: Service, queues: Queues) -> None:
        link = broker._link

        assert not broker.finish(broker.begin([created()]), [unread(user_of(1))])
        before = time.monotonic()
        assert not broker.finish(broker.begin([created()]), [unread(user_of(1))])
        assert not broker.finish(broker.begin([created()]), ())

        assert time.monotonic() - before < module.EVENT_SECONDS, "events rest"
        assert [queues.take("push.1") is not None for _ in range(3)] == [True, True, False]
        assert broker._link is link, "it has just confirmed a push"

    def test_is_waited_for_once(self, broker: Broker, service: Service) -> None:
        before = time.monotonic()
        for _ in range(20):
            assert not broker.finish(broker.begin([created()]), ())

        assert time.monotonic() - before < 2 * module.EVENT_SECONDS
        broker.publish(unread(user_of(1)))

    def test_is_asked_again_after_a_while(
        self, broker: Broker, service: Service, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert not broker.finish(broker.begin([created()]), ())
        monkeypatch.undo()
        event = created()

        broker._events_rest_since = 0
        broker.publish_events([event])

        assert event.id in service.got()


def test_g9_a_broker_that_is_frozen_holds_up_one_send_in_a_while_and_shortly(
    broker: Broker, proxy: Proxy, service: Service
) -> None:
    proxy.freeze()
    before = time.monotonic()
    begun = broker.begin([created()])
    assert time.monotonic() - before < 0.2, "beginning waits for nothing"

    assert not broker.finish(begun, ())
    assert time.monotonic() - before < module.EVENT_SECONDS + 0.5
    again = time.monotonic()
    for _ in range(20):
        assert not broker.finish(broker.begin([created()]), ())
    assert time.monotonic() - again < 0.2

    proxy.thaw()
    broker._rests_since = broker._events_rest_since = 0
    event = created()
    broker.publish_events([event])
    assert event.id in service.got()


def test_g9_a_full_connection_is_not_waited_for(
    broker: Broker, proxy: Proxy, service: Service
) -> None:
    """Nobody reads from it any more, so nothing more can be written to it."""
    proxy.freeze()
    before = time.monotonic()

    events = [created()] * 100
    for _ in range(200):
        broker.begin(events)

    assert time.monotonic() - before < 30
    assert not broker.finish(broker.begin([created()]), ())


def test_a_broker_that_hangs_up_meanwhile_gets_the_event_over_a_new_connection(
    broker: Broker, proxy: Proxy, service: Service
) -> None:
    event = created()
    begun = broker.begin([event])
    proxy.cut()
    while not broker.finish(begun, ()):
        broker._rests_since = broker._events_rest_since = 0

    assert set(service.got()) == {event.id}
    proxy.cut()
    other = created()
    broker.publish_events([other])
    assert other.id in service.got()


def test_a_network_that_forgot_the_connection_costs_no_later_event(
    broker: Broker, proxy: Proxy, service: Service
) -> None:
    proxy.forget()
    assert not broker.finish(broker.begin([created()]), ())

    broker._rests_since = broker._events_rest_since = 0
    event = created()
    broker.publish_events([event])

    assert event.id in service.got()


@pytest.mark.parametrize("warm", [True, False])
def test_an_exchange_that_is_missing_is_declared_again(
    broker: Broker, queues: Queues, amqp_url: str, warm: bool
) -> None:
    if not warm:
        broker.close()
    queues.channel.exchange_delete(EVENTS)

    broker.publish_events([created()])

    queues.channel.exchange_declare(EVENTS, passive=True)
    broker.publish(unread(user_of(1)))
    assert queues.take("push.1") is not None


def test_a_push_is_queued_once_though_the_connection_breaks_before_its_event_is_confirmed(
    broker: Broker, proxy: Proxy, queues: Queues, monkeypatch: pytest.MonkeyPatch
) -> None:
    confirmed = Link.confirmed

    def breaks(link: Link, numbers: frozenset[int], deadline: float) -> bool | None:
        proxy.cut()
        link._unconfirmed |= numbers  # its confirm was on the way
        return confirmed(link, numbers, deadline)

    monkeypatch.setattr(Link, "confirmed", breaks)

    assert not broker.finish(broker.begin([created()]), [unread(user_of(1))])

    monkeypatch.undo()
    broker.publish(unread(user_of(2)))
    assert [queues.take("push.1") is not None for _ in range(2)] == [True, False]


def test_a_refused_push_is_still_a_failure(
    broker: Broker, amqp_url: str, queues: Queues, service: Service
) -> None:
    full = Service(amqp_url, **{"x-max-length": 1, "x-overflow": "reject-publish"})
    full.channel.queue_bind(full.queue, EVENTS, "message.unread.0")
    full.channel.basic_publish("", full.queue, b"")

    with pytest.raises(Unavailable):
        broker.finish(broker.begin([created()]), [unread(user_of(0))])
    full.connection.close()
