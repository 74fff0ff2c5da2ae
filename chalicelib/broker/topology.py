"""The exchanges and queues of RabbitMQ, and how they are declared."""

import logging
import time
from collections.abc import Iterable, Iterator
from typing import Any

from pika.exceptions import AMQPError

from chalicelib.broker.pushes import PUSH_QUEUES
from chalicelib.drivers.amqp import Link, cause_of
from chalicelib.errors.counted import unavailable

log = logging.getLogger(__name__)

EVENTS = "parley.events"
RETRY = "parley.retry"
DEAD = "push.dead"
RETRY_SECONDS = (5.0, 30.0, 120.0, 600.0)

DECLARE_SECONDS = 30
DAY = 24 * 60 * 60 * 1000
"""In milliseconds, as RabbitMQ counts."""

Declaration = tuple[str, dict[str, Any]]
"""A method of a channel, and its arguments."""


def declare(url: str) -> None:
    """Create exchanges, queues and bindings. Safe to repeat. Raises Unavailable.

    The delay of a retry is set on the message, not on its queue, so that it can be changed
    without replacing queues.
    """
    call(url, topology())


def declare_within(url: str, deadline: float) -> None:
    """Like `declare`, but it ends by a deadline, and raises what pika raises."""
    _call_all(url, topology(), deadline)


def call(url: str, calls: Iterable[Declaration]) -> None:
    """Make calls over a connection of their own. Raises Unavailable."""
    try:
        _call_all(url, calls, time.monotonic() + DECLARE_SECONDS)
    except (AMQPError, OSError) as error:
        log.warning("rabbitmq refused the topology", extra={"cause": cause_of(error)})
        raise unavailable("rabbitmq") from error


def topology() -> Iterator[Declaration]:
    """The exchanges and queues of Parley. The queues of other services are declared with their
    accounts."""
    yield "exchange_declare", {"exchange": EVENTS, "exchange_type": "topic", "durable": True}
    yield "exchange_declare", {"exchange": RETRY, "exchange_type": "headers", "durable": True}
    yield quorum_queue(DEAD, {"x-message-ttl": 14 * DAY, "x-max-length": 100_000})
    for shard, queue in enumerate(PUSH_QUEUES):
        # A record that crashes its consumer each time is dead-lettered after some deliveries.
        yield quorum_queue(queue, {"x-delivery-limit": 50, **_dead_letter("", DEAD)})
        yield "queue_bind", {"queue": queue, "exchange": EVENTS, "routing_key": push_key(shard)}
    for attempt in range(1, len(RETRY_SECONDS) + 1):
        queue = f"push.retry.{attempt}"
        yield quorum_queue(queue, _dead_letter(EVENTS))
        match = {"x-match": "all", "attempt": attempt}
        yield "queue_bind", {"queue": queue, "exchange": RETRY, "arguments": match}


def quorum_queue(name: str, arguments: dict[str, Any]) -> Declaration:
    """The declaration of a durable quorum queue."""
    arguments = {"x-queue-type": "quorum", **arguments}
    return "queue_declare", {"queue": name, "durable": True, "arguments": arguments}


def push_key(shard: int) -> str:
    """The routing key of a push to users of this shard."""
    return f"message.unread.{shard}"


def _call_all(url: str, calls: Iterable[Declaration], deadline: float) -> None:
    link = Link(url)
    try:
        link.open(deadline)
        for method, arguments in calls:
            link.call(method, deadline, **arguments)
    finally:
        link.close()


def _dead_letter(exchange: str, routing_key: str | None = None) -> dict[str, Any]:
    """A dead letter leaves its queue only when the next queue has confirmed it (needs
    reject-publish)."""
    arguments = {
        "x-dead-letter-exchange": exchange,
        "x-dead-letter-strategy": "at-least-once",
        "x-overflow": "reject-publish",
    }
    if routing_key is not None:
        arguments["x-dead-letter-routing-key"] = routing_key
    return arguments
