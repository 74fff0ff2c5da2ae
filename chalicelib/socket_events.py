"""What sockets are sent unasked, and which sockets may get it: the one table of events."""

from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, Self, TypeVar

from pydantic_core import to_json

from chalicelib.wire import Model

M = TypeVar("M", bound=Model)


class Socket(NamedTuple):
    """An open socket of a user, with the scopes and the client that it was opened with. `young`:
    its `$connect` may not have been answered yet."""

    user_id: str
    connection_id: str
    session_id: str
    client_id: str | None = None
    scopes: frozenset[str] = frozenset()
    young: bool = False

    @property
    def first_party(self) -> bool:
        """Whether it belongs to a client of our own, not to a program that the user let in."""
        return self.client_id is None

    @property
    def entry(self) -> str:
        """How Redis keeps it among its user's: "<connection> <session>,<client>,<scope>,…"."""
        grant = [self.session_id, self.client_id or "", *sorted(self.scopes)]
        return f"{self.connection_id} {','.join(grant).rstrip(',')}"

    @classmethod
    def read(cls, user_id: str, entry: str, *, young: bool = False) -> Self:
        """The socket of an entry. One that an earlier version wrote names no scopes: it has
        none, so it gets no event."""
        connection_id, _, grant = entry.partition(" ")
        session_id, client_id, *scopes = [*grant.split(","), ""]
        granted = frozenset(filter(None, scopes))
        return cls(user_id, connection_id, session_id, client_id or None, granted, young)


@dataclass(frozen=True, slots=True)
class Kind(Generic[M]):
    """A row of the table: what an event says, the scope that a socket needs to get it, and whether
    only clients of our own get it."""

    name: str
    model: type[M]
    scope: str
    first_party: bool = False

    def of(self, data: M) -> "Event":
        return Event(self, data)

    def may_reach(self, socket: Socket) -> bool:
        return self.scope in socket.scopes and (socket.first_party or not self.first_party)


@dataclass(frozen=True, slots=True)
class Event:
    """An event to be sent. There is none that is not in the table."""

    kind: Kind[Any]
    data: Model

    def __post_init__(self) -> None:
        if EVENTS.get(self.kind.name) is not self.kind:
            raise ValueError(f"the event {self.kind.name} is not declared")
        if not isinstance(self.data, self.kind.model):
            raise TypeError(f"the event {self.kind.name} says something else")

    def to_wire(self) -> bytes:
        return to_json({"event": self.kind.name, "data": self.data})


EVENTS: dict[str, Kind[Any]] = {}


def declare(name: str, model: type[M], *, scope: str, first_party: bool = False) -> Kind[M]:
    """Add a row to the table. Refuses a name that is taken."""
    if name in EVENTS:
        raise ValueError(f"event defined twice: {name}")
    kind = Kind(name, model, scope, first_party)
    EVENTS[name] = kind
    return kind
