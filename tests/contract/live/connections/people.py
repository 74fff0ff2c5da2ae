"""People with sockets."""

import uuid
from typing import Any
from unittest.mock import ANY

import redis

from chalicelib.identity import Identity
from chalicelib.live.connections import Connections

CHAT = "00000000-0000-7000-8000-00000000000c"


ANY_TIME: Any = ANY


def someone(session_id: str = "s1") -> Identity:
    return Identity(user_id=str(uuid.uuid4()), session_id=session_id)


def age(client: redis.Redis, connection_id: str, field: str, *, seconds: int) -> None:
    """Backdate a time in a socket's record."""
    client.hincrby(f"conn:{{{connection_id}}}", field, -seconds)


def program_of(user: Identity) -> Identity:
    """A program that may read the user's chats."""
    return Identity(
        user_id=user.user_id,
        session_id="grant",
        client_id="board",
        scopes=frozenset({"chats.read"}),
    )


def ids(connections: Connections, *people: Identity) -> list[str]:
    return [s.connection_id for s in connections.of([one.user_id for one in people])]


def watching(connections: Connections, *people: Identity) -> list[list[str]]:
    found = connections.watchers([one.user_id for one in people])
    return [[socket.connection_id for socket in sockets] for sockets in found]
