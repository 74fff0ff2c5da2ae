"""The names that the local cloud answers to, and the pages that may use it. A stranger who points
their own name at this machine (DNS rebinding) is refused."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from local.options import LAST_PORT

LOOPBACK = frozenset({"127.0.0.1", "localhost", "[::1]"})
_HOST = re.compile(r"([a-z0-9._-]+|\[[0-9a-f:]+\])(?::([0-9]{1,5}))?", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True)
class Names:
    """Those of this machine, and `more` from `--allow-host`.

    A request may name any port, since it may come through a tunnel. A stranger can choose the
    port, but not the name. `page_port` is the port of our own pages.
    """

    page_port: int = 0
    more: frozenset[str] = frozenset()

    def serve(self, hosts: Sequence[str]) -> bool:
        """Whether a request with these `Host` headers is for us."""
        return len(hosts) == 1 and _name(hosts[0]) in LOOPBACK | self.more

    def trust(self, origins: Sequence[str]) -> bool:
        """Whether these `Origin` headers name our page. Only browsers send them."""
        if not origins:
            return True
        scheme, _, host = origins[0].partition("://")
        if len(origins) > 1 or scheme not in ("http", "https"):
            return False
        if (name := _name(host)) in self.more:
            return True
        return name in LOOPBACK and host.rpartition(":")[2] == str(self.page_port)


def is_name(text: str) -> bool:
    """Whether this is a name as `more` has them, without scheme and port."""
    return _name(text) == text


def _name(host: str) -> str | None:
    found = _HOST.fullmatch(host)
    if found is None or int(found[2] or 0) > LAST_PORT:
        return None
    return found[1].lower()
