"""Stand-ins for what the messages service works with."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any

from pydantic_core import from_json

from chalicelib.broker.cloud_events import CloudEvent
from chalicelib.broker.publisher import Broker
from chalicelib.broker.pushes import MessageUnread
from chalicelib.errors import UserNotFound
from chalicelib.errors.counted import unavailable
from chalicelib.live.connections import Connections
from chalicelib.live.events import Event
from chalicelib.live.gateway import DeliveryResult, Gateway
from chalicelib.live.models import Owed


class FakeGateway(Gateway):
    """Some users are online; what is sent is kept as it would go over the wire."""

    def __init__(self, online: Collection[str] = ()) -> None:
        self.online = set(online)
        self.sent: list[tuple[str, dict[str, Any]]] = []
        self.struck: list[Owed] = []
        self.skipped: list[str | None] = []
        self.sick = False
        self.failed = False

    def deliver(
        self,
        user_ids: Sequence[str],
        event: Event,
        *,
        chat_id: str,
        seq: int,
        sender_id: str,
        skip: str | None = None,
        pushed: Collection[str] = (),
        again: bool = False,
        meanwhile: Callable[[set[str]], None] = lambda absent: None,
    ) -> DeliveryResult:
        meanwhile(set(user_ids) - self.online)
        self.tell(user_ids, event, skip=skip)
        return DeliveryResult(set(user_ids) - self.online, self.failed)

    def tell_all(
        self, user_ids: Sequence[str], event: Event, *, skip: str | None = None, again: bool = False
    ) -> bool:
        self.tell(user_ids, event, skip=skip)
        return self.failed

    def tell(
        self,
        user_ids: Sequence[str],
        event: Event,
        *,
        skip: str | None = None,
        delivered: Owed | None = None,
    ) -> None:
        if self.sick:
            raise unavailable("redis")
        self.skipped.append(skip)
        self.sent += [(u, from_json(event.to_wire())) for u in user_ids if u in self.online]
        if delivered:
            self.struck.append(delivered)


class FakeBroker(Broker):
    """Keeps what was published. `refuses`: a queue of another service takes no events."""

    def __init__(self) -> None:
        self.published: list[MessageUnread] = []
        self.told: list[CloudEvent] = []
        self.sick = False
        self.refuses = False

    def publish_all(self, pushes: Iterable[MessageUnread]) -> None:
        if self.sick:
            raise unavailable("rabbitmq")
        self.published += pushes

    def prepare(self, events: Iterable[CloudEvent]) -> Any:
        return list(events)

    begin = prepare

    def finish(self, begun: Any, pushes: Iterable[MessageUnread]) -> bool:
        if pushes or not self.sick:
            self.publish_all(pushes)
        if self.sick or self.refuses:
            return False
        self.told += begun
        return True

    def publish_events(self, events: Iterable[CloudEvent]) -> None:
        if not self.finish(list(events), ()):
            raise unavailable("rabbitmq")


class FakeUsers:
    """Knows some users."""

    def __init__(self, known: Collection[str]) -> None:
        self.known = set(known)

    def require(self, user_id: str) -> None:
        if user_id not in self.known:
            raise UserNotFound()


class FakeOwing(Connections):
    """Has a list of overdue acknowledgements, and answers each of them once. Knows who was
    pushed to."""

    def __init__(self) -> None:
        self.overdue: list[Owed] = []
        self.settled: list[Owed] = []
        self.was_pushed: dict[str, set[str]] = defaultdict(set)

    def note_pushed(self, message_ids: Collection[str], user_ids: Collection[str]) -> None:
        for message_id in message_ids:
            self.was_pushed[message_id] |= set(user_ids)

    def pushed(self, message_id: str) -> set[str]:
        return self.was_pushed[message_id]

    def claim_overdue(self, limit: int) -> list[Owed]:
        claimed, self.overdue = self.overdue[:limit], self.overdue[limit:]
        return claimed

    def settle(self, owed: Any, *, rest_is_overdue: bool = False) -> None:
        self.settled += list(owed)
