"""A service that consumes events in a test: it keeps each, and holds it against its schema."""

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import jsonschema
import pika

from chalicelib.edge.asyncapi import document
from tests.cloud import Cloud

_COMPONENTS = document("https://x.example", "wss://x.example")["components"]


class Listener:
    """The events that came, in their order. Connects again when RabbitMQ comes back."""

    def __init__(self, url: str, queue: str) -> None:
        self.events: list[dict[str, Any]] = []
        self._url, self._queue = url, queue
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def start(self) -> None:
        """The queue is bound: nothing that happens from now on is missed."""
        self._thread.start()

    def stop(self) -> None:
        self._ends.set()
        self._thread.join(30)

    def about(self, *user_ids: str) -> list[tuple[str, str]]:
        """(type, subject) of what is about these users or their sessions, each once, sorted."""
        distinct = {
            one["id"]: (one["type"], one["subject"])
            for one in list(self.events)
            if one["data"].get("user_id") in user_ids
        }
        return sorted(distinct.values())

    async def until(
        self, wanted: list[tuple[str, str]], *user_ids: str, seconds: float = 60
    ) -> None:
        """Wait until exactly these have come about some users."""
        try:
            async with asyncio.timeout(seconds):
                while self.about(*user_ids) != sorted(wanted):
                    await asyncio.sleep(0.05)
        except TimeoutError:
            assert self.about(*user_ids) == sorted(wanted)

    def _run(self) -> None:
        while not self._ends.is_set():
            with suppress(pika.exceptions.AMQPError, OSError):
                self._read()

    def _read(self) -> None:
        parameters = pika.URLParameters(self._url)
        parameters.socket_timeout = parameters.blocked_connection_timeout = 3
        connection = pika.BlockingConnection(parameters)
        channel = connection.channel()
        for method, properties, body in channel.consume(self._queue, inactivity_timeout=0.2):
            if self._ends.is_set():
                break
            if body is not None:
                self._keep(method.routing_key, properties, json.loads(body))
                channel.basic_ack(method.delivery_tag)
        connection.close()

    def _keep(self, key: str, properties: Any, event: dict[str, Any]) -> None:
        schema = _COMPONENTS["messages"][f"{event['type']}.published"]["payload"]
        jsonschema.validate(event, {**schema, "components": _COMPONENTS})
        assert (key, properties.message_id) == (event["type"], event["id"])
        self.events.append(event)


@contextmanager
def listening(cloud: Cloud, name: str) -> Iterator[Listener]:
    """A consumer of a cloud's events, made as an operator makes one."""
    account = cloud.maintain(task="event-consumer", consumer=name)
    listener = Listener(account["url"], account["queue"])
    listener.start()
    try:
        yield listener
    finally:
        listener.stop()
        cloud.maintain(task="event-consumer", consumer=name, remove=True)
