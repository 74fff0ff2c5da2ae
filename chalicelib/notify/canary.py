"""A push to nobody. After a deploy it proves that RabbitMQ, `notify` and FCM work together."""

import time
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any, Protocol

from pydantic import ValidationError

from chalicelib.broker.pushes import Canary
from chalicelib.drivers.redis import guarded
from chalicelib.ids import new_id
from chalicelib.notify.models import Outcome, Record
from chalicelib.wire import Model

if TYPE_CHECKING:
    import redis

ARRIVE_SECONDS = 90.0
KEPT_SECONDS = 600
EVERY = 0.5


class PublishesCanaries(Protocol):
    """The part of `Broker` that puts a canary into every push queue."""

    def publish_canary(self, canary: Canary) -> list[str]: ...


class ValidatesPushes(Protocol):
    """The part of `Fcm` that asks Google without pushing to a device."""

    def validate(self) -> Outcome: ...


class CanaryResult(Model):
    """Each push queue, and what FCM said to the function that read it.

    `ok`: FCM accepted our account. `missing`: no function read the queue in time. Anything else is
    the class of the error that FCM or the network gave.
    """

    queues: dict[str, str]


class Canaries:
    """Sends canaries and records where they arrive. Raises Unavailable without Redis."""

    def __init__(
        self,
        client: "redis.Redis",
        *,
        broker: Callable[[], PublishesCanaries],
        fcm: Callable[[], ValidatesPushes],
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._redis = client
        self._broker = broker
        self._fcm = fcm
        self._pause = pause

    def send(self, seconds: float = ARRIVE_SECONDS) -> CanaryResult:
        """Put one canary into each push queue, and wait until all have arrived."""
        canary = Canary(canary=new_id())
        queues = self._broker().publish_canary(canary)
        ends = time.time() + seconds
        while True:
            with guarded():
                arrived: dict[Any, Any] = self._redis.hgetall(_key(canary))
            if len(arrived) == len(queues) or time.time() > ends:
                break
            self._pause(EVERY)
        return CanaryResult(queues={queue: arrived.get(queue, "missing") for queue in queues})

    def record(self, canaries: Collection[tuple[str, Canary]]) -> None:
        """Record that canaries, (queue, canary), were read from queues, with FCM's answer."""
        outcome = self._fcm().validate()
        # FCM judges the token only after it has accepted the account.
        said = "ok" if outcome.state in ("sent", "gone") else outcome.reason
        with guarded():
            pipe = self._redis.pipeline(transaction=False)
            for queue, canary in canaries:
                pipe.hset(_key(canary), queue, said)
                pipe.expire(_key(canary), KEPT_SECONDS)
            pipe.execute()


def canary_of(record: Record) -> Canary | None:
    """The canary in a record; None for other records."""
    try:
        return Canary.model_validate_json(record.body)
    except ValidationError:
        return None


def _key(canary: Canary) -> str:
    return f"canary:{{{canary.canary}}}"
