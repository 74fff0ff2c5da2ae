"""RabbitMQ's users for services that consume events, made over the management API."""

import json
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pika
import pytest
from pika.exceptions import (
    ConnectionClosedByBroker,
    ProbableAccessDeniedError,
    ProbableAuthenticationError,
)

from chalicelib.broker import topology
from chalicelib.broker.cloud_events import CONTENT_TYPE
from chalicelib.broker.publisher import Broker
from chalicelib.broker.users import BrokerUsers
from chalicelib.domain_events.consumers import EventConsumers
from chalicelib.domain_events.models import TYPES
from tests.contract.broker.managed import Server, allowed, registered, revoked, taken
from tests.contract.broker.queues import unread
from tests.unit.settings import settings


class TestAConsumerOfEvents:
    @pytest.fixture
    def consumers(self, server: Server, users: BrokerUsers) -> EventConsumers:
        url = server.user(1)
        users.ensure(url)
        topology.declare(url)
        given = settings(broker_admin=server.administered(server.admin[1]), amqp_url=url)
        return EventConsumers(given)

    def test_gets_only_its_registered_events(self, consumers: EventConsumers, url: str) -> None:
        account = consumers.register("some", ["user.registered"])
        with closing(Broker(url)) as ours:
            ours.publish(unread("ana"))
            ours.publish_events([revoked(), registered()])
            ((_, properties, body), rest) = taken(account)
            account = consumers.register("some", ["session.revoked"])
            ours.publish_events([registered(), revoked()])
            later, none = taken(account)

        assert (properties.content_type, properties.delivery_mode) == (CONTENT_TYPE, 2)
        assert json.loads(body) == json.loads(registered().model_dump_json())
        assert properties.message_id == registered().id
        assert rest == none == (None, None, None), "no push"
        assert later[1].message_id == revoked().id

    @pytest.mark.parametrize("key", [*TYPES, "user.*", "#", "message.unread.0", ""])
    @pytest.mark.parametrize("arguments", [None, {"one": "more"}])
    def test_may_bind_nothing(
        self, consumers: EventConsumers, key: str, arguments: dict[str, str] | None
    ) -> None:
        """Bindings take the broker's memory. Those of one key that differ in arguments have no
        limit."""
        account = consumers.register("board")
        bind = ("events.board", "parley.events", key, arguments)

        assert not allowed(account.url, lambda channel: channel.queue_bind(*bind))
        assert not allowed(account.url, lambda channel: channel.queue_unbind(*bind))

    @pytest.mark.parametrize(
        "act",
        [
            lambda channel: channel.queue_declare("mine"),
            lambda channel: channel.queue_declare("", exclusive=True),
            lambda channel: channel.queue_declare("events.board.2"),
            lambda channel: channel.exchange_declare("events.board"),
            lambda channel: channel.queue_delete("events.board"),
            lambda channel: channel.exchange_bind("amq.topic", "parley.events", "user.*"),
            lambda channel: channel.exchange_bind("parley.events", "amq.topic", "user.*"),
            lambda channel: channel.queue_bind("events.other", "parley.events", "user.*"),
            lambda channel: channel.queue_bind("events.board", "parley.retry", "user.*"),
            lambda channel: channel.queue_bind("events.board", "amq.topic", "user.*"),
            lambda channel: channel.queue_bind("push.0", "parley.events", "user.*"),
            lambda channel: channel.queue_unbind("push.0", "parley.events", "message.unread.0"),
            lambda channel: channel.basic_get("push.0"),
            lambda channel: channel.basic_get("push.dead"),
            lambda channel: channel.basic_get("events.other"),
            lambda channel: channel.queue_purge("events.other"),
            *(
                lambda channel, exchange=exchange: (
                    channel.confirm_delivery(),
                    channel.basic_publish(exchange, "user.registered", b""),
                )
                for exchange in ("", "parley.events", "amq.topic", "parley.retry")
            ),
        ],
    )
    def test_may_do_nothing_else(
        self, consumers: EventConsumers, act: Callable[[Any], Any]
    ) -> None:
        account = consumers.register("board")
        consumers.register("other")

        assert not allowed(account.url, act)

    def test_has_a_bounded_share_of_the_connections(
        self, server: Server, consumers: EventConsumers
    ) -> None:
        consumers.register("board")

        (limits,) = server.ask("user-limits/events_board")
        assert limits["value"] == {"max-connections": 10, "max-channels": 50}
        assert server.ask("users/events_board")["tags"] == []

    def test_its_queue_drops_the_oldest_and_refuses_nothing(
        self, server: Server, consumers: EventConsumers
    ) -> None:
        account = consumers.register("board")

        arguments = server.ask(f"queues/%2F/{account.queue}")["arguments"]
        assert arguments["x-queue-type"] == "quorum"
        assert (arguments["x-overflow"], arguments["x-max-length"]) == ("drop-head", 100_000)
        assert arguments["x-delivery-limit"] == 20

    def test_an_event_that_is_never_acknowledged_is_dropped(
        self, consumers: EventConsumers, url: str
    ) -> None:
        """The log of its queue would grow until the disk is full, and nobody could publish."""
        account = consumers.register("stubborn", ["user.registered", "session.revoked"])
        with (
            closing(Broker(url)) as ours,
            closing(pika.BlockingConnection(pika.URLParameters(account.url))) as connection,
        ):
            ours.publish_events([registered()])
            channel, times, waits = connection.channel(), 0, 0
            while waits < 5:
                method, _, _ = channel.basic_get(account.queue)
                if method is None:
                    waits += 1
                    connection.sleep(0.2)  # what is given back comes a moment later
                    continue
                times, waits = times + 1, 0
                channel.basic_nack(method.delivery_tag, requeue=True)
            ours.publish_events([revoked()])

        assert times == 21
        assert taken(account)[0][1].message_id == revoked().id

    def test_asking_again_gives_a_new_password_and_keeps_the_queue(
        self, consumers: EventConsumers, url: str
    ) -> None:
        first = consumers.register("again")
        with closing(Broker(url)) as ours:
            ours.publish_events([registered()])
        again = consumers.register("again")

        with pytest.raises((ProbableAuthenticationError, ProbableAccessDeniedError)):
            allowed(first.url, lambda channel: None)
        got: list[Any] = []
        assert allowed(again.url, lambda channel: got.append(channel.basic_get(again.queue)))
        assert got[0][2], "what came meanwhile is there"

    @pytest.mark.parametrize("cut_off", [EventConsumers.register, EventConsumers.remove])
    def test_connections_with_the_old_password_are_closed(
        self, consumers: EventConsumers, cut_off: Callable[[EventConsumers, str], object]
    ) -> None:
        parameters = pika.URLParameters(consumers.register("cut").url)
        connection = pika.BlockingConnection(parameters)

        cut_off(consumers, "cut")

        with pytest.raises(ConnectionClosedByBroker):
            connection.sleep(30)

    def test_cannot_sign_in_after_it_is_removed(
        self, server: Server, consumers: EventConsumers
    ) -> None:
        account = consumers.register("gone")
        consumers.remove("gone")
        consumers.remove("gone")

        with pytest.raises((ProbableAuthenticationError, ProbableAccessDeniedError)):
            allowed(account.url, lambda channel: None)
        assert account.queue not in {one["name"] for one in server.ask("queues")}

    def test_outlives_the_accounts_of_functions(
        self, server: Server, users: BrokerUsers, consumers: EventConsumers
    ) -> None:
        account = consumers.register("board")
        users.ensure(server.user(2))

        assert users.retire(server.user(2)) == ["parley_app_1"]
        assert allowed(account.url, lambda channel: None)

    def test_without_an_administrator_it_gets_the_one_account(self, server: Server) -> None:
        consumers = EventConsumers(settings(amqp_url=server.amqp))

        topology.declare(server.amqp)

        account = consumers.register("local")

        assert account.url == server.amqp
        with closing(Broker(server.amqp)) as ours:
            ours.publish_events([registered()])
        assert taken(account)[0][1].message_id == registered().id
        consumers.remove("local")
