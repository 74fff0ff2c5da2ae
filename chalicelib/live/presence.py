"""Presence: sockets open and close, who is online, and who may see it."""

from collections.abc import Callable, Collection
from contextlib import suppress
from typing import TYPE_CHECKING

from chalicelib.config import Settings
from chalicelib.errors import Unauthorized, Unavailable
from chalicelib.identity import Identity
from chalicelib.live.events import SURPLUS, UNKNOWN, Socket, ended
from chalicelib.live.models import PresenceList, UserPresence

if TYPE_CHECKING:
    from chalicelib.live.connections import Connections
    from chalicelib.live.gateway import Gateway


class Presence:
    """A user is online while they have a socket of one of our own clients open."""

    def __init__(
        self,
        settings: Settings,
        *,
        connections: "Connections",
        gateway: "Gateway",
        acquainted: Callable[[str, Collection[str]], Collection[str]],
        still_valid: Callable[[Identity], bool],
    ) -> None:
        """`acquainted`: of some users, those who have an answered chat with a user. `still_valid`:
        whether a session is still valid; it may raise Unavailable."""
        self._sockets_per_session = settings.sockets_per_session
        self._connections = connections
        self._gateway = gateway
        self._acquainted = acquainted
        self._still_valid = still_valid

    def connected(self, identity: Identity, connection_id: str) -> None:
        """Record a socket. Raises Unauthorized if its session was revoked in the meantime."""
        try:
            others = self._connections.open(identity, connection_id)
            # A revoke that ran before the record was written has not deleted it, so check again.
            if not self._still_valid(identity):
                raise Unauthorized()
            same = [socket for socket in others if socket.session_id == identity.session_id]
            surplus = same[: max(0, len(same) + 1 - self._sockets_per_session)]
            self._gateway.dismiss(surplus, SURPLUS)
        except Exception:
            # API Gateway sends no $disconnect for a socket whose $connect was refused.
            with suppress(Unavailable):
                self.disconnected(connection_id)
            raise
        if identity.client_id is None and not others:
            self._gateway.tell_presence({identity.user_id: None})

    def disconnected(self, connection_id: str) -> None:
        """Forget a socket."""
        found = self._connections.forget(connection_id)
        if found is None:
            return
        user_id, left_at = found
        if left_at:
            self._gateway.tell_presence({user_id: left_at})

    def watch(self, watcher: Identity, user_ids: list[str]) -> PresenceList:
        """The presence of users now and, by events, for the next 15 minutes; a ping renews that.

        Leaves out users with whom the watcher has no chat in which both have written.
        """
        known = self._acquainted(watcher.user_id, user_ids) if user_ids else ()
        visible = [user_id for user_id in dict.fromkeys(user_ids) if user_id in known]
        found = self._connections.watch(watcher, visible)
        return PresenceList(
            items=[
                UserPresence(user_id=user_id, online=how.online, last_seen_at=how.last_seen_at)
                for user_id, how in zip(visible, found, strict=True)
            ]
        )

    def ping(self, pinger: Identity) -> None:
        """Keep the socket's record alive, and every few minutes renew whom it watches.

        Raises Unauthorized if Redis lost the socket from its user's list: it would get no events.
        Its client connects again and syncs.
        """
        watching = self._connections.renew(pinger)
        if watching is None:
            self._gateway.dismiss([Socket.of(pinger)], UNKNOWN)
            raise Unauthorized()
        if watching:
            self.watch(pinger, watching)

    def check(self, caller: Identity) -> None:
        """Check that a socket's session is valid and that events reach it: every minute, and when
        Redis does not know the session. Raises Unauthorized.

        The function that revoked the session may have died, or Redis may not have answered, before
        the sockets were dropped.
        """
        if not self._still_valid(caller):
            self._gateway.dismiss([Socket.of(caller)], ended("revoked"))
            raise Unauthorized()
        self.ping(caller)
