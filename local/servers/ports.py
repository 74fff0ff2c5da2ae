"""Ports for our servers: free ones, chosen once and used again by every later start.

A port is claimed by a socket that is bound there and does not listen. The server can still
listen on it, and nobody else chooses it while the server is down.
"""

import json
import random
import socket
from collections.abc import Callable, Iterable
from pathlib import Path

from local.holder import holder

HOST = "127.0.0.1"
# Below those that the kernel hands out to clients, one of which could hold it at our start.
RANGE = range(20_000, 32_768)
TRIES = 200


def remembered_port(file: Path, name: str, report: Callable[[str], None]) -> int:
    """The port of this name from last time. A new one if there is none, or it is in use."""
    ports: dict[str, int] = json.loads(file.read_text()) if file.exists() else {}
    port = ports.get(name)
    if port and (user := taken_by(port)):
        report(f"port {port} of {name} is in use by {user}; taking another one")
        port = None
    if not port:
        port = ports[name] = free_port(avoid=ports.values())
        file.write_text(json.dumps(ports, indent=2) + "\n")
    return port


def free_port(avoid: Iterable[int] = ()) -> int:
    """A free port."""
    avoided = set(avoid)
    for port in random.sample(RANGE, TRIES):
        if port not in avoided and not _bound(port):
            return port
    raise OSError(f"None of {TRIES} ports tried between {RANGE.start} and {RANGE.stop} is free.")


def claim(port: int) -> socket.socket:
    """Keep a port until the socket is closed."""
    claimed = socket.socket()
    claimed.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    claimed.bind((HOST, port))
    return claimed


def taken_by(port: int) -> str | None:
    """Who listens on a port, in words; None if nobody does."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
            probe.listen(1)
        except OSError:
            return holder(port) or "another program"
    return None


def _bound(port: int) -> bool:
    """Whether any socket is bound there, listening or not."""
    with socket.socket() as probe:
        try:
            probe.bind((HOST, port))
        except OSError:
            return True
    return False
