"""Frames to sockets: signed posts to API Gateway's @connections over kept connections."""

import logging
import random
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote, urlsplit

from chalicelib import metrics
from chalicelib.config import Settings
from chalicelib.deadline import within
from chalicelib.drivers.http import Answer, KeptConnections
from chalicelib.drivers.redis import Call
from chalicelib.errors import Unavailable
from chalicelib.live.events import UNKNOWN, EndedBy, Event, Socket, ended
from chalicelib.live.models import PRESENCE, Owed, UserPresence

if TYPE_CHECKING:
    from chalicelib.live.connections import Connections

log = logging.getLogger(__name__)

PARALLEL = 16
POSTS_SECONDS = 6.0
"""What all posts of an event may take, but for opening a connection. So a send is answered within
API Gateway's 29 seconds, however many sockets hang."""
TELL_SECONDS = 1.0
"""What it may take to tell sockets why they close, before they are closed all the same."""
NOT_ASKED = 504
BACKOFF_SECONDS = (0.1, 0.2, 0.4, 0.8)
"""Waits between tries that are answered 429, at most: a random part of each is waited."""
FULL_SECONDS = 30.0
"""How long posts to a socket are tried only once, after all tries got 429."""
MOST_FULL = 1000


class Delivery(NamedTuple):
    """Users with no socket to take the event, and whether an open socket could not be asked.
    Sockets of programs do not count: a user with no others gets a push."""

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
        self._full: dict[str, float] = {}

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
    ) -> Delivery:
        """Send a message's event to all sockets of users except `skip`. The users owe an
        acknowledgement, except the sender and those in `pushed`.

        `meanwhile` is called before the first post with the users who have no socket. It begins
        what need not wait for the posts.

        `again`: it was tried before. A socket that still answers 429 is then closed, if API Gateway
        allows it: its client reads nothing. It connects again and syncs.
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
            # Their sockets turned out to be gone, so they get a push now and none when overdue.
            # What a socket took before it went is still owed.
            self._connections.settle(Owed(user_id, chat_id, seq, since=seq) for user_id in noted)
        return Delivery(unreached, any(socket.first_party for socket in failed))

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

    def tell_presence(self, changes: Mapping[str, datetime | None]) -> None:
        """Tell those who watch these users when each left, or (None) that each came; best
        effort."""
        self._tell_presence(changes, _deadline())

    def hang_up(self, sockets: Collection[Socket], why: Event) -> None:
        """Tell sockets why they close, and close them; best effort. One that cannot be told in time
        is closed untold."""
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
        """Dismiss a session's sockets."""
        sockets = [s for s in self._connections.of([user_id]) if s.session_id == session_id]
        self.dismiss(sockets, ended("revoked"))

    def end_sessions(
        self,
        user_id: str,
        session_ids: Collection[str],
        tombstones: Sequence[Call],
        reason: EndedBy,
    ) -> None:
        """Refuse the next request and the next frame of sessions, then tell their sockets why and
        close them.

        Raises Unavailable when Redis did not answer. Redis did all of it or nothing: either the
        session still stands and the call can be repeated, or its sockets are dropped.
        """
        mine = self._of_sessions(self._connections.of([user_id]), session_ids)
        try:
            left, others = self._connections.expel(user_id, mine, tombstones)
        except Exception:
            self.hang_up(mine, UNKNOWN)  # nobody knows whether the session stands
            raise
        self.hang_up(mine, ended(reason))
        self.tell_presence(left)
        # What opened between the two; what opens from now on finds its session revoked.
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
        """Post to each that may get it; drop those that are gone. Answers (gone, failed)."""
        ends = _deadline()
        targets = [socket for socket in sockets if socket.connection_id != skip]
        statuses = self._post_event(targets, event, ends, patient=patient)
        # One that is young has not got its answer to $connect yet. What it misses now it gets by
        # the sync that it begins with, and owes an acknowledgement of.
        gone = {s for s, status in statuses.items() if status == 410 and not s.young}
        failed = {s for s, status in statuses.items() if status not in _CLOSED}
        if close_full:
            gone |= self._close_full([s for s in failed if statuses[s] == 429], ends)
        if gone:
            self._tell_presence(self._connections.drop(gone), ends)
        return gone, failed - gone

    def _close_full(self, sockets: Sequence[Socket], ends: float) -> set[Socket]:
        """The sockets that could be closed: none while the rate of the account is used up."""
        ids = [socket.connection_id for socket in sockets]
        statuses = self._each(ids, "DELETE", b"", ends)
        return {s for s, status in zip(sockets, statuses, strict=True) if status in _CLOSED}

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
        """The one way out: posts to those of the sockets that may get the event."""
        targets = [socket for socket in sockets if event.kind.may_reach(socket)]
        ids = [socket.connection_id for socket in targets]
        statuses = self._each(ids, "POST", event.to_wire(), ends, patient=patient)
        return dict(zip(targets, statuses, strict=True))

    def _each(
        self,
        connection_ids: Iterable[str],
        method: str,
        body: bytes,
        ends: float,
        *,
        patient: bool = False,
    ) -> list[int]:
        """The status of each. `patient`: a post that is answered 429 is tried again."""
        ids = list(connection_ids)
        if len(ids) < 2:
            return [self._call(method, one, body, ends, patient) for one in ids]

        def call(one: str) -> int:
            return self._call(method, one, body, ends, patient)

        statuses = list(self._threads.map(call, ids))
        if late := statuses.count(NOT_ASKED):
            log.warning("sockets not asked in time", extra={"count": late, "method": method})
        return statuses

    @cached_property
    def _threads(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(PARALLEL, thread_name_prefix="gateway")

    def _call(
        self, method: str, connection_id: str, body: bytes, ends: float, patient: bool
    ) -> int:
        """The status, 200 for any success; 503 when nobody answered, also the second time.

        429 says that the account's rate is used up, or that the client reads nothing: API Gateway
        does not say which. So it is worth some tries, but not for every event to that socket.
        """
        waits = list(BACKOFF_SECONDS) if patient and not self._is_full(connection_id) else []
        status = self._try(method, connection_id, body, ends)
        if status >= 500 and status != NOT_ASKED:
            time.sleep(0.05)
            status = self._try(method, connection_id, body, ends, new=True)
        while status == 429 and waits:
            wait = random.uniform(0, waits.pop(0))  # noqa: S311, no secret
            if time.monotonic() + wait > ends:
                break
            time.sleep(wait)
            status = self._try(method, connection_id, body, ends)
        if status == 429:
            metrics.count("PostsThrottled")
        if patient:
            self._note(connection_id, full=status == 429)
        if status not in (*_CLOSED, NOT_ASKED):
            log.warning("socket not reached", extra={"status": status, "method": method})
        return status

    def _try(
        self, method: str, connection_id: str, body: bytes, ends: float, *, new: bool = False
    ) -> int:
        if time.monotonic() > ends:
            return NOT_ASKED
        path = self._path + quote(connection_id, safe="")
        try:
            ahead = self._signer.ahead
            answer = self._ask(method, path, body, ends, new=new)
            if answer.status == 403 and self._signer.corrected(answer.date, ahead):
                answer = self._ask(method, path, body, ends)
        except OSError:
            return 503
        return 200 if answer.status < 300 else answer.status

    def _ask(
        self, method: str, path: str, body: bytes, ends: float, *, new: bool = False
    ) -> Answer:
        headers = self._signer.headers(method, self._http.host, path, body)
        return self._http.exchange(method, path, headers, body, new=new, ends=ends)

    def _is_full(self, connection_id: str) -> bool:
        return time.monotonic() < self._full.get(connection_id, 0)

    def _note(self, connection_id: str, *, full: bool) -> None:
        if not full:
            self._full.pop(connection_id, None)
        elif not self._is_full(connection_id):
            if len(self._full) >= MOST_FULL:
                self._full.clear()
            self._full[connection_id] = time.monotonic() + FULL_SECONDS


_CLOSED = (200, 410)


def _deadline() -> float:
    return time.monotonic() + within(POSTS_SECONDS)
