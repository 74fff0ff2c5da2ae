"""A connection to RabbitMQ that publishes with confirms. Every wait has a deadline."""

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NamedTuple

from pika import BasicProperties, URLParameters
from pika.adapters.select_connection import IOLoop
from pika.channel import Channel
from pika.exceptions import (
    AMQPError,
    ChannelClosedByBroker,
    ChannelClosedByClient,
    ConnectionClosedByClient,
)
from pika.spec import Basic

from chalicelib.drivers.amqp_connection import HEARTBEAT_SECONDS, Connection, Sockets

SECONDS = 3.5
"""Seconds that one call may take in all, including the connection."""

_NOT_FOUND = 404


class Outgoing(NamedTuple):
    """A message on its way to an exchange. `mandatory`: some queue must take it."""

    exchange: str
    routing_key: str
    body: bytes
    properties: BasicProperties
    mandatory: bool = True


class Incoming(NamedTuple):
    """A message from a queue that is not acknowledged yet."""

    tag: int
    properties: BasicProperties
    body: bytes


class _Broken(AMQPError):  # type: ignore[misc]
    """The connection cannot be used any more; the cause says why."""


class TopologyMissing(AMQPError):  # type: ignore[misc]
    """An exchange or a queue does not exist, or no queue is bound for a message; the cause says
    more."""


class _Unconfirmed(Exception):
    """RabbitMQ refused a message because its queue is full, or accepts none for now."""


class _Unroutable(Exception):
    """RabbitMQ has no queue for a message."""


class Link:
    """One connection with one confirming channel; every wait on it has a deadline.

    pika's BlockingConnection waits for confirms without a limit, so this runs the event loop
    itself. Nothing runs between calls, because nothing can while a Lambda container is frozen.
    """

    def __init__(self, url: str) -> None:
        self._parameters = URLParameters(url)
        self._parameters.heartbeat = HEARTBEAT_SECONDS
        self._parameters.connection_attempts = 1
        self._parameters.socket_timeout = self._parameters.stack_timeout = SECONDS - 0.5
        self._loop = IOLoop()
        self._loop.activate_poller()
        self._sockets = Sockets(self._loop)
        self._connection: Connection | None = None
        self._channel: Channel | None = None
        self._failure: BaseException | None = None
        self._published = 0
        self._unconfirmed: set[int] = set()
        self._refused: set[int] = set()
        self._used_at = time.time()

    @property
    def is_stale(self) -> bool:
        """Whether RabbitMQ may have closed the connection unnoticed. By the wall clock: the
        monotonic clock may have stopped."""
        return abs(time.time() - self._used_at) > 2 * HEARTBEAT_SECONDS

    def open(self, deadline: float) -> None:
        """Connect, open a channel and turn confirms on."""
        connection = self._connection = Connection(
            self._parameters,
            on_open_error_callback=lambda _, error: self._fail(error),
            on_close_callback=lambda _, error: self._fail(error),
            custom_ioloop=self._sockets,
        )
        self._wait(lambda: connection.is_open, deadline)
        connection.add_on_connection_blocked_callback(
            lambda *_: self._fail(_Unconfirmed("RabbitMQ is short of memory or disk."))
        )
        opened: list[Channel] = []
        connection.channel(on_open_callback=opened.append)
        self._wait(lambda: bool(opened), deadline)
        self._channel = opened[0]
        self._channel.add_on_close_callback(lambda _, error: self._fail(error))
        self._channel.add_on_return_callback(
            lambda *_: self._fail(_Unroutable("No queue takes this routing key."))
        )
        self.call("confirm_delivery", deadline, ack_nack_callback=self._confirm)

    def call(self, method: str, deadline: float, **arguments: Any) -> Any:
        """Call a method of the channel and wait for its answer."""
        answers: list[Any] = []
        getattr(self._channel, method)(callback=answers.append, **arguments)
        self._wait(lambda: bool(answers), deadline)
        return answers[0].method

    def publish(self, messages: list[Outgoing], deadline: float) -> None:
        """Publish all, then wait until all are confirmed."""
        numbers = self.hand_over(messages)
        self._wait(lambda: self._unconfirmed.isdisjoint(numbers), deadline)
        if not self._refused.isdisjoint(numbers):
            raise _Broken("Refused.") from _Unconfirmed("A queue refused the message.")

    def begin(self, messages: list[Outgoing]) -> frozenset[int]:
        """Publish all without waiting. Returns their numbers, for `confirmed`."""
        numbers = self.hand_over(messages)
        self._release()
        self._loop.call_later(0, lambda: None)  # otherwise `poll` would wait for input
        self._loop.poll()
        self._loop.process_timeouts()
        return numbers

    def confirmed(self, numbers: frozenset[int], deadline: float) -> bool | None:
        """Whether RabbitMQ confirmed all that was sent by `begin`; None if it has not answered by
        the deadline. The connection stays open, because perhaps only one queue is full or has no
        majority."""
        self._wait_a_while(lambda: self._unconfirmed.isdisjoint(numbers), deadline)
        if not self._unconfirmed.isdisjoint(numbers):
            return None
        return self._refused.isdisjoint(numbers)

    def hand_over(self, messages: list[Outgoing]) -> frozenset[int]:
        """Publish all, in one write with the next call that waits. Returns their numbers, for
        `confirmed`."""
        channel, first = self._opened(), self._published + 1
        channel.connection.hold()
        for message in messages:
            self._published += 1
            self._unconfirmed.add(self._published)
            channel.basic_publish(
                message.exchange,
                message.routing_key,
                message.body,
                message.properties,
                mandatory=message.mandatory,
            )
        return frozenset(range(first, self._published + 1))

    def size(self, queue: str, deadline: float) -> int:
        """How many messages wait in a queue."""
        answer = self.call("queue_declare", deadline, queue=queue, passive=True)
        count: int = answer.message_count
        return count

    def take(self, queue: str, most: int, deadline: float) -> list[Incoming]:
        """The next messages of a queue, at most this many; fewer if it has no more."""
        channel = self._opened()
        answers: list[Incoming | None] = []
        channel.add_callback(lambda _: answers.append(None), [Basic.GetEmpty])
        while len(answers) < most and None not in answers:
            asked = len(answers) + 1
            channel.basic_get(
                queue,
                lambda _, method, properties, body: answers.append(
                    Incoming(method.delivery_tag, properties, body)
                ),
            )
            self._wait(lambda asked=asked: len(answers) >= asked, deadline)  # type: ignore[misc]
        return [one for one in answers if one is not None]

    def acknowledge(self, tag: int) -> None:
        """Acknowledge this message and all that were taken before it."""
        self._opened().basic_ack(tag, multiple=True)

    def close(self) -> None:
        """Close the connection: with the closing handshake if it works, and soon also if the broker
        does not answer."""
        connection = self._connection
        usable = self._failure is None and not self.is_stale
        if connection is not None and connection.is_open and usable:
            with suppress(AMQPError, OSError):
                connection.close()
                self._wait(lambda: connection.is_closed, time.monotonic() + 0.5)
        self._sockets.drop()
        if connection is not None and not connection.is_closed:
            self._failure = None
            with suppress(AMQPError, OSError):
                # pika sees that its socket is closed, and drops it.
                self._wait(lambda: connection.is_closed, time.monotonic() + 0.1)
        self._loop.close()

    def _opened(self) -> Channel:
        if self._channel is None:
            raise _Broken("Not open.")
        return self._channel

    def _confirm(self, frame: Any) -> None:
        answer: Basic.Ack | Basic.Nack = frame.method
        last = answer.delivery_tag
        meant = {
            tag for tag in self._unconfirmed if tag == last or (answer.multiple and tag < last)
        }
        self._unconfirmed -= meant
        if isinstance(answer, Basic.Nack):
            self._refused |= meant

    def _fail(self, error: BaseException) -> None:
        if not isinstance(error, ChannelClosedByClient | ConnectionClosedByClient):
            self._failure = self._failure or error

    def _wait(self, done: Callable[[], bool], deadline: float) -> None:
        self._wait_a_while(done, deadline)
        if not done():
            self._fail(TimeoutError("No answer."))
            self._raise_failure()

    def _wait_a_while(self, done: Callable[[], bool], deadline: float) -> None:
        """Returns at the deadline, also if it is not `done`."""
        self._release()
        over: list[bool] = []
        seconds = max(0.0, deadline - time.monotonic())
        timer = self._loop.call_later(seconds, lambda: over.append(True))
        try:
            while self._failure is None and not done() and not over:
                self._loop.poll()
                self._loop.process_timeouts()
        finally:
            self._loop.remove_timeout(timer)
        self._raise_failure()
        if done():
            self._used_at = time.time()

    def _release(self) -> None:
        if self._connection is not None:
            self._connection.release()

    def _raise_failure(self) -> None:
        if self._failure is not None:
            kind = TopologyMissing if _is_of_topology(self._failure) else _Broken
            raise kind(repr(self._failure)) from self._failure


def cause_of(error: Exception) -> str:
    """The text of a failure for the log."""
    return repr(error.__cause__ or error)[:300]


def _is_of_topology(failure: BaseException) -> bool:
    if isinstance(failure, ChannelClosedByBroker):
        return bool(failure.reply_code == _NOT_FOUND)
    return isinstance(failure, _Unroutable)
