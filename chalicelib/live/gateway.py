"""Which sockets get an event, and which are closed."""

import logging
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from chalicelib.config import Settings
from chalicelib.deadline import within
from chalicelib.drivers.redis import Command
from chalicelib.errors import Unavailable
from chalicelib.live.events import UNKNOWN, EndedBy, Event, Socket, ended
from chalicelib.live.models import PRESENCE, Owed, UserPresence
from chalicelib.live.posts import CLOSED, Posts

if TYPE_CHECKING:
    from chalicelib.live.connections import Connections

log = logging.getLogger(__name__)

POSTS_SECONDS = 6.0
"""Seconds for all posts of an event, without opening connections. So a send is answered within API
Gateway's 29 seconds, however many sockets hang."""
TELL_SECONDS = 1.0
"""Seconds to tell sockets why they close. After that they are closed without it."""


class DeliveryResult(NamedTuple):
    """The result of a delivery: the users without a socket that took the event, and whether a post
    to an open socket failed. Sockets of programs do not count: a user with only those gets a push.
    """

    unreached: set[str]
    failed: bool


class Gateway(Posts):
    """Sends events to the sockets that may get them, and closes sockets."""

    def __init__(self, settings: Settings, *, connections: "Connections") -> None:
        super().__init__(settings)
        self._connections = connections

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
        again: bool = False,
        meanwhile: Callable[[set[str]], None] = lambda absent: None,
    ) -> DeliveryResult:
        """Send a message's event to all sockets of users except `skip`. The users then owe an
        acknowledgement, except the sender and those in `pushed`.

        `meanwhile` is called with the users without a socket, before the first post. It starts work
        that need not wait for the posts.

        `again`: this is not the first attempt. A socket that still answers 429 is then closed, if
        API Gateway allows it: its client does not read. The client connects again and syncs.
        """
        sockets = self._connections.of_owing(
            user_ids, chat_id=chat_id, seq=seq, sender_id=sender_id, pushed=pushed
        )
        ours = [socket for socket in sockets if socket.first_party]
        meanwhile(set(user_ids).difference(socket.user_id for socket in ours))
        gone, failed = self._send(sockets, event, skip, patient=True, close_full=again)
        took = {s.user_id for s in ours if s not in gone and event.kind.may_reach(s)}
        unreached = set(user_ids) - took
        if noted := unreached.intersection(socket.user_id for socket in ours):
            # Their sockets were closed, so they get a push now and none when overdue.
            # Acknowledgements of messages that a socket took before it closed are still owed.
            self._connections.settle(Owed(user_id, chat_id, seq, since=seq) for user_id in noted)
        return DeliveryResult(unreached, any(socket.first_party for socket in failed))

    def tell_all(
        self, user_ids: Sequence[str], event: Event, *, skip: str | None = None, again: bool = False
    ) -> bool:
        """Send an event that no socket may miss, but that needs no acknowledgement, to all sockets
        of users except `skip`. Returns whether a post to an open socket of our own clients failed.
        `again`: as in `deliver`."""
        sockets = self._connections.of(user_ids)
        _, failed = self._send(sockets, event, skip, patient=True, close_full=again)
        return any(socket.first_party for socket in failed)

    def tell(
        self,
        user_ids: Sequence[str],
        event: Event,
        *,
        skip: str | None = None,
        delivered: Owed | None = None,
    ) -> None:
        """Send an event that may be missed: a socket that cannot take it does not get it. The
        same round trip to Redis removes owed acknowledgements that `delivered` covers."""
        self._send(self._connections.of(user_ids, delivered=delivered), event, skip)

    def tell_presence(self, changes: Mapping[str, datetime | None]) -> None:
        """Tell the watchers of these users when each went offline, or that each came online (None).
        Best effort."""
        self._tell_presence(changes, _deadline())

    def hang_up(self, sockets: Collection[Socket], why: Event) -> None:
        """Tell sockets why they close, and close them. Best effort: a socket that cannot be told in
        time is closed all the same."""
        told_by, closed_by = time.monotonic() + within(TELL_SECONDS), _deadline()

        def end(socket: Socket) -> None:
            told = self._post_event([socket], why, told_by)
            if told.get(socket) != 410 or socket.young:
                self._each([socket.connection_id], "DELETE", b"", closed_by, patient=True)

        if len(sockets) < 2:
            for socket in sockets:
                end(socket)
        else:
            list(self._threads.map(end, sockets))

    def close_session(self, user_id: str, session_id: str) -> None:
        """`dismiss` the sockets of a session."""
        sockets = [s for s in self._connections.of([user_id]) if s.session_id == session_id]
        self.dismiss(sockets, ended("revoked"))

    def end_sessions(
        self,
        user_id: str,
        session_ids: Collection[str],
        tombstones: Sequence[Command],
        reason: EndedBy,
    ) -> None:
        """Refuse the next request and the next frame of sessions, then tell their sockets why and
        close them.

        Raises Unavailable when Redis does not answer. Redis does all of it or nothing: either the
        session is still valid and the call can be repeated, or its sockets are dropped.
        """
        mine = self._of_sessions(self._connections.of([user_id]), session_ids)
        try:
            left, others = self._connections.expel(user_id, mine, tombstones)
        except Exception:
            self.hang_up(mine, UNKNOWN)  # it is not known whether the session was revoked
            raise
        self.hang_up(mine, ended(reason))
        self.tell_presence(left)
        # Sockets that opened between the two. From now on, a new socket finds that its session is
        # revoked.
        self.dismiss(self._of_sessions(others, session_ids), ended(reason))

    def dismiss(self, sockets: Collection[Socket], why: Event) -> None:
        """Refuse the next frame of sockets, then tell them why and close them. Raises Unavailable
        when Redis does not answer; the closing itself is best effort."""
        if sockets:
            left = self._connections.drop(sockets)
            self.hang_up(sockets, why)
            self.tell_presence(left)

    def _of_sessions(self, sockets: Iterable[Socket], session_ids: Collection[str]) -> list[Socket]:
        return [socket for socket in sockets if socket.session_id in session_ids]

    def _send(
        self,
        sockets: list[Socket],
        event: Event,
        skip: str | None,
        *,
        patient: bool = False,
        close_full: bool = False,
    ) -> tuple[set[Socket], set[Socket]]:
        """Post to each socket that may get it, and drop the closed ones. Returns (closed,
        failed)."""
        ends = _deadline()
        targets = [socket for socket in sockets if socket.connection_id != skip]
        statuses = self._post_event(targets, event, ends, patient=patient)
        # A young socket may not have its answer to $connect yet. It gets a missed message by its
        # first sync, and owes an acknowledgement of it.
        gone = {s for s, status in statuses.items() if status == 410 and not s.young}
        failed = {s for s, status in statuses.items() if status not in CLOSED}
        if close_full:
            gone |= self._close_full([s for s in failed if statuses[s] == 429], ends)
        if gone:
            self._tell_presence(self._connections.drop(gone), ends)
        return gone, failed - gone

    def _close_full(self, sockets: Sequence[Socket], ends: float) -> set[Socket]:
        """Close sockets whose clients do not read. Returns the closed ones: none while the rate of
        the AWS account is used up."""
        ids = [socket.connection_id for socket in sockets]
        statuses = self._each(ids, "DELETE", b"", ends)
        return {s for s, status in zip(sockets, statuses, strict=True) if status in CLOSED}

    def _tell_presence(self, changes: Mapping[str, datetime | None], ends: float) -> None:
        if not changes:
            return
        try:
            watchers = self._connections.watchers(list(changes))
        except Unavailable as error:
            log.warning("presence not told", extra={"dependency": error.dependency})
            return
        for (user_id, left_at), sockets in zip(changes.items(), watchers, strict=True):
            how = UserPresence(user_id=user_id, online=left_at is None, last_seen_at=left_at)
            self._post_event(sockets, PRESENCE.of(how), ends)

    def _post_event(
        self, sockets: Iterable[Socket], event: Event, ends: float, *, patient: bool = False
    ) -> dict[Socket, int]:
        """Post an event to the sockets that may get it. All events go through here."""
        targets = [socket for socket in sockets if event.kind.may_reach(socket)]
        ids = [socket.connection_id for socket in targets]
        statuses = self._each(ids, "POST", event.to_wire(), ends, patient=patient)
        return dict(zip(targets, statuses, strict=True))


def _deadline() -> float:
    return time.monotonic() + within(POSTS_SECONDS)
