"""A RabbitMQ with its management API, and what its users may do there."""

import base64
import json
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import pika

from chalicelib.broker.cloud_events import CloudEvent
from chalicelib.domain_events.models import ConsumerAccount, SessionRevoked, UserRegistered
from local.servers.rabbitmq import RabbitMQ


class Managed(RabbitMQ):
    """RabbitMQ with its management plugin, which the local cloud does without."""

    plugins = ("rabbitmq_management",)

    def prepare(self) -> None:
        super().prepare()
        self.management = self.choose_port("RabbitMQ's management")
        with (self.data / "rabbitmq.conf").open("a") as file:
            file.write("management.tcp.ip = 127.0.0.1\n")
            file.write(f"management.tcp.port = {self.management}\n")
        definitions = self.data / "definitions.json"
        held = json.loads(definitions.read_text())
        held["users"][0]["tags"] = "administrator"
        definitions.write_text(json.dumps(held))


class Server:
    """A broker, and what an administrator sees of it."""

    def __init__(self, server: Managed) -> None:
        self.amqp = server.url
        self.url = f"http://127.0.0.1:{server.management}"
        parts = urlsplit(server.url)
        self.admin = self.first = (parts.username or "", parts.password or "")

    def ask(self, path: str) -> Any:
        credentials = base64.b64encode(":".join(self.admin).encode()).decode()
        request = urllib.request.Request(
            f"{self.url}/api/{path}", headers={"Authorization": f"Basic {credentials}"}
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)

    def administered(self, *passwords: str) -> str:
        """The setting BROKER_ADMIN."""
        return json.dumps({"url": self.url, "username": self.admin[0], "passwords": passwords})

    def user(self, generation: int, password: str = "of-the-application") -> str:
        """The URL of functions."""
        host = urlsplit(self.amqp).netloc.rpartition("@")[2]
        return f"amqp://parley_app_{generation}:{password}@{host}/%2F"


def allowed(url: str, act: Callable[[Any], Any]) -> bool:
    """Whether a user may do something on a channel."""
    with closing(pika.BlockingConnection(pika.URLParameters(url))) as connection:
        try:
            act(connection.channel())
            return True
        except pika.exceptions.ChannelClosedByBroker as refused:
            if refused.reply_code != 403:
                raise
            return False


def taken(account: ConsumerAccount) -> list[Any]:
    """The next two messages of a queue, acknowledged."""
    with closing(pika.BlockingConnection(pika.URLParameters(account.url))) as connection:
        channel = connection.channel()
        return [channel.basic_get(account.queue, auto_ack=True) for _ in range(2)]


def revoked() -> CloudEvent:
    someone = "00000000-0000-7000-8000-00000000000a"
    data = SessionRevoked(session_id=someone, user_id=someone, client_id=None)
    when = datetime(2026, 1, 1, tzinfo=UTC)
    event_id = "00000000-0000-4000-8000-00000000000f"
    return CloudEvent.of(data, event_id, time=when, issuer="https://parley.example/api")


def registered() -> CloudEvent:
    data = UserRegistered(user_id="00000000-0000-7000-8000-00000000000a", revision=0)
    when = datetime(2026, 1, 1, tzinfo=UTC)
    event_id = "00000000-0000-4000-8000-00000000000e"
    return CloudEvent.of(data, event_id, time=when, issuer="https://parley.example/api")
