"""What the command line says, and the ports that it names."""

import os
from dataclasses import dataclass, field
from errno import EADDRINUSE
from pathlib import Path
from socket import SO_REUSEADDR, SOL_SOCKET, socket

from local.limits import Limits

ROOT = Path(__file__).resolve().parent.parent
HOST = "127.0.0.1"


class CloudFailed(Exception):
    """The local cloud cannot start; the message is for the person who started it."""


@dataclass(frozen=True)
class Options:
    """How to run the local cloud."""

    http_port: int = 8000
    socket_port: int = 8001
    workers: int = os.cpu_count() or 1
    state: Path = ROOT / ".local"
    messages: str = "mongo"
    demo: bool = True
    schedule_seconds: float | None = None
    limits: Limits = field(default_factory=Limits)
    allow_hosts: frozenset[str] = frozenset()
    app: Path = ROOT
    web: Path = ROOT / "web"


@dataclass(frozen=True)
class Listeners:
    """Bound before anything is started, so that a port in use is reported at once."""

    http: socket
    sockets: socket
    management: socket
    fcm: socket
    ses: socket
    google: socket

    @classmethod
    def bind(cls, options: Options) -> "Listeners":
        """Raises CloudFailed where a port is taken."""
        return cls(
            http=_bind(options.http_port, "--http-port"),
            sockets=_bind(options.socket_port, "--socket-port"),
            management=_bind(0),
            fcm=_bind(0),
            ses=_bind(0),
            google=_bind(0),
        )

    def close_public(self) -> None:
        """Give the ports back that clients know."""
        self.http.close()
        self.sockets.close()

    def close(self) -> None:
        """Give all ports back."""
        private = (self.management, self.fcm, self.ses, self.google)
        for listener in (self.http, self.sockets, *private):
            listener.close()


def _bind(port: int, option: str = "") -> socket:
    listener = socket()
    try:
        listener.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1)
        listener.bind((HOST, port))
        # Two programs may bind a port; only one can listen there.
        listener.listen(1024)
    except OSError as error:
        listener.close()
        why = "is in use" if error.errno == EADDRINUSE else f"cannot be used ({error.strerror})"
        raise CloudFailed(f"Port {port} {why}. Choose another one with {option}.") from None
    listener.setblocking(False)
    return listener


def url(listener: socket, scheme: str = "http") -> str:
    """The address that a listening socket is reached at."""
    return f"{scheme}://{HOST}:{listener.getsockname()[1]}"
