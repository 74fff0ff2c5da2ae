"""Frames to sockets: signed posts to API Gateway's @connections over kept connections."""

import logging
import time
from collections.abc import Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote, urlsplit

from chalicelib.config import Settings
from chalicelib.errors import Unavailable
from chalicelib.http import KeptConnections
from chalicelib.messages.models import PRESENCE, Owed, PresenceOf
from chalicelib.socket_events import Event, Socket
from chalicelib.wire import now

if TYPE_CHECKING:
    from chalicelib.connections import Connections

log = logging.getLogger(__name__)

PARALLEL = 16
POSTS_SECONDS = 6.0
"""No post begins later than this after the first; it takes three more at most. So a
send is answered within API Gateway's 29 seconds, however many sockets hang."""
NOT_ASKED = 504


class Delivery(NamedTuple):
    """Users with no socket to take the event, and whether an open socket of somebody but the
    sender could not be asked. Those of programs do not count: whoever has no other is pushed to."""

    unreached: set[str]
    failed: bool


class Gateway:
    """Sends events to the sockets that may get them, and closes sockets.

    The boto3 client would do the same at many times the CPU (docs/decisions).
    """

    def __init__(self, settings: Settings, *, connections: "Connections") -> None:
        self._connections = connections
        self._path = urlsplit(settings.ws_endpoint_url).path.rstrip("/") + "/@connections/"
        self._http = KeptConnections(settings.ws_endpoint_url)
        self._signer = settings.signer("execute-api")

    def deliver(
        self,
        user_ids: Sequence[str],
        event: Event,
        *,
        chat_id: str,
        seq: int,
        sender_id: str,
        skip: str | None = None,
        pushed: Collection[str] = (),
    ) -> Delivery:
        """Send a message's event to all sockets of users but `skip`, noting that all but the
        sender and who was `pushed` to owe an acknowledgement."""
        sockets = self._connections.of_owing(
            user_ids, chat_id=chat_id, seq=seq, sender_id=sender_id, pushed=pushed
        )
        gone, failed = self._send(sockets, event, skip)
        ours = [socket for socket in sockets if socket.first_party]
        took = {s.user_id for s in ours if s not in gone and event.kind.may_reach(s)}
        unreached = set(user_ids) - took
        if noted := unreached.intersection(socket.user_id for socket in ours):
            # Whoever turned out to have no socket is pushed to now, not once more when overdue.
            # What the socket took before it went is still owed.
            self._connections.settle(Owed(user_id, chat_id, seq, since=seq) for user_id in noted)
        # A sender's other device has to be content with the gap that it sees, or its next sync.
        return Delivery(unreached, any(s.first_party and s.user_id != sender_id for s in failed))

    def tell(
        self,
        user_ids: Sequence[str],
        event: Event,
        *,
        skip: str | None = None,
        delivered: Owed | None = None,
    ) -> None:
        """Send an event that needs no acknowledgement; a socket that cannot take it misses it.
        In the same round trip to Redis, strike out what `delivered` covers."""
        self._send(self._connections.of(user_ids, delivered=delivered), event, skip)

    def tell_presence(self, user_ids: Collection[str], *, online: bool) -> None:
        """Tell who watches these users that they came or went, as far as that can be done."""
        self._tell_presence(user_ids, _deadline(), online=online)

    def close(self, connection_ids: Collection[str]) -> None:
        """Close sockets, as far as that can be done."""
        self._each(connection_ids, "DELETE", b"", _deadline())

    def close_session(self, user_id: str, session_id: str) -> None:
        """Dismiss a session's sockets."""
        self.dismiss([s for s in self._connections.of([user_id]) if s.session_id == session_id])

    def dismiss(self, sockets: Collection[Socket]) -> None:
        """Refuse the next frame of sockets, then close them. Raises Unavailable when Redis could
        not be told; the closing itself is best effort."""
        if sockets:
            left = self._connections.drop(sockets)
            self.close([socket.connection_id for socket in sockets])
            self.tell_presence(left, online=False)

    def _send(
        self, sockets: list[Socket], event: Event, skip: str | None
    ) -> tuple[set[Socket], set[Socket]]:
        """Post to each that may get it; drop those that are gone. Answers (gone, failed)."""
        ends = _deadline()
        statuses = self._post_event([s for s in sockets if s.connection_id != skip], event, ends)
        gone = {socket for socket, status in statuses.items() if status == 410}
        if gone:
            self._tell_presence(self._connections.drop(gone), ends, online=False)
        # 429 says that its client reads nothing: it swallowed this as it does what the kernel took.
        failed = {s for s, status in statuses.items() if status not in (200, 410, 429)}
        return gone, failed

    def _tell_presence(self, user_ids: Collection[str], ends: float, *, online: bool) -> None:
        if not user_ids:
            return
        try:
            watchers = self._connections.watchers(user_ids)
        except Unavailable as error:
            log.warning("presence not told", extra={"dependency": error.dependency})
            return
        seen = None if online else now()
        for user_id, sockets in zip(user_ids, watchers, strict=True):
            how = PresenceOf(user_id=user_id, online=online, last_seen_at=seen)
            self._post_event(sockets, PRESENCE.of(how), ends)

    def _post_event(
        self, sockets: Iterable[Socket], event: Event, ends: float
    ) -> dict[Socket, int]:
        """The one way out: posts to those of the sockets that may get the event."""
        targets = [socket for socket in sockets if event.kind.may_reach(socket)]
        ids = [socket.connection_id for socket in targets]
        return dict(zip(targets, self._each(ids, "POST", event.to_wire(), ends), strict=True))

    def _each(
        self, connection_ids: Iterable[str], method: str, body: bytes, ends: float
    ) -> list[int]:
        ids = list(connection_ids)
        if len(ids) < 2:
            return [self._call(method, one, body, ends) for one in ids]
        statuses = list(self._threads.map(lambda one: self._call(method, one, body, ends), ids))
        if late := statuses.count(NOT_ASKED):
            log.warning("sockets not asked in time", extra={"count": late, "method": method})
        return statuses

    @cached_property
    def _threads(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(PARALLEL, thread_name_prefix="gateway")

    def _call(self, method: str, connection_id: str, body: bytes, ends: float) -> int:
        """The status, 200 for any success; 503 when nobody answered, also the second time."""
        path = self._path + quote(connection_id, safe="")
        status = NOT_ASKED
        for attempt in (1, 2):
            if time.monotonic() > ends:
                break
            headers = self._signer.headers(method, self._http.host, path, body)
            try:
                status = self._http.request(method, path, headers, body, new=attempt > 1)
            except OSError:
                status = 503
            else:
                if status < 300:
                    return 200
                if status < 500 and status != 429:
                    break
            if attempt == 1:
                time.sleep(0.05)
        if status not in (410, NOT_ASKED):
            log.warning("socket not reached", extra={"status": status, "method": method})
        return status


def _deadline() -> float:
    return time.monotonic() + POSTS_SECONDS
