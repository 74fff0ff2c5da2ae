"""The origins of web pages that are OAuth clients: they may call the token endpoint."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from chalicelib.oauth.clients.redirect_uris import origin_of, without_port

if TYPE_CHECKING:
    from chalicelib.oauth.clients.store import ClientStore

KEPT_SECONDS = 60.0
"""How long origins are cached. A new or deleted client counts after that time at the latest."""


class Origins:
    """The origins (RFC 6454) of public clients' redirect URIs. A confidential client keeps its
    secret on a server, so no page calls for it."""

    def __init__(self, clients: "ClientStore", clock: Callable[[], float] = time.time) -> None:
        self._clients = clients
        self._clock = clock
        self._kept: tuple[float, frozenset[str]] | None = None

    def know(self, origin: str) -> bool:
        """Whether a page of this origin may be a public client. Raises Unavailable.

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
