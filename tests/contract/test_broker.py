"""Publishing and the topology, on a real RabbitMQ."""

import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pika
import pytest

from chalicelib import amqp
from chalicelib import broker as module
from chalicelib.broker import DEAD, EVENTS, RETRY, Broker, declare
from chalicelib.errors import Unavailable
from chalicelib.events import PUSH_QUEUES, Canary, Failure, MessageUnread, shard_of
from chalicelib.ids import new_id
from chalicelib.wire import now
from tests.proxy import Proxy

QUEUES = [*PUSH_QUEUES, DEAD, *(f"push.retry.{attempt}" for attempt in range(1, 5))]
BOUND = 5.0
"""A call is over after 4 s; the rest is for a busy machine."""


class Queues:
    """What is in the queues, by a connection of the test's own."""

    def __init__(self, url: str) -> None:
        self.connection = pika.BlockingConnection(pika.URLParameters(url))
        self.channel = self.connection.channel()

    def purge(self) -> None:
        for queue in QUEUES:
            self.channel.queue_purge(queue)

    def take(self, queue: str, *, keep: bool = False) -> tuple[Any, Any, bytes] | None:
        method, properties, body = self.channel.basic_get(queue, auto_ack=not keep)
        return None if method is None else (method, properties, body)

    def wait_until_one_is_in(self, queue: str) -> None:
        deadline = time.monotonic() + 10
        while self.channel.queue_declare(queue, passive=True).method.message_count != 1:
            assert time.monotonic() < deadline, f"nothing came to {queue}"
            time.sleep(0.02)

    def wait_for(self, queue: str, *, keep: bool = False) -> tuple[Any, Any, bytes]:
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            if (found := self.take(queue, keep=keep)) is not None:
                return found
            time.sleep(0.02)
        raise AssertionError(f"nothing came to {queue}")


@pytest.fixture
def queues(amqp_url: str) -> Iterator[Queues]:
    declare(amqp_url)
    queues = Queues(amqp_url)
    queues.purge()
    yield queues
    queues.purge()
    queues.connection.close()


@pytest.fixture
def broker(amqp_url: str, queues: Queues) -> Iterator[Broker]:
    with closing(Broker(amqp_url, retry_seconds=(0.1, 0.1, 0.1, 0.1))) as broker:
        yield broker


@pytest.fixture
def proxy(amqp_url: str) -> Iterator[Proxy]:
    with Proxy(*_address(amqp_url)) as proxy:
        yield proxy


@pytest.fixture
def behind(amqp_url: str, queues: Queues, proxy: Proxy) -> Iterator[Broker]:
    with closing(Broker(_through(amqp_url, proxy.port))) as broker:
        yield broker


def _address(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    return parts.hostname or "127.0.0.1", parts.port or 5672


def _through(url: str, port: int, user: str | None = None) -> str:
    parts = urlsplit(url)
    account = user or parts.netloc.rpartition("@")[0]
    return urlunsplit(parts._replace(netloc=f"{account}@127.0.0.1:{port}"))


def unread(*user_ids: str) -> MessageUnread:
    return MessageUnread(
        message_id=new_id(),
        chat_id=new_id(),
        seq=1,
        sender_id=new_id(),
        preview="Grüße 👋",
        sent_at=now(),
        user_ids=list(user_ids),
    )


def user_of(shard: int) -> str:
    return next(user for user in iter(new_id, "") if shard_of(user) == shard)


def eventually(check: Callable[[], bool], within: float) -> None:
    deadline = time.monotonic() + within
    while not check():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def failure(attempt: int = 0, shard: int = 1) -> Failure:
    return Failure(b'{"n":1}', shard=shard, attempt=attempt, reason="UnavailableError")


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

    def test_a_record_that_always_takes_its_consumer_down_is_laid_aside(
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
    genuine = module._declare

    def count(url: str, deadline: float) -> None:
        urls.append(url)
        genuine(url, deadline)

    monkeypatch.setattr(module, "_declare", count)
    return urls


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

    def test_count_their_tries_whatever_pause_was_asked_for(
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

    def test_end_with_the_dead(self, broker: Broker, queues: Queues) -> None:
        broker.retry([failure(4), failure(0)])

        _, properties, body = queues.wait_for(DEAD)
        assert body == b'{"n":1}'
        expected = {"attempt": 4, "reason": "UnavailableError", "queue": "push.1"}
        assert {key: properties.headers[key] for key in expected} == expected
        queues.wait_for("push.1")
        assert queues.take(DEAD) is None

    def test_are_spared_what_is_hopeless(self, broker: Broker, queues: Queues) -> None:
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

    def test_of_nothing_is_nothing(self, broker: Broker, queues: Queues) -> None:
        assert broker.redrive(1000) == (0, 0)

    @pytest.mark.parametrize("headers", [None, {"queue": "push.99"}, {"queue": "push.dead"}])
    def test_of_what_tells_no_queue_goes_to_the_first(
        self, broker: Broker, queues: Queues, headers: dict[str, Any] | None
    ) -> None:
        queues.channel.confirm_delivery()
        properties = pika.BasicProperties(headers=headers, message_id="m1", delivery_mode=2)
        queues.channel.basic_publish("", DEAD, b"{}", properties)

        assert broker.redrive(1).moved == 1

        _, properties, body = queues.wait_for("push.0")
        assert (properties.message_id, body) == ("m1", b"{}")

    def test_of_what_rabbitmq_laid_aside_goes_on_too(self, broker: Broker, queues: Queues) -> None:
        event = unread(user_of(0))
        broker.publish(event)
        for _ in range(51):
            method, _, _ = queues.wait_for("push.0", keep=True)
            queues.channel.basic_nack(method.delivery_tag, requeue=True)
        queues.wait_until_one_is_in(DEAD)

        assert broker.redrive(10).moved == 1

        assert MessageUnread.model_validate_json(queues.wait_for("push.0")[2]) == event

    def test_leaves_in_place_what_no_queue_takes(self, broker: Broker, queues: Queues) -> None:
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


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SECONDS", 1.5)


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
        assert time.monotonic() - again < 0.1, "right after a slow failure it fails at once"

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
        proxy = Alarmed(*_address(amqp_url))
        with proxy, closing(Broker(_through(amqp_url, proxy.port))) as broker:
            self.fails_in_time(lambda: broker.publish(unread(new_id())))

            proxy.alarm = False
            broker.publish(unread(new_id()))

    def test_that_hung_up_meanwhile_is_connected_to_again(
        self, behind: Broker, proxy: Proxy, queues: Queues
    ) -> None:
        behind.publish(unread(user_of(0)))
        proxy.cut()

        behind.publish(unread(user_of(1)))

        assert queues.take("push.1") is not None

    def test_that_hangs_up_on_the_silent_is_connected_to_again(
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

    def test_that_may_have_hung_up_unheard_is_connected_to_again_at_once(
        self, behind: Broker, proxy: Proxy, queues: Queues, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        behind.publish(unread(user_of(0)))
        proxy.forget()
        later = time.time() + 2 * amqp.HEARTBEAT_SECONDS + 1
        monkeypatch.setattr(time, "time", lambda: later)

        before = time.monotonic()
        behind.publish(unread(user_of(1)))

        assert time.monotonic() - before < amqp.SECONDS / 2, "the old one was not tried"
        assert queues.take("push.1") is not None

    def test_that_speaks_meanwhile_is_no_news(
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

    def test_that_is_gone_is_told_at_once(self, queues: Queues, amqp_url: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as unused:
            port = unused.getsockname()[1]

        self.fails_in_time(lambda: Broker(_through(amqp_url, port)).publish(unread(new_id())))
        self.fails_in_time(lambda: declare(_through(amqp_url, port)))

    def test_that_refuses_us_is_told_without_the_password(
        self, amqp_url: str, proxy: Proxy, caplog: pytest.LogCaptureFixture
    ) -> None:
        url = _through(amqp_url, proxy.port, user="guest:hunter2")

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

    def test_that_is_well_is_left_politely(
        self, amqp_url: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        one = Broker(amqp_url)
        one.ping()

        before = time.monotonic()
        one.close()

        assert time.monotonic() - before < 0.4, "it answers, so we need not give up on it"
        assert [each for each in caplog.records if each.levelno >= logging.WARNING] == []

    def test_says_whether_it_is_well(self, broker: Broker) -> None:
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
