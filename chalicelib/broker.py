"""What goes into RabbitMQ, what comes again and what is laid aside; exchanges and queues."""

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from pika import BasicProperties, DeliveryMode
from pika.exceptions import AMQPError

from chalicelib import metrics
from chalicelib.amqp import SECONDS, Incoming, Link, Outgoing, TopologyMissing
from chalicelib.deadline import within
from chalicelib.errors import Unavailable
from chalicelib.events import PUSH_QUEUES, PUSH_SHARDS, Canary, Failure, MessageUnread

log = logging.getLogger(__name__)

SLOW_SECONDS = 1.0
REST_SECONDS = 5.0
"""After a failure as slow as this, calls fail at once for a while: a broker that is frozen must not
slow down every send to somebody absent, which is delivered later in any case."""

EVENTS = "parley.events"
RETRY = "parley.retry"
DEAD = "push.dead"
RETRY_SECONDS = (5.0, 30.0, 120.0, 600.0)

DECLARE_SECONDS = 30
RESTORE_SECONDS = 30.0  # a function declares what it misses at most once in this time

REDRIVE_SECONDS = 200.0
REDRIVE_BATCH = 50

_PING = {"exchange": EVENTS, "passive": True}
_DAY = 24 * 60 * 60 * 1000


class Redriven(NamedTuple):
    """How many records went back to their queues, and how many still lie aside."""

    moved: int
    left: int


class Broker:
    """Publishes; returns when RabbitMQ has confirmed that the message is queued on disk.

    Every method may raise Unavailable, after `SECONDS` at most unless it says otherwise; it may
    have published then. Exchanges and queues that are missing are declared, if our user may.
    """

    def __init__(self, url: str, retry_seconds: Sequence[float] = RETRY_SECONDS) -> None:
        self._url = url
        self._retry_seconds = retry_seconds
        self._link: Link | None = None
        self._rests_since = self._restored_at = 0.0

    def publish(self, event: MessageUnread) -> None:
        """Queue a push to `event.user_ids`, however many and of whatever shards."""
        self.publish_all([event])

    def publish_all(self, events: Iterable[MessageUnread]) -> None:
        """Queue several events in one round trip."""
        self._send(
            [
                Outgoing(
                    EVENTS,
                    _key(shard),
                    part.model_dump_json().encode(),
                    _properties(message_id=part.message_id),
                )
                for event in events
                for shard, part in event.by_shard()
            ]
        )

    def publish_canary(self, canary: Canary) -> list[str]:
        """Put a canary into every push queue; answers their names."""
        body = canary.model_dump_json().encode()
        self._send(
            [
                Outgoing(EVENTS, _key(shard), body, _properties(message_id=canary.canary))
                for shard in range(PUSH_SHARDS)
            ]
        )
        return PUSH_QUEUES

    def retry(self, failures: Iterable[Failure]) -> None:
        """Have records come again after the delay of their next attempt, or after a longer one
        if they ask for it; those that have had their last go to `push.dead`."""
        self._put_off([self._again(failure) for failure in failures])

    def bury(self, failures: Iterable[Failure]) -> None:
        """Put records that can never succeed into `push.dead`, for a human to look at."""
        self._put_off([_dead(failure) for failure in failures])

    def redrive(self, limit: int) -> Redriven:
        """Put records from `push.dead` back into the queues they came from, with all tries anew.

        The oldest first, at most `limit` and at most what was there at the start, for
        `REDRIVE_SECONDS`. Each leaves `push.dead` when its copy is confirmed: none is lost, and
        one may come twice.
        """
        link, ends, moved = Link(self._url), time.monotonic() + REDRIVE_SECONDS, 0
        try:
            link.open(time.monotonic() + SECONDS)
            wanted = min(limit, link.size(DEAD, time.monotonic() + SECONDS))
            while moved < wanted and time.monotonic() < ends:
                most = min(REDRIVE_BATCH, wanted - moved)
                taken = link.take(DEAD, most, time.monotonic() + SECONDS)
                if not taken:
                    break  # somebody else does the same
                link.publish([_revived(one) for one in taken], time.monotonic() + SECONDS)
                link.acknowledge(taken[-1].tag)
                moved += len(taken)
            return Redriven(moved, link.size(DEAD, time.monotonic() + SECONDS))
        except (AMQPError, OSError) as error:
            log.warning("redrive broke off", extra={"moved": moved, "cause": _cause(error)})
            raise Unavailable("rabbitmq") from error
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
        # `attempt` names the queue to wait in; it may be that of a later try, which is not used
        # up by that: `tries` are counted apart.
        long_enough = (each for each in left if each[1] >= failure.retry_after)
        attempt, delay = next(long_enough, left[-1])
        return Outgoing(
            RETRY,
            _key(failure.shard),
            failure.body,
            _properties(
                headers={
                    "attempt": attempt,
                    "tries": failure.attempt + 1,
                    "reason": failure.reason,
                },
                expiration=str(round(delay * 1000)),
            ),
        )

    def _put_off(self, messages: list[Outgoing]) -> None:
        self._send(messages)
        buried = sum(message.routing_key == DEAD for message in messages)
        metrics.count("PushesBuried", buried)
        metrics.count("PushesRetried", len(messages) - buried)

    def _send(self, messages: list[Outgoing]) -> None:
        if messages:
            self._ask(lambda link, deadline: link.publish(messages, deadline))

    def _ask(self, ask: "Callable[[Link, float], None]") -> None:
        if _within(REST_SECONDS, self._rests_since):
            raise Unavailable("rabbitmq")
        started = time.monotonic()
        deadline = started + within(SECONDS)
        try:
            try:
                self._ask_any(ask, deadline)
            except TopologyMissing:
                if _within(RESTORE_SECONDS, self._restored_at):
                    raise
                log.warning("exchanges or queues are missing, and are declared again")
                self._restored_at = time.time()
                _declare(self._url, deadline)
                self._ask_new(ask, deadline)
        except (AMQPError, OSError) as error:
            self.close()
            if time.monotonic() - started > SLOW_SECONDS:
                self._rests_since = time.time()
            log.warning("rabbitmq cannot be used", extra={"cause": _cause(error)})
            raise Unavailable("rabbitmq") from error

    def _ask_any(self, ask: "Callable[[Link, float], None]", deadline: float) -> None:
        if self._link is not None and not self._link.is_stale:
            try:
                ask(self._link, (time.monotonic() + deadline) / 2)
                return
            except (AMQPError, OSError) as error:
                # It may have died while this container was frozen: that is worth one new one.
                if isinstance(error, TopologyMissing):
                    raise
        self._ask_new(ask, deadline)

    def _ask_new(self, ask: "Callable[[Link, float], None]", deadline: float) -> None:
        self.close()
        self._link = Link(self._url)
        self._link.open(deadline)
        ask(self._link, deadline)


def declare(url: str) -> None:
    """Create exchanges, queues and bindings. Safe to repeat. Raises Unavailable.

    The delay of a retry stands in the message, not in its queue, so that it can be changed
    without replacing queues.
    """
    try:
        _declare(url, time.monotonic() + DECLARE_SECONDS)
    except (AMQPError, OSError) as error:
        log.warning("rabbitmq refused the topology", extra={"cause": _cause(error)})
        raise Unavailable("rabbitmq") from error


def _declare(url: str, deadline: float) -> None:
    link = Link(url)
    try:
        link.open(deadline)
        for method, arguments in _topology():
            link.call(method, deadline, **arguments)
    finally:
        link.close()


def _topology() -> Iterator[tuple[str, dict[str, Any]]]:
    yield "exchange_declare", {"exchange": EVENTS, "exchange_type": "topic", "durable": True}
    yield "exchange_declare", {"exchange": RETRY, "exchange_type": "headers", "durable": True}
    yield _queue(DEAD, {"x-message-ttl": 14 * _DAY, "x-max-length": 100_000})
    for shard, queue in enumerate(PUSH_QUEUES):
        # A record that takes down its consumer every time must not do so for ever.
        yield _queue(queue, {"x-delivery-limit": 50, **_dead_letter("", DEAD)})
        yield "queue_bind", {"queue": queue, "exchange": EVENTS, "routing_key": _key(shard)}
    for attempt in range(1, len(RETRY_SECONDS) + 1):
        queue = f"push.retry.{attempt}"
        yield _queue(queue, _dead_letter(EVENTS))
        match = {"x-match": "all", "attempt": attempt}
        yield "queue_bind", {"queue": queue, "exchange": RETRY, "arguments": match}


def _queue(name: str, arguments: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    arguments = {"x-queue-type": "quorum", **arguments}
    return "queue_declare", {"queue": name, "durable": True, "arguments": arguments}


def _dead_letter(exchange: str, routing_key: str | None = None) -> dict[str, Any]:
    """Dead letters leave the queue only when the next one has them (needs reject-publish)."""
    arguments = {
        "x-dead-letter-exchange": exchange,
        "x-dead-letter-strategy": "at-least-once",
        "x-overflow": "reject-publish",
    }
    return (
        arguments
        if routing_key is None
        else {**arguments, "x-dead-letter-routing-key": routing_key}
    )


def _key(shard: int) -> str:
    return f"message.unread.{shard}"


def _dead(failure: Failure) -> Outgoing:
    headers = {
        "attempt": failure.attempt,
        "reason": failure.reason,
        "queue": PUSH_QUEUES[failure.shard],
    }
    return Outgoing("", DEAD, failure.body, _properties(headers=headers))


def _revived(dead: Incoming) -> Outgoing:
    """A record as if it had never failed. RabbitMQ itself lays records aside without a header."""
    queue = (dead.properties.headers or {}).get("queue")
    shard = PUSH_QUEUES.index(queue) if queue in PUSH_QUEUES else 0
    properties = _properties(message_id=dead.properties.message_id, headers={"attempt": 0})
    return Outgoing(EVENTS, _key(shard), dead.body, properties)


def _within(seconds: float, since: float) -> bool:
    """By the wall clock, because the monotonic clock of a frozen function may stand still."""
    return 0 <= time.time() - since < seconds


def _cause(error: Exception) -> str:
    return repr(error.__cause__ or error)[:300]


def _properties(**more: Any) -> BasicProperties:
    return BasicProperties(
        content_type="application/json",
        delivery_mode=DeliveryMode.Persistent,
        timestamp=int(time.time()),
        app_id="parley",
        **more,
    )
