"""Publishes to RabbitMQ, retries records, and dead-letters them."""

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from pika import BasicProperties, DeliveryMode
from pika.exceptions import AMQPError

from chalicelib import metrics
from chalicelib.broker.cloud_events import CONTENT_TYPE, CloudEvent
from chalicelib.broker.pushes import PUSH_QUEUES, PUSH_SHARDS, Canary, Failure, MessageUnread
from chalicelib.broker.topology import DEAD, EVENTS, RETRY, RETRY_SECONDS, declare_within, push_key
from chalicelib.deadline import within
from chalicelib.drivers.amqp import SECONDS, Incoming, Link, Outgoing, TopologyMissing, cause_of
from chalicelib.errors import Unavailable
from chalicelib.errors.counted import unavailable

log = logging.getLogger(__name__)

SLOW_SECONDS = 1.0
REST_SECONDS = 5.0
"""After a failure that took this long, calls fail at once for a while. Otherwise a frozen broker
slows down every message to an absent member, which is delivered later anyway."""

EVENT_SECONDS = 1.0
"""How long to wait for the confirmation of events. Without it, no events are sent for REST_SECONDS;
pushes continue, because perhaps only the queue of one service has no majority."""

RESTORE_SECONDS = 30.0  # a function declares missing queues at most once in this time
REDRIVE_SECONDS = 200.0
REDRIVE_BATCH = 50

_PING = {"exchange": EVENTS, "passive": True}


class Redriven(NamedTuple):
    """How many records went back to their queues, and how many are still in `push.dead`."""

    moved: int
    left: int


class Begun(NamedTuple):
    """Events for other services. If they were sent already: the connection, and the numbers of the
    confirms."""

    messages: list[Outgoing]
    link: Link | None = None
    numbers: frozenset[int] = frozenset()


class Broker:
    """Publishes; returns when RabbitMQ has confirmed that the message is queued on disk.

    Every method may raise Unavailable, after `SECONDS` at most unless it says otherwise; the
    message may be published all the same. Missing exchanges and queues are declared, if our user
    has the right.
    """

    def __init__(self, url: str, retry_seconds: Sequence[float] = RETRY_SECONDS) -> None:
        self._url = url
        self._retry_seconds = retry_seconds
        self._link: Link | None = None
        self._rests_since = self._events_rest_since = self._restored_at = 0.0

    def publish(self, event: MessageUnread) -> None:
        """Queue a push to `event.user_ids`, however many and of whatever shards."""
        self.publish_all([event])

    def publish_all(self, pushes: Iterable[MessageUnread]) -> None:
        """Queue several pushes in one round trip."""
        self._send([one for push in pushes for one in _pushes(push)])

    def publish_events(self, events: Iterable[CloudEvent]) -> None:
        """Publish events for other services. It is no error if no service consumes them. Also
        raises Unavailable if the queue of a service refuses one."""
        prepared = self.prepare(events)
        if prepared.messages and not self._finish(prepared, [], SECONDS):
            raise unavailable("rabbitmq")

    def prepare(self, events: Iterable[CloudEvent]) -> Begun:
        """Events for other services that `finish` sends, in one write with its pushes."""
        return Begun(list(map(_event, events)))

    def begin(self, events: Iterable[CloudEvent]) -> Begun:
        """Send events for other services over the kept connection, if there is one. Does not wait
        for RabbitMQ: `finish` does that, or sends them over a new connection. Never fails."""
        begun, link = self.prepare(events), self._link
        rests_since = max(self._rests_since, self._events_rest_since)
        if link is None or link.is_stale or _within(REST_SECONDS, rests_since):
            return begun
        try:
            return begun._replace(link=link, numbers=link.begin(begun.messages))
        except (AMQPError, OSError):
            return begun

    def finish(self, begun: Begun, pushes: Iterable[MessageUnread]) -> bool:
        """Queue pushes. Answers whether RabbitMQ has confirmed the events of `begun`.

        Raises Unavailable if there are pushes and they are not queued, never because of events:
        the queue of another service may be full or away. With events alone it never fails, and
        takes EVENT_SECONDS at most.
        """
        outgoing = [one for push in pushes for one in _pushes(push)]
        try:
            return self._finish(begun, outgoing, SECONDS if outgoing else EVENT_SECONDS)
        except Unavailable:
            if outgoing:
                raise
            return False

    def _finish(self, begun: Begun, pushes: list[Outgoing], seconds: float) -> bool:
        resting = _within(REST_SECONDS, self._events_rest_since)
        if resting and not pushes:
            return False
        answer: bool | None = None

        def ask(link: Link, deadline: float) -> None:
            nonlocal answer
            sent = link is begun.link
            numbers = begun.numbers if sent else link.hand_over([] if resting else begun.messages)
            if not pushes:
                answer = link.confirmed(numbers, deadline)
                return
            link.publish(pushes, deadline)
            with suppress(AMQPError, OSError):  # otherwise the pushes are published twice
                answer = link.confirmed(numbers, min(deadline, time.monotonic() + EVENT_SECONDS))

        self._ask(ask, seconds)
        if answer is None:
            self._events_rest_since = time.time()
            if not pushes:
                self.close()  # perhaps the network dropped the connection
        return bool(answer) and not resting

    def publish_canary(self, canary: Canary) -> list[str]:
        """Put a canary into every push queue; returns the names of the queues."""
        body = canary.model_dump_json().encode()
        self._send(
            [
                Outgoing(EVENTS, push_key(shard), body, _properties(message_id=canary.canary))
                for shard in range(PUSH_SHARDS)
            ]
        )
        return PUSH_QUEUES

    def retry(self, failures: Iterable[Failure]) -> None:
        """Deliver records again after the delay of their next attempt, or after a longer one if FCM
        asked for it. Records without attempts left go to `push.dead`."""
        self._put_off([self._again(failure) for failure in failures])

    def bury(self, failures: Iterable[Failure]) -> None:
        """Put records that can never succeed into `push.dead`, where an operator can see them."""
        self._put_off([_dead(failure) for failure in failures])

    def redrive(self, limit: int) -> Redriven:
        """Put records from `push.dead` back into their queues, with all attempts again.

        The oldest first, at most `limit` and at most as many as were there at the start, for
        `REDRIVE_SECONDS`. A record leaves `push.dead` when its copy is confirmed: none is lost, and
        one may be delivered twice.
        """
        link, ends, moved = Link(self._url), time.monotonic() + REDRIVE_SECONDS, 0
        try:
            link.open(time.monotonic() + SECONDS)
            wanted = min(limit, link.size(DEAD, time.monotonic() + SECONDS))
            while moved < wanted and time.monotonic() < ends:
                most = min(REDRIVE_BATCH, wanted - moved)
                taken = link.take(DEAD, most, time.monotonic() + SECONDS)
                if not taken:
                    break  # another process redrives at the same time
                link.publish([_revived(one) for one in taken], time.monotonic() + SECONDS)
                link.acknowledge(taken[-1].tag)
                moved += len(taken)
            return Redriven(moved, link.size(DEAD, time.monotonic() + SECONDS))
        except (AMQPError, OSError) as error:
            log.warning("redrive broke off", extra={"moved": moved, "cause": cause_of(error)})
            raise unavailable("rabbitmq") from error
        finally:
            link.close()

    def ping(self) -> None:
        """Raises Unavailable unless RabbitMQ answers and knows our exchange."""
        self._ask(lambda link, deadline: link.call("exchange_declare", deadline, **_PING))

    def close(self) -> None:
        """Drop the connection; the next call opens another."""
        if self._link is not None:
            self._link.close()
            self._link = None

    def _again(self, failure: Failure) -> Outgoing:
        left = list(enumerate(self._retry_seconds, start=1))[failure.attempt :]
        if not left:
            return _dead(failure)
        # `attempt` names the queue to wait in. FCM may ask for a longer wait; then it is the queue
        # of a later attempt. `tries` counts the attempts.
        long_enough = (each for each in left if each[1] >= failure.retry_after)
        attempt, delay = next(long_enough, left[-1])
        headers = {"attempt": attempt, "tries": failure.attempt + 1, "reason": failure.reason}
        properties = _properties(headers=headers, expiration=str(round(delay * 1000)))
        return Outgoing(RETRY, push_key(failure.shard), failure.body, properties)

    def _put_off(self, messages: list[Outgoing]) -> None:
        self._send(messages)
        buried = sum(message.routing_key == DEAD for message in messages)
        metrics.count("PushesBuried", buried)
        metrics.count("PushesRetried", len(messages) - buried)

    def _send(self, messages: list[Outgoing]) -> None:
        if messages:
            self._ask(lambda link, deadline: link.publish(messages, deadline))

    def _ask(self, ask: "Callable[[Link, float], None]", seconds: float = SECONDS) -> None:
        if _within(REST_SECONDS, self._rests_since):
            raise unavailable("rabbitmq")
        started = time.monotonic()
        deadline = started + within(seconds)
        try:
            try:
                self._ask_any(ask, deadline)
            except TopologyMissing:
                if _within(RESTORE_SECONDS, self._restored_at):
                    raise
                log.warning("exchanges or queues are missing, and are declared again")
                self._restored_at = time.time()
                declare_within(self._url, deadline)
                self._ask_new(ask, deadline)
        except (AMQPError, OSError) as error:
            self.close()
            if time.monotonic() - started > SLOW_SECONDS:
                self._rests_since = time.time()
            log.warning("rabbitmq cannot be used", extra={"cause": cause_of(error)})
            raise unavailable("rabbitmq") from error

    def _ask_any(self, ask: "Callable[[Link, float], None]", deadline: float) -> None:
        if self._link is not None and not self._link.is_stale:
            try:
                ask(self._link, (time.monotonic() + deadline) / 2)
                return
            except (AMQPError, OSError) as error:
                # The connection may have died while this container was frozen, so a new one is
                # tried once.
                if isinstance(error, TopologyMissing):
                    raise
        self._ask_new(ask, deadline)

    def _ask_new(self, ask: "Callable[[Link, float], None]", deadline: float) -> None:
        self.close()
        self._link = Link(self._url)
        self._link.open(deadline)
        ask(self._link, deadline)


def _pushes(event: MessageUnread) -> Iterator[Outgoing]:
    for shard, part in event.by_shard():
        body, properties = part.model_dump_json(), _properties(message_id=part.message_id)
        yield Outgoing(EVENTS, push_key(shard), body.encode(), properties)


def _event(event: CloudEvent) -> Outgoing:
    properties = _properties(content_type=CONTENT_TYPE, message_id=event.id)
    body = event.model_dump_json().encode()
    return Outgoing(EVENTS, event.type, body, properties, mandatory=False)


def _dead(failure: Failure) -> Outgoing:
    headers = {
        "attempt": failure.attempt,
        "reason": failure.reason,
        "queue": PUSH_QUEUES[failure.shard],
    }
    return Outgoing("", DEAD, failure.body, _properties(headers=headers))


def _revived(dead: Incoming) -> Outgoing:
    """A record as if it had never failed. RabbitMQ itself dead-letters records without our
    header."""
    queue = (dead.properties.headers or {}).get("queue")
    shard = PUSH_QUEUES.index(queue) if queue in PUSH_QUEUES else 0
    properties = _properties(message_id=dead.properties.message_id, headers={"attempt": 0})
    return Outgoing(EVENTS, push_key(shard), dead.body, properties)


def _within(seconds: float, since: float) -> bool:
    """By the wall clock, because the monotonic clock may stop while a function is frozen."""
    return 0 <= time.time() - since < seconds


def _properties(content_type: str = "application/json", **more: Any) -> BasicProperties:
    return BasicProperties(
        content_type=content_type,
        delivery_mode=DeliveryMode.Persistent,
        timestamp=int(time.time()),
        app_id="parley",
        **more,
    )
