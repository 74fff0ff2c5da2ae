"""What the command line chose, and its ports."""

import os
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from errno import EADDRINUSE
from pathlib import Path
from socket import AF_INET, AF_INET6, SO_REUSEADDR, SOL_SOCKET, AddressFamily, has_ipv6, socket

from local.holder import holder
from local.limits import Limits

ROOT = Path(__file__).resolve().parent.parent
HOST = "127.0.0.1"
LAST_PORT = 65535


class CloudFailed(Exception):
    """The local cloud cannot start. The message is for the person who started it."""


@dataclass(frozen=True)
class Options:
    """How to run the local cloud."""

    http_port: int = 8000
    socket_port: int | None = None
    """None for the port after `http_port`, or any free one where that is in use."""
    workers: int = os.cpu_count() or 1
    state: Path = ROOT / ".local"
    messages: str = "mongo"
    demo: bool = True
    schedule_seconds: float | None = None
    limits: Limits = field(default_factory=Limits)
    allow_hosts: frozenset[str] = frozenset()
    dev: bool = False
    """One worker that has the terminal, runs changed code at once and has no time limit."""
    app: Path = ROOT
    web: Path = ROOT / "web"


@dataclass(frozen=True)
class Listeners:
    """The ports, bound before anything starts, so that a port in use is reported at once."""

    http: socket
    sockets: socket
    management: socket
    fcm: socket
    ses: socket
    google: socket

    @classmethod
    def bind(cls, options: Options) -> "Listeners":
        """Raises CloudFailed if a chosen port is in use."""
        http = _bind(options.http_port, "PORT", "--http-port")
        try:
            sockets = _bind_for_sockets(http, options)
        except CloudFailed:
            http.close()
            raise
        return cls(
            http=http,
            sockets=sockets,
            management=_bind(0),
            fcm=_bind(0),
            ses=_bind(0),
            google=_bind(0),
        )

    def close_public(self) -> None:
        """Close the ports that clients use."""
        self.http.close()
        self.sockets.close()

    def close(self) -> None:
        """Close all ports."""
        private = (self.management, self.fcm, self.ses, self.google)
        for listener in (self.http, self.sockets, *private):
            listener.close()


def _bind_for_sockets(http: socket, options: Options) -> socket:
    if options.socket_port is not None:
        return _bind(options.socket_port, "SOCKET_PORT", "--socket-port")
    following = http.getsockname()[1] + 1
    if options.http_port == 0 or following > LAST_PORT:
        return _bind(0)
    try:
        return _bind(following)
    except CloudFailed:
        return _bind(0)


def _bind(port: int, variable: str = "", option: str = "") -> socket:
    try:
        if port and has_ipv6:
            # Browsers try this address first for `localhost`.
            _listen(AF_INET6, "::1", port).close()
    except OSError as error:
        if error.errno == EADDRINUSE:
            raise _taken(port, error, variable, option) from None
    try:
        return _listen(AF_INET, HOST, port)
    except OSError as error:
        raise _taken(port, error, variable, option) from None


def _listen(family: AddressFamily, host: str, port: int) -> socket:
    listener = socket(family)
    try:
        listener.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1)
        listener.bind((host, port))
        # Two programs may bind a port; only one can listen there.
        listener.listen(1024)
    except OSError:
        listener.close()
        raise
    listener.setblocking(False)
    return listener


def _taken(port: int, error: OSError, variable: str, option: str) -> CloudFailed:
    if error.errno == EADDRINUSE:
        problem = f"Port {port} is in use by {holder(port) or 'another program'}. Stop that, or"
    else:
        problem = f"Port {port} cannot be used ({error.strerror}). Please"
    other = next(_free_pairs(port), 0)
    return CloudFailed(
        f"{problem} choose another port: {variable}={other} for make, "
        f"{option} {other} for `python -m local`."
    )


def _free_pairs(port: int) -> Iterator[int]:
    """Ports that are free together with the one that follows."""
    for candidate in range(max(port, 8000) + 100, LAST_PORT, 100):
        try:
            with closing(_listen(AF_INET, HOST, candidate)):
                _listen(AF_INET, HOST, candidate + 1).close()
        except OSError:
            continue
        yield candidate


def url(listener: socket, scheme: str = "http") -> str:
    """The address that a listening socket is reached at."""
    return f"{scheme}://{HOST}:{listener.getsockname()[1]}"


def page(address: str) -> str:
    """The same address under the name for which browsers allow passkeys."""
    return address.replace(HOST, "localhost")
