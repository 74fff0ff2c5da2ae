"""Sends events by a gateway, and reads what arrived."""

import time
from typing import Any

from pydantic_core import from_json

from chalicelib.identity import Identity
from chalicelib.live.connections import Connections
from chalicelib.live.events import EndedBy, ended
from chalicelib.live.gateway import Gateway
from tests.contract.live.gateway.management import Management
from tests.contract.posts import EVENT

CHAT = "00000000-0000-7000-8000-00000000000c"


SENT = from_json(EVENT.to_wire())


def deliver(
    gateway: Gateway, *users: str, skip: str | None = None, seq: int = 3, again: bool = False
) -> Any:
    return gateway.deliver(
        users, EVENT, chat_id=CHAT, seq=seq, sender_id="ana", skip=skip, again=again
    )


def online(connections: Connections, user_id: str, *names: str) -> None:
    """With sockets that have pinged since they were opened."""
    for name in names:
        young(connections, user_id, name)
        connections.renew(connections.admit(name))


def of(management: Management, name: str) -> list[tuple[str, Any]]:
    """What was asked for a socket, in order."""
    return [(method, body) for method, who, body in management.calls if who == name]


def told(reason: EndedBy) -> Any:
    return from_json(ended(reason).to_wire())


def wait_until_overdue() -> None:
    """An acknowledgement is overdue after a second here, by the clock of Redis."""
    time.sleep(1.1)


def young(connections: Connections, user_id: str, name: str) -> None:
    connections.open(Identity(user_id=user_id, session_id="s1"), name)


def program(user_id: str, *scopes: str) -> Identity:
    return Identity(
        user_id=user_id, session_id="grant", client_id="board", scopes=frozenset(scopes)
    )
