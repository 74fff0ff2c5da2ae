"""The records of open sockets: they identify the callers of frames.

All records expire, or are written again when clients reconnect. All times are by the clock of
Redis: the clocks of functions may differ by minutes.
"""

import json
import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import redis

from chalicelib.config import Settings
from chalicelib.drivers.redis import Command, guarded
from chalicelib.errors import Unauthorized
from chalicelib.errors.counted import rate_limited
from chalicelib.identity import Identity
from chalicelib.limits.admission import admitting
from chalicelib.limits.buckets import judge, of_caller
from chalicelib.limits.table import Use
from chalicelib.live import keys
from chalicelib.live import scripts as lua
from chalicelib.live.events import Socket
from chalicelib.live.models import Owed
from chalicelib.live.owed import Acknowledgements, strike
from chalicelib.live.registry import LIFETIME, YOUNG_SECONDS, reach, sockets_in
from chalicelib.live.watching import Watching

RENEW_WATCH_SECONDS = 300
CHECK_SECONDS = 55  # so that each ping of a client, once a minute, is checked
SEEN_SECONDS = 60 * 60 * 24 * 30
CLOSING_SECONDS = 10
"""How long one function has to close a socket that exceeds its rate, before another one tries."""
CALLERS = 10_000
_DEFAULT = Use()


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller(Identity):
    """The caller of a frame. `in_doubt`: the session must be checked first."""

    in_doubt: bool = False


class Connections(Acknowledgements, Watching):
    """Raises Unavailable from every method when Redis does not answer."""

    def __init__(self, client: redis.Redis, settings: Settings) -> None:
        super().__init__(client, settings)
        self._callers: dict[str, tuple[str, str, str]] = {}

    def open(self, identity: Identity, connection_id: str) -> list[Socket]:
        """Record a socket. Returns the other sockets of the user, oldest first. Sockets of programs
        are separate: a user with only those is offline, and gets pushes."""
        socket = Socket.of(identity, connection_id)
        who = {
            "user_id": identity.user_id,
            "session_id": identity.session_id,
            "client_id": identity.client_id or "",
            "scopes": " ".join(sorted(identity.scopes)),
        }
        record: list[str | int] = [LIFETIME, *(text for pair in who.items() for text in pair)]
        live, _ = self._scripts.run_all(
            [
                Command(lua.OPEN, keys.places(socket), [socket.entry, LIFETIME, SEEN_SECONDS]),
                Command(lua.RECORD, [keys.connection(connection_id)], record),
            ]
        )
        return [Socket.read(identity.user_id, found) for found in live]

    def admit(self, connection_id: str, use: Use = _DEFAULT) -> Caller:
        """The caller of a frame, and take tokens: one round trip.

        The record proves that the socket is valid, since a revoke deletes it. The session is also
        checked, in case the function that revoked it died in between. Takes from the socket's
        bucket, and from the user's buckets for the use. API Gateway does not name the user of a
        frame, so the first frame of a socket on this function takes a second round trip, for the
        user's buckets. Raises Unauthorized or RateLimited.
        """
        frame = self._settings.limits["frame"].buckets["socket"]
        sizes = [frame.size / frame.seconds, frame.size, CHECK_SECONDS]
        commands = [Command(lua.ADMIT, [keys.connection(connection_id)], sizes)]
        known = self._callers.get(connection_id)
        own = of_caller(self._settings.limits, use, *known) if known else []
        if known:
            commands.append(admitting(known[0], known[1], own, use.cost))
        found, *answers = self._scripts.run_all(commands)
        if not found:
            self._callers.pop(connection_id, None)
            raise Unauthorized("This socket is not signed in any more. Connect again.")
        user_id, session_id, client_id, scopes, wait, look = found
        if not answers and float(wait) == 0:
            own = of_caller(self._settings.limits, use, user_id, session_id, client_id)
            answers = [self._scripts.run(admitting(user_id, session_id, own, use.cost))]
            self._remember(connection_id, (user_id, session_id, client_id))
        state, taken = (answers[0][0], answers[0][1:]) if answers else (None, [])
        if state != "0":
            if float(wait) > 0:
                raise rate_limited(math.ceil(float(wait)))
            judge([(own, taken)])
        return Caller(
            user_id=user_id,
            session_id=session_id,
            scopes=frozenset(scopes.split()),
            client_id=client_id or None,
            connection_id=connection_id,
            in_doubt=bool(look) or state != "1",
        )

    def refused(self, connection_id: str) -> bool:
        """Count a frame that a limit refused. Returns whether the caller must close the socket,
        because there were too many. After that, one frame in CLOSING_SECONDS gets this answer."""
        bucket = self._settings.limits["refused"].buckets["socket"]
        sizes = [bucket.interval, bucket.size, CLOSING_SECONDS]
        return bool(self._scripts.run(Command(lua.REFUSE, [keys.connection(connection_id)], sizes)))

    def _remember(self, connection_id: str, caller: tuple[str, str, str]) -> None:
        if len(self._callers) >= CALLERS:
            del self._callers[next(iter(self._callers))]
        self._callers[connection_id] = caller

    def renew(self, identity: Identity) -> list[str] | None:
        """Note that the user is online now, and keep the socket's record. Returns the users to
        watch again, if that is due. None if the socket was dropped, or if Redis lost it from its
        user's list: then it would get no events."""
        socket = Socket.of(identity)
        kept: list[str | int] = [socket.entry, LIFETIME, YOUNG_SECONDS, SEEN_SECONDS]
        record = [keys.connection(socket.connection_id)]
        found, stays = self._scripts.run_all(
            [
                Command(lua.RENEW, record, [LIFETIME, RENEW_WATCH_SECONDS]),
                Command(lua.STAY, keys.places(socket), kept),
            ]
        )
        if not found or not stays:
            return None
        return json.loads(found[0]) if found[0] else []

    def forget(self, connection_id: str) -> tuple[str, datetime | None] | None:
        """Drop a closed socket. Returns its user, and the time if it was the user's last one; None
        if the socket is unknown."""
        with guarded():
            found: list[Any] = self._redis.hmget(
                keys.connection(connection_id), ["user_id", "session_id", "client_id", "scopes"]
            )
        user_id, session_id, client_id, scopes = found
        if user_id is None:
            return None
        granted = frozenset(scopes.split()) if client_id is not None else frozenset[str]()
        left = self.drop([Socket(user_id, connection_id, session_id, client_id or None, granted)])
        return user_id, left.get(user_id)

    def drop(self, sockets: Collection[Socket]) -> dict[str, datetime]:
        """Drop sockets that are closed or revoked: their next frame is refused. Returns the users
        who have no sockets left, with the time."""
        return self.expel("", sockets, [])[0]

    def expel(
        self, user_id: str, sockets: Collection[Socket], also: Sequence[Command]
    ) -> tuple[dict[str, datetime], list[Socket]]:
        """Drop sockets and run other scripts in one write, so that both are done or neither.
        Returns what `drop` does, and the sockets that the user still has."""
        commands = []
        for one in sockets:
            commands.append(Command(lua.FORGET, [keys.connection(one.connection_id)], []))
            commands.append(Command(lua.CLOSE, keys.places(one), [one.entry, SEEN_SECONDS]))
        if also:
            commands += [*also, reach(user_id)]
        answers = self._scripts.run_all(commands)
        closed = answers[1 : 2 * len(sockets) : 2]
        left = {
            one.user_id: datetime.fromtimestamp(at, UTC)
            for one, at in zip(sockets, closed, strict=True)
            if at
        }
        return left, sockets_in([user_id], answers[-1:]) if also else []

    def forget_user(self, user_id: str) -> None:
        """Delete what is stored about a user whose sockets were dropped: the lists of sockets, the
        time when they were last online, and their watchers."""
        with guarded():
            self._redis.delete(
                keys.sockets(user_id),
                keys.programs(user_id),
                keys.last_seen(user_id),
                keys.watchers(user_id),
            )

    def of(self, user_ids: Sequence[str], *, delivered: Owed | None = None) -> list[Socket]:
        """The sockets of users, in one round trip, which also removes owed acknowledgements that
        `delivered` covers."""
        commands = [reach(user_id) for user_id in user_ids]
        if delivered is not None:
            commands.append(strike(delivered, self._settings.delivered_within_seconds))
        return sockets_in(user_ids, self._scripts.run_all(commands))

    def ping(self) -> None:
        """Raises Unavailable unless Redis answers and accepts a write."""
        with guarded():
            self._redis.set("ready", "1", ex=60)
