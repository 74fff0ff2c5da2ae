"""Pages that programs run as: which origins may call the token endpoint from a browser."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from chalicelib.oauth.models import without_port

if TYPE_CHECKING:
    from chalicelib.oauth.store import ClientStore

KEPT_SECONDS = 60.0
"""How long origins are kept in memory. A program that is new, or deleted, counts after that."""

_DEFAULT_PORTS = {"http": 80, "https": 443}


class Origins:
    """The origins (RFC 6454) of public programs' redirect URIs. A confidential program keeps its
    secret on a server, so no page calls for it."""

    def __init__(self, clients: "ClientStore", clock: Callable[[], float] = time.time) -> None:
        self._clients = clients
        self._clock = clock
        self._kept: tuple[float, frozenset[str]] | None = None

    def know(self, origin: str) -> bool:
        """Whether a page of this origin may be a public program. Raises Unavailable.

        A loopback address without a port stands for all of its ports (RFC 8252, section 7.3).
        """
        found = self._fresh()
        return origin in found or without_port(origin) in found

    def _fresh(self) -> frozenset[str]:
        now = self._clock()
        if self._kept is None or not 0 <= now - self._kept[0] < KEPT_SECONDS:
            uris = self._clients.public_redirect_uris()
            self._kept = now, frozenset(filter(None, map(origin_of, uris)))
        return self._kept[1]


def origin_of(uri: str) -> str:
    """What a browser calls the origin of a registered address; empty for an app's own scheme."""
    parts = urlsplit(uri)
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname:
        return ""
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    default = parts.port in (None, _DEFAULT_PORTS[parts.scheme])
    return f"{parts.scheme}://{host}" + ("" if default else f":{parts.port}")
