"""A RabbitMQ that freezes, hangs up or refuses."""

import logging
import os
import socket
import time
from collections.abc import Callable
from contextlib import closing

import pika
import pytest

from chalicelib.broker import publisher as module
from chalicelib.broker.publisher import Broker
from chalicelib.broker.pushes import MessageUnread
from chalicelib.broker.topology import declare
from chalicelib.drivers import amqp
from chalicelib.drivers.amqp_connection import HEARTBEAT_SECONDS
from chalicelib.errors import Unavailable
from chalicelib.ids import new_id
from tests.contract.broker.queues import (
    BOUND,
    Queues,
    address_of,
    eventually,
    through,
    unread,
    user_of,
)
from tests.proxy import Proxy


class TestASickBroker:
    def fails_in_time(self, call: Callable[[], None]) -> None:
        before = time.monotonic()
        with pytest.raises(Unavailable) as caught:
            call()
        assert time.monotonic() - before < BOUND
        assert caught.value.dependency == "rabbitmq"

    def test_g9_that_freezes_is_not_waited_for(
        self, behind: Broker, proxy: Proxy, queues: Queues, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        behind.publish(unread(new_id()))
        proxy.freeze()

        self.fails_in_time(lambda: behind.publish(unread(new_id())))
        monkeypatch.setattr(module, "REST_SECONDS", 0.5)
        behind._rests_since = 0
        self.fails_in_time(lambda: behind.publish(unread(new_id())))
        again = time.monotonic()
        self.fails_in_time(lambda: behind.publish(unread(new_id())))
        assert time.monotonic() - again < 1, "right after a slow failure it fails at once"

        proxy.thaw()
        queues.purge()
        time.sleep(0.5)
        event = unread(user_of(3))
        behind.publish(event)
        assert MessageUnread.model_validate_json(queues.wait_for("push.3")[2]).user_ids

    def test_that_is_frozen_from_the_start_is_not_waited_for(
        self, hurried: None, behind: Broker, proxy: Proxy
    ) -> None:
        proxy.freeze()

        self.fails_in_time(lambda: behind.publish(unread(new_id())))
        self.fails_in_time(behind.ping)

    def test_that_is_short_of_memory_is_not_waited_for(self, amqp_url: str, queues: Queues) -> None:
        proxy = Alarmed(*address_of(amqp_url))
        with proxy, closing(Broker(through(amqp_url, proxy.port))) as broker:
            self.fails_in_time(lambda: broker.publish(unread(new_id())))

            proxy.alarm = False
            broker.publish(unread(new_id()))

    def test_that_closed_the_connection_is_reconnected(
        self, behind: Broker, proxy: Proxy, queues: Queues
    ) -> None:
        behind.publish(unread(user_of(0)))
        proxy.cut()

        behind.publish(unread(user_of(1)))

        assert queues.take("push.1") is not None

    def test_that_closes_idle_connections_is_reconnected(
        self, behind: Broker, proxy: Proxy, queues: Queues, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What is frozen, or gone, holds no connection at the broker."""
        monkeypatch.setattr(amqp, "HEARTBEAT_SECONDS", 1)
        behind.publish(unread(user_of(0)))
        assert proxy.carried == 1

        eventually(lambda: proxy.carried == 0, within=20)
        behind.publish(unread(user_of(1)))

        assert queues.take("push.1") is not None
        assert proxy.carried == 1

    def test_that_may_have_closed_unnoticed_is_reconnected_at_once(
        self, behind: Broker, proxy: Proxy, queues: Queues, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        behind.publish(unread(user_of(0)))
        proxy.forget()
        later = time.time() + 2 * HEARTBEAT_SECONDS + 1
        monkeypatch.setattr(time, "time", lambda: later)

        before = time.monotonic()
        behind.publish(unread(user_of(1)))

        assert time.monotonic() - before < amqp.SECONDS / 2, "the old one was not tried"
        assert queues.take("push.1") is not None

    def test_g9_whose_connection_the_network_dropped_is_reconnected(
        self, behind: Broker, proxy: Proxy, queues: Queues
    ) -> None:
        """Nobody can know it, since the connection was used a moment ago."""
        behind.publish(unread(user_of(0)))
        proxy.forget()

        before = time.monotonic()
        behind.publish(unread(user_of(1)))

        assert time.monotonic() - before < amqp.SECONDS + 0.5
        assert queues.take("push.1") is not None
        again = time.monotonic()
        behind.publish(unread(user_of(1)))
        assert time.monotonic() - again < amqp.SECONDS / 2, "it does not rest after a success"

    def test_g9_that_drips_is_not_waited_for(
        self, hurried: None, behind: Broker, proxy: Proxy
    ) -> None:
        behind.publish(unread(new_id()))
        proxy.drip = 1.0

        self.fails_in_time(lambda: behind.publish(unread(new_id())))

    def test_that_sends_heartbeats_between_calls_keeps_its_connection(
        self, behind: Broker, proxy: Proxy, queues: Queues, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Its heartbeats wait for us while we are frozen, and pika has nothing to say to them."""
        behind.publish(unread(user_of(0)))
        link = behind._link
        assert link is not None
        due = [one for one in link._loop._timer._timeout_heap if one.callback is not None]
        assert due == [], "pika would act on waking up"
        for _ in range(10):
            proxy.inject(pika.frame.Heartbeat().marshal())

        behind.publish(unread(user_of(1)))

        assert behind._link is link
        assert [each for each in caplog.records if each.levelno >= logging.WARNING] == []

    def test_that_is_down_is_reported_at_once(self, queues: Queues, amqp_url: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as unused:
            port = unused.getsockname()[1]

        self.fails_in_time(lambda: Broker(through(amqp_url, port)).publish(unread(new_id())))
        self.fails_in_time(lambda: declare(through(amqp_url, port)))

    def test_that_refuses_us_is_reported_without_the_password(
        self, amqp_url: str, proxy: Proxy, caplog: pytest.LogCaptureFixture
    ) -> None:
        url = through(amqp_url, proxy.port, user="guest:hunter2")

        self.fails_in_time(lambda: Broker(url).publish(unread(new_id())))

        assert "ACCESS_REFUSED" in caplog.text + str([vars(r) for r in caplog.records])
        assert "hunter2" not in caplog.text + str([vars(r) for r in caplog.records])

    def test_leaves_no_sockets_behind(self, hurried: None, behind: Broker, proxy: Proxy) -> None:
        proxy.freeze()
        self.fails_in_time(behind.ping)
        before = len(os.listdir("/proc/self/fd"))

        self.fails_in_time(behind.ping)

        # Those of the proxy: it has accepted one more.
        assert len(os.listdir("/proc/self/fd")) <= before + 1

    def test_that_is_healthy_gets_a_closing_handshake(
        self, amqp_url: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        one = Broker(amqp_url)
        one.ping()

        before = time.monotonic()
        one.close()

        assert time.monotonic() - before < 0.4, "it answers, so we need not give up on it"
        assert [each for each in caplog.records if each.levelno >= logging.WARNING] == []

    def test_that_is_healthy_answers_a_ping(self, broker: Broker) -> None:
        broker.ping()
        broker.ping()


class Alarmed(Proxy):
    """Tells clients that publish that the broker takes nothing for now, and keeps it from it."""

    alarm = True

    def _forward(self, source: socket.socket, target: socket.socket) -> None:
        publish = pika.spec.Basic.Publish.INDEX.to_bytes(4, "big")
        blocked = pika.frame.Method(0, pika.spec.Connection.Blocked("low on memory")).marshal()
        try:
            while data := source.recv(65536):
                if self.alarm and source.getsockname()[1] == self.port and publish in data:
                    source.sendall(blocked)
                else:
                    target.sendall(data)
        except OSError:
            return
        target.close()
