"""Clients of the socket gateway."""

import collections
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection

from tests.local.stack import PATIENCE, Stack


def closing(client: ClientConnection) -> tuple[int, str]:
    """Code and reason of the close that comes next."""
    with pytest.raises(ConnectionClosed) as closed:
        collections.deque(iter(lambda: client.recv(PATIENCE), None), maxlen=0)
    assert closed.value.rcvd is not None
    return closed.value.rcvd.code, closed.value.rcvd.reason


def frame(head: int, data: bytes) -> bytes:
    """A short frame of a client; its mask is 0."""
    return bytes([head, 0x80 | len(data)]) + bytes(4) + data


def disconnects(stack: Stack, connection_id: str) -> list[dict[str, Any]]:
    contexts = [event["requestContext"] for event in stack.records("disconnect")]
    return [context for context in contexts if context["connectionId"] == connection_id]
