"""The table of events: what the server sends to sockets, and which sockets may get it."""

import inspect
from dataclasses import dataclass
from typing import Any, Generic, Literal, NamedTuple, Self, TypeVar

from pydantic import Field
from pydantic_core import to_json

from chalicelib.identity import Identity
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
        """Whether it belongs to our own client, not to an OAuth client."""
        return self.client_id is None

    @property
    def entry(self) -> str:
        """Its entry in Redis, in the list of its user: "<connection>
        <session>,<client>,<scope>,…"."""
        grant = [self.session_id, self.client_id or "", *sorted(self.scopes)]
        return f"{self.connection_id} {','.join(grant).rstrip(',')}"

    @classmethod
    def of(cls, identity: Identity, connection_id: str | None = None) -> Self:
        """The socket of a caller, or the one with this id that they open."""
        return cls(
            identity.user_id,
            connection_id or identity.connection_id or "",
            identity.session_id,
            identity.client_id,
            identity.scopes,
        )

    @classmethod
    def read(cls, user_id: str, entry: str, *, young: bool = False) -> Self:
        """The socket of an entry. An entry of an earlier version has no scopes, so the socket gets
        no events that need one."""
        connection_id, _, grant = entry.partition(" ")
        session_id, client_id, *scopes = [*grant.split(","), ""]
        granted = frozenset(filter(None, scopes))
        return cls(user_id, connection_id, session_id, client_id or None, granted, young)


@dataclass(frozen=True, slots=True)
class Kind(Generic[M]):
    """A row of the table: the data of an event, the scope that a socket needs to get it, and
    whether only our own clients get it. An event without a scope is about the socket itself, and
    any socket may get it. `tag`: its subject, one of those in chalicelib/edge/asyncapi/__init__.py.
    `about`: what clients read about it.
    """

    name: str
    model: type[M]
    scope: str | None
    first_party: bool = False
    tag: str = ""
    about: str = ""

    def of(self, data: M) -> "Event":
        return Event(self, data)

    def may_reach(self, socket: Socket) -> bool:
        granted = self.scope is None or self.scope in socket.scopes
        return granted and (socket.first_party or not self.first_party)


@dataclass(frozen=True, slots=True)
class Event:
    """An event to send. Raises ValueError unless it is in the table, and TypeError for the data of
    another event."""

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


def declare(
    name: str,
    model: type[M],
    *,
    scope: str | None,
    first_party: bool = False,
    tag: str = "",
    about: str = "",
) -> Kind[M]:
    """Add a row to the table. Without `about`, clients read the model's docstring. Raises
    ValueError for a name that is taken."""
    if name in EVENTS:
        raise ValueError(f"event defined twice: {name}")
    kind = Kind(name, model, scope, first_party, tag, about or inspect.getdoc(model) or "")
    EVENTS[name] = kind
    return kind


EndedBy = Literal[
    "signed_out",
    "password_changed",
    "too_many_sessions",
    "account_suspended",
    "account_deleted",
    "revoked",
]
"""Why a session ended. A thief with a stolen token reads this too. So a theft that we detected is
also called `revoked`, like every reason without its own name."""


class SessionEnded(Model):
    """The session of this socket has ended, and the socket is closed. The user has to sign in
    again."""

    reason: EndedBy = Field(
        description="`signed_out`: the user ended the session, here or on another device, or took "
        "back what a program may do. `password_changed`: it was changed or reset. "
        "`too_many_sessions`: the user signed in again, and the oldest session gave way. "
        "`account_suspended`, `account_deleted`: the account was suspended, or deleted. "
        "`revoked`: anything else. More reasons may come: take one that you do not know for "
        "`revoked`."
    )


class SocketClosing(Model):
    """This socket is closed. Its session may still be valid. Connect again, and sync."""

    reason: Literal["too_many_sockets", "unknown_socket"] = Field(
        description="`too_many_sockets`: the session has opened more, and the oldest gave way: "
        "connect again only when the user comes back to this window. `unknown_socket`: the server "
        "has lost this socket, or its session has ended: connect again with a new ticket."
    )


class SocketLimited(Model):
    """This socket sent on although its frames were refused, and is closed."""

    retry_after: int = Field(
        description="Seconds to wait before you connect again, and then send less."
    )


SESSION_ENDED = declare("session.ended", SessionEnded, scope=None, tag="Connection")
CLOSING = declare("socket.closing", SocketClosing, scope=None, tag="Connection")
RATE_LIMITED = declare("rate_limited", SocketLimited, scope=None, tag="Connection")

SURPLUS = CLOSING.of(SocketClosing(reason="too_many_sockets"))
UNKNOWN = CLOSING.of(SocketClosing(reason="unknown_socket"))


def ended(reason: EndedBy) -> Event:
    """The event for the sockets of a session that has ended."""
    return SESSION_ENDED.of(SessionEnded(reason=reason))
