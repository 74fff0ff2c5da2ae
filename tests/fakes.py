"""In-memory stand-ins for what the network hides, held to the same contracts as the real ones."""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from chalicelib.broker.publisher import Begun, Broker
from chalicelib.broker.pushes import MessageUnread
from chalicelib.broker.topology import DEAD, EVENTS, RETRY, RETRY_SECONDS
from chalicelib.domain_events.models import TYPES
from chalicelib.domain_events.outbox import EventOutbox, Waiting
from chalicelib.drivers.amqp import Outgoing
from chalicelib.errors.counted import unavailable
from chalicelib.notify.models import Notification, Outcome

if TYPE_CHECKING:
    from chalicelib.notify.fcm import Fcm
else:
    Fcm = object  # loading the real one takes longer than the tests that use this


class FakeBroker(Broker):
    """Keeps what RabbitMQ would have been sent. `sick`: raises Unavailable."""

    def __init__(self) -> None:
        super().__init__("amqp://127.0.0.1:1", RETRY_SECONDS)
        self.sent: list[Outgoing] = []
        self.sick = False

    def ping(self) -> None:
        if self.sick:
            raise unavailable("rabbitmq")

    def _send(self, messages: list[Outgoing]) -> None:
        if messages:
            self.ping()
        self.sent += messages

    def _finish(self, begun: Begun, pushes: list[Outgoing], seconds: float) -> bool:
        self._send([*begun.messages, *pushes])
        return True

    @property
    def published(self) -> list[MessageUnread]:
        """New events, one for each shard."""
        return [
            MessageUnread.model_validate_json(message.body)
            for message in self.sent
            if message.routing_key.startswith("message.unread.") and message.exchange == EVENTS
        ]

    @property
    def told(self) -> list[dict[str, Any]]:
        """Events for other services."""
        return [json.loads(m.body) for m in self.sent if m.routing_key in TYPES]

    @property
    def retried(self) -> list[tuple[bytes, dict[str, Any]]]:
        """Bodies and headers of records that come again."""
        return [(m.body, m.properties.headers) for m in self.sent if m.exchange == RETRY]

    @property
    def dead(self) -> list[tuple[bytes, dict[str, Any]]]:
        """Bodies and headers of records laid aside."""
        return [(m.body, m.properties.headers) for m in self.sent if m.routing_key == DEAD]


class FakeEventOutbox(EventOutbox):
    """Events that wait. What is claimed comes again at once, unless it was removed."""

    def __init__(self) -> None:
        self.waiting: list[Waiting] = []
        self.sick = False

    def claim(self, limit: int) -> list[Waiting]:
        if self.sick:
            raise unavailable("postgres")
        return self.waiting[:limit]

    def remove(self, ids: Sequence[str]) -> None:
        self.waiting = [one for one in self.waiting if one.id not in ids]

    def age(self) -> float:
        return 7.0 if self.waiting else 0


class FakeFcm(Fcm):
    """Keeps what was sent. `outcomes`: those of pushes to a token, if not "sent"."""

    def __init__(self) -> None:
        self.sent: list[Any] = []
        self.calls = 0
        self.outcomes: dict[str, Outcome] = {}

    def send(self, pushes: Sequence[Notification]) -> list[Outcome]:
        self.calls += 1
        outcomes = [self.outcomes.get(push.token, Outcome("sent")) for push in pushes]
        self.sent += [p for p, o in zip(pushes, outcomes, strict=True) if o.state == "sent"]
        return outcomes
