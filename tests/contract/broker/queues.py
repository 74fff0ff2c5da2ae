"""What is in RabbitMQ's queues, and what tests put there."""

import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pika

from chalicelib.broker.pushes import PUSH_QUEUES, Failure, MessageUnread, shard_of
from chalicelib.broker.topology import DEAD
from chalicelib.ids import new_id
from chalicelib.wire import now

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


def address_of(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    return parts.hostname or "127.0.0.1", parts.port or 5672


def through(url: str, port: int, user: str | None = None) -> str:
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
