"""RabbitMQ triggers: hand messages to a function in batches, as Lambda's event source does."""

import asyncio
import json
import logging
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

import pika
from pika.adapters.blocking_connection import BlockingChannel, BlockingConnection
from pika.exceptions import AMQPError

from local.functions import events
from local.functions.pool import WorkerPool
from local.functions.registered import Function
from local.functions.worker import MAX_PAYLOAD

BATCH = 100
WINDOW_SECONDS = 0.2
_CONNECT_SECONDS = 5.0
_HEARTBEAT_SECONDS = 20
_LOOK_EVERY = 0.2
_RENEWED_EVERY = 5.0
_STOP_SECONDS = 2.0
_FIRST_PAUSE = 1.0
_LONGEST_PAUSE = 10.0

# The broker may stop and start at any time here; pika would log each time at length.
logging.getLogger("pika").setLevel(logging.CRITICAL)


class _Message(NamedTuple):
    tag: int
    redelivered: bool
    properties: pika.BasicProperties
    body: bytes


class Triggers:
    """One consumer and one execution at a time per queue; a failed batch is delivered again."""

    def __init__(
        self,
        *,
        pool: WorkerPool,
        amqp_url: str,
        queues: Sequence[str],
        function: Function,
        report: Callable[[str], None],
        batch: int = BATCH,
        window: float = WINDOW_SECONDS,
    ) -> None:
        self._stopping = threading.Event()
        self._consumers = [
            _Consumer(pool, amqp_url, queue, function, report, batch, window, self._stopping)
            for queue in queues
        ]

    def start(self) -> None:
        """Begin to consume, and go on until stopped, also when the broker was away."""
        for consumer in self._consumers:
            consumer.start()

    async def stop(self) -> None:
        """Stop consuming; what is not acknowledged goes back to its queue."""
        self._stopping.set()
        deadline = time.monotonic() + _STOP_SECONDS
        while any(each.is_alive() for each in self._consumers) and time.monotonic() < deadline:
            await asyncio.sleep(0.02)


class _Consumer(threading.Thread):
    """Consumes one queue. A thread, because pika's plainest connection blocks."""

    def __init__(
        self,
        pool: WorkerPool,
        amqp_url: str,
        queue: str,
        function: Function,
        report: Callable[[str], None],
        batch: int,
        window: float,
        stopping: threading.Event,
    ) -> None:
        super().__init__(name=f"trigger of {queue}", daemon=True)
        self._pool = pool
        self._queue = queue
        self._function = function
        self._report = report
        self._batch = batch
        self._window = window
        self._stopping = stopping
        self._parameters = pika.URLParameters(amqp_url)
        self._parameters.socket_timeout = _CONNECT_SECONDS
        self._parameters.stack_timeout = _CONNECT_SECONDS
        self._parameters.blocked_connection_timeout = _CONNECT_SECONDS
        self._parameters.heartbeat = _HEARTBEAT_SECONDS
        self._arrived: list[_Message] = []
        self._cancelled = False

    def run(self) -> None:
        pause = _FIRST_PAUSE
        while not self._stopping.is_set():
            started = time.monotonic()
            try:
                self._connect_and_consume()
            except (AMQPError, OSError):
                pass  # the broker or the queue is away: try again
            except Exception as error:
                self._say(f"{self.name}: {type(error).__name__}: {error}")
            if time.monotonic() - started > _LONGEST_PAUSE:
                pause = _FIRST_PAUSE
            self._stopping.wait(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)

    def _connect_and_consume(self) -> None:
        connection = BlockingConnection(self._parameters)
        try:
            while not self._stopping.is_set():
                channel = connection.channel()
                channel.basic_qos(prefetch_count=self._batch)
                self._arrived.clear()
                self._cancelled = False
                channel.add_on_cancel_callback(self._cancel)
                channel.basic_consume(self._queue, self._receive)
                self._consume(connection, channel)
                channel.close()
        finally:
            with suppress(AMQPError, OSError):
                connection.close()

    def _receive(self, _: Any, method: Any, properties: pika.BasicProperties, body: bytes) -> None:
        self._arrived.append(_Message(method.delivery_tag, method.redelivered, properties, body))

    def _cancel(self, _: Any) -> None:
        self._cancelled = True

    def _consume(self, connection: BlockingConnection, channel: BlockingChannel) -> None:
        pause = _FIRST_PAUSE
        quiet_until = time.monotonic() + _RENEWED_EVERY
        while not self._stopping.is_set():
            connection.process_data_events(0 if self._arrived else _LOOK_EVERY)
            if not channel.is_open:
                return
            if not self._arrived:
                # When its queue is deleted, the broker cancels a consumer, but not if the queue is
                # declared again at once. The new queue would fill, and nobody would consume it.
                if self._cancelled or time.monotonic() > quiet_until:
                    return
                continue
            quiet_until = time.monotonic() + _RENEWED_EVERY
            messages = self._collect(connection)
            done = self._hand_over(connection, messages)
            if done is None:
                return
            if done:
                channel.basic_ack(messages[-1].tag, multiple=True)
                pause = _FIRST_PAUSE
            else:
                # All messages that we hold: the rest must not overtake the batch.
                self._arrived.clear()
                channel.basic_nack(0, multiple=True, requeue=True)
                self._stopping.wait(pause)
                pause = min(pause * 2, _LONGEST_PAUSE)

    def _collect(self, connection: BlockingConnection) -> list[_Message]:
        """A batch: full, or whatever came within the window."""
        deadline = time.monotonic() + self._window
        while len(self._arrived) < self._batch and (left := deadline - time.monotonic()) > 0:
            connection.process_data_events(left)
        size = 0
        for number, message in enumerate(self._arrived):
            size += len(message.body) * 4 // 3 + 2048
            if number and (number == self._batch or size > MAX_PAYLOAD):
                break
        else:
            number = len(self._arrived)
        batch, self._arrived = self._arrived[:number], self._arrived[number:]
        return batch

    def _hand_over(self, connection: BlockingConnection, messages: list[_Message]) -> bool | None:
        """Whether the function took the batch. None if we are stopped before the answer."""
        event = events.rmq(self._queue, [_to_event(message) for message in messages])
        data = json.dumps(event).encode()
        invocation = asyncio.run_coroutine_threadsafe(
            self._pool.invoke(self._function, data, wait=None), self._pool.loop
        )

        def wake(_: object) -> None:
            with suppress(AMQPError):
                connection.add_callback_threadsafe(lambda: None)

        invocation.add_done_callback(wake)
        while not invocation.done():
            if self._stopping.is_set():
                return None
            connection.process_data_events(_LOOK_EVERY)
        failure = invocation.result().failure
        if failure is not None:
            self._say(f"{self._queue}: {len(messages)} messages failed and are delivered again")
        return failure is None

    def _say(self, text: str) -> None:
        self._pool.loop.call_soon_threadsafe(self._report, text)


def _to_event(message: _Message) -> dict[str, Any]:
    given = message.properties
    properties = {
        "contentType": given.content_type,
        "contentEncoding": given.content_encoding,
        "headers": given.headers or {},
        "deliveryMode": given.delivery_mode,
        "priority": given.priority,
        "correlationId": given.correlation_id,
        "replyTo": given.reply_to,
        "expiration": given.expiration,
        "messageId": given.message_id,
        "timestamp": events.rmq_time(given.timestamp),
        "type": given.type,
        "userId": given.user_id,
        "appId": given.app_id,
        "clusterId": given.cluster_id,
        "bodySize": len(message.body),
    }
    return events.rmq_message(properties, message.body, redelivered=message.redelivered)
