"""The accounts of services that consume events. Each can read its one queue, and nothing else.

Pushes go over the same exchange, with previews of messages. So we bind the queue, and only to
events for other services. See docs/decisions/0043.
"""

import re
import secrets
from collections.abc import Collection
from urllib.parse import urlsplit

from chalicelib.broker.topology import DAY, EVENTS, call, quorum_queue
from chalicelib.broker.users import BrokerUsers
from chalicelib.config import Settings
from chalicelib.domain_events.models import TYPES, ConsumerAccount

LIMITS = {"max-connections": 10, "max-channels": 50}
"""Functions need connections to the same broker."""

# A full queue drops its oldest events. If it refused new ones, our publishing would stop. An event
# that is never acknowledged is dropped in the end, because the queue's log on disk grows behind it.
_BOUNDS = {
    "x-max-length": 100_000,
    "x-overflow": "drop-head",
    "x-delivery-limit": 20,
    "x-message-ttl": 14 * DAY,
}


class EventConsumers:
    """Every method may be repeated. Raises Unavailable."""

    def __init__(self, settings: Settings) -> None:
        self._url = settings.amqp_url.get_secret_value()
        admin = settings.broker_admin
        self._users = BrokerUsers(admin.get_secret_value()) if admin else None

    def register(self, name: str, types: Collection[str] = TYPES.keys()) -> ConsumerAccount:
        """Make a consumer's queue and account. Events of these types come into the queue, and no
        others. An account that exists is made again: connections with its old password are closed.

        A RabbitMQ without an administrator, as on a developer's machine, has one account for
        everything: the consumer gets that one.
        """
        own = _queue(name)
        bindings = [
            ("queue_bind" if one in types else "queue_unbind", _binding(own, one)) for one in TYPES
        ]
        call(self._owner_url(), [quorum_queue(own, _BOUNDS), *bindings])
        if self._users is None:
            return ConsumerAccount(url=self._url, queue=own)
        login, password = _login(name), secrets.token_urlsafe(32)
        # No right to bind: bindings cost the broker memory, and their arguments can have any size.
        rights = {"configure": "^$", "write": "^$", "read": f"^{re.escape(own)}$"}
        self._users.delete(login)
        self._users.put(login, password, rights, limits=LIMITS)
        place = urlsplit(self._url)
        host = place.netloc.rpartition("@")[2]
        url = place._replace(netloc=f"{login}:{password}@{host}").geturl()
        return ConsumerAccount(url=url, queue=own)

    def remove(self, name: str) -> None:
        """Delete a consumer's account, which ends its connections, and its queue."""
        if self._users is not None:
            self._users.delete(_login(name))
        call(self._owner_url(), [("queue_delete", {"queue": _queue(name)})])

    def _owner_url(self) -> str:
        """A URL of RabbitMQ with a user who can make any queue. The functions' user cannot."""
        return self._users.amqp_url(self._url) if self._users else self._url


def _queue(name: str) -> str:
    return f"events.{name}"


def _binding(queue: str, key: str) -> dict[str, str]:
    return {"queue": queue, "exchange": EVENTS, "routing_key": key}


def _login(name: str) -> str:
    return f"events_{name}"
