"""What surrounds the verbs of messages, in memory, and how each part of it may fail."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import datetime
from types import SimpleNamespace
from typing import Any, NamedTuple, cast

import redis
from pydantic_core import from_json

from chalicelib.broker.pushes import MessageUnread
from chalicelib.errors import Unavailable, UserNotFound
from chalicelib.identity import Identity
from chalicelib.live.connections import Connections
from chalicelib.live.events import Socket
from chalicelib.live.gateway import Gateway
from chalicelib.live.models import Owed
from chalicelib.messages.models.chats import ChatState
from chalicelib.messages.models.messages import Message
from chalicelib.messages.store import MessageStore
from tests.messaging import Messaging
from tests.unit.messages.fakes import FakeBroker
from tests.unit.settings import settings


class Died(BaseException):
    """The process that handled a call is gone, and ran no line after this one."""


class Fault(NamedTuple):
    """What goes wrong, and when: before or after a part has done its work."""

    moment: str
    deadly: bool

    def __repr__(self) -> str:
        return f"{'dies' if self.deadly else 'unavailable'} {self.moment}"


MOMENTS = (
    "before append",
    "before insert",
    "after append",
    "before revise",
    "before apply",
    "after revise",
    "before rename",
    "after rename",
    "before of_owing",
    "after of_owing",
    "before post",
    "after post",
    "before publish",
    "after publish",
    "before settle",
    "after settle",
    "before of",
    "after of",
)
"""Each is met in some call; a fault whose moment does not come does nothing."""


class Fate:
    """The fault that the call under way will meet, if any."""

    def __init__(self) -> None:
        self.fault: Fault | None = None

    def meet(self, moment: str) -> None:
        """Raises Unavailable or Died where that is to happen."""
        if self.fault is not None and self.fault.moment == moment:
            if self.fault.deadly:
                raise Died
            raise Unavailable("fate")


class Frail:
    """Anything whose calls can fail before or after their work."""

    def __init__(self, real: object, fate: Fate) -> None:
        self._real = real
        self._fate = fate

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._real, name)

        def call(*arguments: Any, **named: Any) -> Any:
            self._fate.meet(f"before {name}")
            result = method(*arguments, **named)
            self._fate.meet(f"after {name}")
            return result

        return call


NEWS: dict[str, type[Message | ChatState]] = {
    "message.new": Message,
    "message.changed": Message,
    "chat.changed": ChatState,
}
"""The events that carry a rev."""


class Line:
    """One socket: what was posted to it and not yet taken by the client."""

    def __init__(self, user_id: str) -> None:
        self.user_id = user_id
        self.arrived: list[Message | ChatState] = []
        self.open = True
        self.swallows = False


class Sockets(Connections):
    """Records of sockets and of owed acknowledgements in a Redis."""

    def __init__(self, client: redis.Redis) -> None:
        super().__init__(client, settings())
        self._client = client

    def wait(self) -> None:
        """Until everything that is owed is overdue, also what was claimed before."""
        for key in self._client.scan_iter("owed:*"):
            deadlines: Any = self._client.zrange(key, 0, -1, withscores=True)
            self._client.zadd(key, {owing: deadline - 61 for owing, deadline in deadlines})

    def lose(self) -> None:
        """All that Redis knows."""
        self._client.flushdb()

    def knows(self, connection_id: str | None) -> bool:
        return bool(self._client.exists(f"conn:{{{connection_id}}}"))

    def owing(self) -> list[Owed]:
        found = []
        for key in self._client.scan_iter("owed-seqs:*"):
            entries: Any = self._client.hgetall(key)
            for owing, seqs in entries.items():
                user_id, chat_id = owing.split(" ")
                first, last = map(int, seqs.split(" "))
                found.append(Owed(user_id, chat_id, last, first))
        return found


class Model(Sockets):
    """The same without a Redis, which is faster."""

    def __init__(self) -> None:
        self.records: dict[str, Socket] = {}
        self.owed: dict[tuple[str, str], tuple[int, int]] = {}
        self.claimed: set[tuple[str, str]] = set()
        self.was_pushed: dict[str, set[str]] = defaultdict(set)

    def wait(self) -> None:
        self.claimed.clear()

    def lose(self) -> None:
        self.records.clear()
        self.owed.clear()
        self.was_pushed.clear()

    def knows(self, connection_id: str | None) -> bool:
        return connection_id in self.records

    def owing(self) -> list[Owed]:
        return [Owed(*one, last, first) for one, (first, last) in self.owed.items()]

    def open(self, identity: Identity, connection_id: str) -> list[Socket]:
        socket = Socket(
            identity.user_id, connection_id, identity.session_id, scopes=identity.scopes
        )
        self.records[connection_id] = socket
        return []

    def forget(self, connection_id: str) -> tuple[str, datetime | None] | None:
        self.records.pop(connection_id, None)
        return None

    def of(self, user_ids: Sequence[str], *, delivered: Owed | None = None) -> list[Socket]:
        if delivered is not None:
            self.settle([delivered])
        return [socket for socket in self.records.values() if socket.user_id in user_ids]

    def of_owing(
        self,
        user_ids: Sequence[str],
        *,
        chat_id: str,
        seq: int,
        sender_id: str,
        pushed: Collection[str] = (),
    ) -> list[Socket]:
        found = self.of(user_ids)
        for user_id in {socket.user_id for socket in found} - {sender_id, *pushed}:
            since, last = self.owed.get((user_id, chat_id), (seq, seq))
            self.owed[user_id, chat_id] = (min(since, seq), max(last, seq))
        return found

    def drop(self, sockets: Collection[Socket]) -> dict[str, datetime]:
        for socket in sockets:
            self.records.pop(socket.connection_id, None)
        return {}

    def settle(self, owed: Iterable[Owed], *, rest_is_overdue: bool = False) -> None:
        for user_id, chat_id, seq, since in owed:
            if (user_id, chat_id) in self.owed:
                first, last = self.owed.pop((user_id, chat_id))
                if since <= first:
                    first = max(first, seq + 1)
                elif seq >= last:
                    last = min(last, since - 1)
                if first <= last:
                    self.owed[user_id, chat_id] = (first, last)

    def note_pushed(self, message_ids: Collection[str], user_ids: Collection[str]) -> None:
        for message_id in message_ids:
            self.was_pushed[message_id] |= set(user_ids)

    def pushed(self, message_id: str) -> set[str]:
        return set(self.was_pushed[message_id])

    def claim_overdue(self, limit: int) -> list[Owed]:
        found = [one for one in self.owed if one not in self.claimed][:limit]
        self.claimed |= set(found)
        return [Owed(*one, self.owed[one][1], self.owed[one][0]) for one in found]


class Wires(Gateway):
    """The real gateway without the network."""

    def __init__(self, sockets: Connections, fate: Fate) -> None:
        self._connections = sockets
        self._fate = fate
        self.lines: dict[str, Line] = {}

    def _each(
        self,
        connection_ids: Iterable[str],
        method: str,
        body: bytes,
        ends: float,
        *,
        patient: bool = False,
    ) -> list[int]:
        return [self._carry(self.lines[one], body) for one in connection_ids]

    def _carry(self, line: Line, body: bytes) -> int:
        event = from_json(body)
        model = NEWS.get(event["event"])
        try:
            self._fate.meet("before post")
            if not line.open:
                return 410
            if model is not None and not line.swallows:
                line.arrived.append(model.model_validate(event["data"]))
            self._fate.meet("after post")
        except Unavailable:
            return 503
        return 200


class Everybody:
    """Knows some users."""

    def __init__(self, known: Collection[str]) -> None:
        self._known = set(known)

    def require(self, user_id: str) -> None:
        if user_id not in self._known:
            raise UserNotFound()


class World:
    """The verbs of messages with their real code, among parts that do as fate wants."""

    def __init__(
        self, store: MessageStore, sockets: Sockets, fate: Fate, user_ids: Collection[str]
    ) -> None:
        self.fate = fate
        self.store = store
        self.sockets = sockets
        self.broker = FakeBroker()
        connections = cast(Connections, Frail(self.sockets, fate))
        parts = ("chats", "timeline", "outbox", "cursors")
        frail = SimpleNamespace(**{part: Frail(getattr(store, part), fate) for part in parts})
        self.frail = cast(MessageStore, frail)
        self.wires = Wires(connections, fate)
        self._users: Any = Everybody(user_ids)
        broker: Any = Frail(self.broker, fate)
        # What is pending is redelivered at once, however young it is.
        impatient = settings().model_copy(update={"pending_after_seconds": -60})
        self.messages = Messaging(
            impatient,
            store=self.frail,
            connections=connections,
            gateway=self.wires,
            broker=lambda: broker,
            users=lambda: self._users,
        )

    def published(self) -> list[MessageUnread]:
        """All pushes that RabbitMQ was given."""
        return self.broker.published
