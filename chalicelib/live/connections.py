"""Who has which sockets open, who owes an acknowledgement, who watches whose presence.

Everything here expires or is rebuilt when clients reconnect. A user's keys share a hash tag, so
each of the scripts stays on one slot of a Redis Cluster. All times are by the clock of Redis: those
of functions may differ by minutes.
"""

import json
import math
import zlib
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

import redis

from chalicelib.config import Settings
from chalicelib.drivers.redis import Call, Scripts, guarded
from chalicelib.errors import Unauthorized
from chalicelib.errors.counted import rate_limited
from chalicelib.identity import Identity
from chalicelib.limits.admission import admitting
from chalicelib.limits.buckets import judge, of_caller
from chalicelib.limits.table import Use
from chalicelib.live import scripts as lua
from chalicelib.live.events import Socket
from chalicelib.live.models import Owed

SHARDS = 64
LIFETIME = 2 * 60 * 60 + 300  # API Gateway cuts a socket after two hours
YOUNG_SECONDS = 10
"""How long a socket is young, if it has not pinged: its `$connect` may not have returned, and then
posts to it are answered as if it were gone."""
WATCH_SECONDS = 900
RENEW_WATCH_SECONDS = 300
CHECK_SECONDS = 55  # so that clients which ping once a minute are looked at each time
MOST_WATCHERS = 1000
SEEN_SECONDS = 60 * 60 * 24 * 30
PUSHED_SECONDS = 60 * 60 * 2
CLOSING_SECONDS = 10
"""How long a socket that is being closed for its rate is left to the function that does it."""
CLAIM_OF_ONE = 2
CLAIM_LOOKS_AT = 500
CALLERS = 10_000
_DEFAULT = Use()


class Presence(NamedTuple):
    """Whether a user has a socket open, and when they last did if not."""

    online: bool
    last_seen_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller(Identity):
    """Who sends a frame. `in_doubt`: check first that the session stands."""

    in_doubt: bool = False


class Connections:
    """Raises Unavailable from every method when Redis does not answer."""

    def __init__(self, client: redis.Redis, settings: Settings) -> None:
        self._redis = client
        self._scripts = Scripts(client)
        self._settings = settings
        self._callers: dict[str, tuple[str, str, str]] = {}

    def open(self, identity: Identity, connection_id: str) -> list[Socket]:
        """Record a socket; answers the user's others, oldest first. Sockets of programs are kept
        apart: these make nobody online, and hold back no push."""
        socket = _socket_of(identity, connection_id)
        who = {
            "user_id": identity.user_id,
            "session_id": identity.session_id,
            "client_id": identity.client_id or "",
            "scopes": " ".join(sorted(identity.scopes)),
        }
        record: list[str | int] = [LIFETIME, *(text for pair in who.items() for text in pair)]
        live, _ = self._scripts.run_all(
            [
                Call(lua.OPEN, _places(socket), [socket.entry, LIFETIME, SEEN_SECONDS]),
                Call(lua.RECORD, [_connection(connection_id)], record),
            ]
        )
        return [Socket.read(identity.user_id, found) for found in live]

    def admit(self, connection_id: str, use: Use = _DEFAULT) -> Caller:
        """Who is calling: one round trip.

        The record is a check, since revoking deletes it. So is the session, in case the function
        that revoked it died in between. Takes of the socket's bucket, and of its user's buckets for
        what the frame is about to do. API Gateway does not say whose a frame is: the first frame of
        a socket on this function takes a second round trip, for the user's buckets. Raises
        Unauthorized or RateLimited.
        """
        frame = self._settings.limits["frame"].buckets["socket"]
        sizes = [frame.size / frame.seconds, frame.size, CHECK_SECONDS]
        calls = [Call(lua.ADMIT, [_connection(connection_id)], sizes)]
        known = self._callers.get(connection_id)
        own = of_caller(self._settings.limits, use, *known) if known else []
        if known:
            calls.append(admitting(known[0], known[1], own, use.cost))
        found, *answers = self._scripts.run_all(calls)
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
        """Count a frame that a limit refused. Answers whether there have been too many, and the
        caller has to close the socket: one frame is answered so, the next one after a while."""
        bucket = self._settings.limits["refused"].buckets["socket"]
        sizes = [bucket.interval, bucket.size, CLOSING_SECONDS]
        return bool(self._scripts.run(Call(lua.REFUSE, [_connection(connection_id)], sizes)))

    def _remember(self, connection_id: str, caller: tuple[str, str, str]) -> None:
        if len(self._callers) >= CALLERS:
            del self._callers[next(iter(self._callers))]
        self._callers[connection_id] = caller

    def renew(self, identity: Identity) -> list[str] | None:
        """Note that the user was seen now, and keep the socket's record. Answers whom to watch
        again, if that is due. None: the socket was dropped, or Redis lost it from its user's list,
        so that no event reaches it."""
        socket = socket_of(identity)
        kept: list[str | int] = [socket.entry, LIFETIME, YOUNG_SECONDS, SEEN_SECONDS]
        record = [_connection(socket.connection_id)]
        found, stays = self._scripts.run_all(
            [
                Call(lua.RENEW, record, [LIFETIME, RENEW_WATCH_SECONDS]),
                Call(lua.STAY, _places(socket), kept),
            ]
        )
        if not found or not stays:
            return None
        return json.loads(found[0]) if found[0] else []

    def forget(self, connection_id: str) -> tuple[str, datetime | None] | None:
        """Drop a socket that closed: (its user, when they left if they left with it), None if
        unknown."""
        with guarded():
            found: list[Any] = self._redis.hmget(
                _connection(connection_id), ["user_id", "session_id", "client_id", "scopes"]
            )
        user_id, session_id, client_id, scopes = found
        if user_id is None:
            return None
        granted = frozenset(scopes.split()) if client_id is not None else frozenset[str]()
        left = self.drop([Socket(user_id, connection_id, session_id, client_id or None, granted)])
        return user_id, left.get(user_id)

    def drop(self, sockets: Collection[Socket]) -> dict[str, datetime]:
        """Drop sockets that are gone or revoked: their next frame is refused. Answers whose last
        ones they were, and when they left."""
        return self.expel("", sockets, [])[0]

    def expel(
        self, user_id: str, sockets: Collection[Socket], also: Sequence[Call]
    ) -> tuple[dict[str, datetime], list[Socket]]:
        """Drop sockets and run other scripts in one write, so that a lost answer cannot leave one
        of the two undone. Answers like `drop`, with the sockets that the user has afterwards."""
        calls = []
        for one in sockets:
            calls.append(Call(lua.FORGET, [_connection(one.connection_id)], []))
            calls.append(Call(lua.CLOSE, _places(one), [one.entry, SEEN_SECONDS]))
        if also:
            calls += [*also, _reach(user_id)]
        answers = self._scripts.run_all(calls)
        closed = answers[1 : 2 * len(sockets) : 2]
        left = {
            one.user_id: datetime.fromtimestamp(at, UTC)
            for one, at in zip(sockets, closed, strict=True)
            if at
        }
        return left, _flatten([user_id], answers[-1:]) if also else []

    def forget_user(self, user_id: str) -> None:
        """Forget a user whose sockets were dropped: their lists, when they were last seen, and who
        watches them."""
        with guarded():
            self._redis.delete(
                _sockets(user_id), _programs(user_id), _last_seen(user_id), _watchers(user_id)
            )

    def of(self, user_ids: Sequence[str], *, delivered: Owed | None = None) -> list[Socket]:
        """The sockets of users, in one round trip; it also strikes out what `delivered` covers."""
        calls = [_reach(user_id) for user_id in user_ids]
        if delivered is not None:
            calls.append(_strike(delivered, self._settings.delivered_within_seconds))
        return _flatten(user_ids, self._scripts.run_all(calls))

    def of_owing(
        self,
        user_ids: Sequence[str],
        *,
        chat_id: str,
        seq: int,
        sender_id: str,
        pushed: Collection[str] = (),
    ) -> list[Socket]:
        """The sockets of users, in one round trip. Each of these users with one of our own clients
        connected now owes an acknowledgement of `seq` within `delivered_within_seconds`; the
        sender and those in `pushed` do not."""
        within = self._settings.delivered_within_seconds
        calls = [
            _reach(user_id)
            if user_id == sender_id or user_id in pushed
            else _reach(user_id, f"{user_id} {chat_id}", within, seq)
            for user_id in user_ids
        ]
        return _flatten(user_ids, self._scripts.run_all(calls))

    def settle(self, owed: Iterable[Owed], *, rest_is_overdue: bool = False) -> None:
        """Strike out what needs no acknowledgement any more. What was sent after it is owed
        within `delivered_within_seconds`, or is overdue as all of it was."""
        within = 0 if rest_is_overdue else self._settings.delivered_within_seconds
        self._scripts.run_all([_strike(one, within) for one in owed])

    def note_pushed(self, message_ids: Collection[str], user_ids: Collection[str]) -> None:
        """Remember whose pushes of messages were queued, as long as these may be redelivered."""
        with guarded():
            pipe = self._redis.pipeline(transaction=False)
            for message_id in message_ids if user_ids else ():
                pipe.sadd(_pushed(message_id), *user_ids)
                pipe.expire(_pushed(message_id), PUSHED_SECONDS)
            pipe.execute()

    def pushed(self, message_id: str) -> set[str]:
        """To whom a message was pushed in the last PUSHED_SECONDS."""
        with guarded():
            found: Any = self._redis.smembers(_pushed(message_id))
        return set(found)

    def claim_overdue(self, limit: int) -> list[Owed]:
        """Overdue acknowledgements, at most about `limit` and few of one user; unsettled ones
        come again after a while. Repeat until there are none."""
        again = 3 * self._settings.delivered_within_seconds
        share = max(1, limit // SHARDS)
        found = self._scripts.run_all(
            [
                Call(
                    lua.CLAIM,
                    [_owed(shard), _owed_seqs(shard)],
                    [again, share, CLAIM_OF_ONE, CLAIM_LOOKS_AT],
                )
                for shard in range(SHARDS)
            ]
        )
        overdue = []
        for flat in found:
            for owing, seqs in zip(flat[::2], flat[1::2], strict=True):
                user_id, chat_id = owing.split(" ")
                first, last = map(int, seqs.split(" "))
                overdue.append(Owed(user_id, chat_id, last, since=first))
        return overdue

    def watch(self, identity: Identity, user_ids: Sequence[str]) -> list[Presence]:
        """Send this socket the presence of these users for a quarter of an hour; answers their
        presence now. Replaces whom it watched before."""
        watcher = socket_of(identity)
        key = _connection(watcher.connection_id)
        with guarded():
            before = self._redis.hget(key, "watching")
        shards = _by_shard(user_ids)
        ended = _by_shard(set(json.loads(before or "[]")) - set(user_ids))
        answers = self._scripts.run_all(
            [
                *(
                    Call(lua.WATCH, _keys(shard), [watcher.entry, WATCH_SECONDS])
                    for shard in shards
                ),
                *(
                    Call(lua.UNWATCH, [_watchers(o) for o in shard], [watcher.entry])
                    for shard in ended
                ),
                Call(lua.NOTE_WATCHED, [key], [json.dumps(list(user_ids))]),
            ]
        )
        found = {
            user_id: _presence(flat[2 * place], flat[2 * place + 1])
            for shard, flat in zip(shards, answers, strict=False)
            for place, user_id in enumerate(shard)
        }
        return [found[user_id] for user_id in user_ids]

    def watchers(self, user_ids: Collection[str]) -> list[list[Socket]]:
        """The sockets that watch each of some users, at most MOST_WATCHERS, without their users."""
        found = self._scripts.run_all(
            [Call(lua.WATCHERS, [_watchers(user_id)], [MOST_WATCHERS]) for user_id in user_ids]
        )
        return [[Socket.read("", one) for one in entries] for entries in found]

    def ping(self) -> None:
        """Raises Unavailable unless Redis answers and accepts a write."""
        with guarded():
            self._redis.set("ready", "1", ex=60)


def _reach(user_id: str, owing: str = "", within: int = 0, seq: int | str = "") -> Call:
    shard = _shard(user_id)
    return Call(
        lua.REACH,
        [_sockets(user_id), _programs(user_id), _owed(shard), _owed_seqs(shard)],
        [LIFETIME, YOUNG_SECONDS, owing, within, seq],
    )


def _strike(owed: Owed, within: int) -> Call:
    shard = _shard(owed.user_id)
    return Call(
        lua.STRIKE,
        [_owed(shard), _owed_seqs(shard)],
        [f"{owed.user_id} {owed.chat_id}", owed.since, owed.seq, within],
    )


def _flatten(user_ids: Sequence[str], answers: list[Any]) -> list[Socket]:
    return [
        Socket.read(user_id, entry, young=bool(young))
        for user_id, live in zip(user_ids, answers, strict=False)
        for entry, young in zip(live[::2], live[1::2], strict=True)
    ]


def socket_of(identity: Identity) -> Socket:
    """The socket that somebody calls on."""
    return _socket_of(identity, identity.connection_id or "")


def _socket_of(identity: Identity, connection_id: str) -> Socket:
    return Socket(
        identity.user_id,
        connection_id,
        identity.session_id,
        identity.client_id,
        identity.scopes,
    )


def _presence(sockets: int, seen: str | None) -> Presence:
    if sockets:
        return Presence(True, None)
    return Presence(False, datetime.fromtimestamp(int(seen), UTC) if seen else None)


def _keys(user_ids: Iterable[str]) -> list[str]:
    return [k for one in user_ids for k in (_sockets(one), _last_seen(one), _watchers(one))]


def _by_shard(user_ids: Iterable[str]) -> list[list[str]]:
    shards: dict[int, list[str]] = {}
    for user_id in user_ids:
        shards.setdefault(_shard(user_id), []).append(user_id)
    return list(shards.values())


def _shard(user_id: str) -> int:
    return zlib.crc32(user_id.encode()) % SHARDS


def _connection(connection_id: str) -> str:
    return f"conn:{{{connection_id}}}"


def _places(socket: Socket) -> list[str]:
    """Where a socket is kept and, unless it is a program's, where it tells when its user was last
    seen."""
    if socket.first_party:
        return [_sockets(socket.user_id), _last_seen(socket.user_id)]
    return [_programs(socket.user_id)]


def _programs(user_id: str) -> str:
    return f"programs:{{{_shard(user_id)}}}:{user_id}"


def _sockets(user_id: str) -> str:
    return f"conns:{{{_shard(user_id)}}}:{user_id}"


def _last_seen(user_id: str) -> str:
    return f"seen:{{{_shard(user_id)}}}:{user_id}"


def _watchers(user_id: str) -> str:
    return f"watchers:{{{_shard(user_id)}}}:{user_id}"


def _owed(shard: int) -> str:
    return f"owed:{{{shard}}}"


def _owed_seqs(shard: int) -> str:
    return f"owed-seqs:{{{shard}}}"


def _pushed(message_id: str) -> str:
    return f"pushed:{{{message_id}}}"
