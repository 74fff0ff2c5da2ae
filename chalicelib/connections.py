"""Who has which sockets open, who owes an acknowledgement, who watches whose presence.

Everything here expires or is rebuilt when clients reconnect. A user's keys share a hash tag, so
each of the scripts stays on one slot of a Redis Cluster.
"""

import json
import math
import time
import zlib
from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import redis

from chalicelib import connection_scripts as lua
from chalicelib.auth.models import Identity
from chalicelib.buckets import judge, of_caller, taking
from chalicelib.config import Settings
from chalicelib.errors import RateLimited, Unauthorized
from chalicelib.limits import Use
from chalicelib.messages.models import Owed
from chalicelib.redis import Call, Scripts, guarded
from chalicelib.socket_events import Socket

SHARDS = 64
LIFETIME = 2 * 60 * 60 + 300  # API Gateway cuts a socket after two hours
WATCH_SECONDS = 900
RENEW_WATCH_SECONDS = 300
CHECK_SECONDS = 55  # so that clients which ping once a minute are looked at each time
SEEN_SECONDS = 60 * 60 * 24 * 30
PUSHED_SECONDS = 60 * 60 * 2
CLAIM_OF_ONE = 2
CLAIM_LOOKS_AT = 500
CALLERS = 10_000
_DEFAULT = Use()


class Presence(NamedTuple):
    """Whether a user has a socket open, and when they last did if not."""

    online: bool
    last_seen_at: datetime | None


class Renewal(NamedTuple):
    """What is due at a ping: whom to watch on, and a look at the session."""

    watching: list[str]
    check: bool


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
        place, *seen = _places(socket)
        now = int(time.time())
        with guarded():
            pipe = self._redis.pipeline(transaction=False)
            pipe.eval(lua.OPEN, 1, place, socket.entry, now, now + LIFETIME, LIFETIME)
            key = _connection(connection_id)
            pipe.hset(
                key,
                mapping={
                    "user_id": identity.user_id,
                    "session_id": identity.session_id,
                    "client_id": identity.client_id or "",
                    "scopes": " ".join(sorted(identity.scopes)),
                    "checked_at": now,
                },
            )
            pipe.expire(key, LIFETIME)
            for key in seen:
                pipe.set(key, now, ex=SEEN_SECONDS)
            live: list[str] = pipe.execute()[0]
        return [Socket.read(identity.user_id, found) for found in live]

    def admit(self, connection_id: str, use: Use = _DEFAULT) -> Identity:
        """Who is calling: one round trip, and the record is the check, since revoking deletes it.

        Takes of the socket's bucket, and of its user's for what the frame is about to do. API
        Gateway does not say whose a frame is: the first one of a socket that this function sees
        takes a second round trip, for the user's. Raises Unauthorized or RateLimited.
        """
        frame = self._settings.limits["frame"].buckets["socket"]
        rate = frame.size / frame.seconds
        calls = [Call(lua.ADMIT, [_connection(connection_id)], [rate, frame.size])]
        known = self._callers.get(connection_id)
        own = of_caller(self._settings.limits, use, *known) if known else []
        if own:
            calls.append(taking(own, use.cost))
        found, *taken = self._scripts.run_all(calls)
        if not found:
            self._callers.pop(connection_id, None)
            raise Unauthorized("This socket is not signed in any more. Connect again.")
        user_id, session_id, client_id, scopes, wait = found
        if float(wait) > 0:
            raise RateLimited(math.ceil(float(wait)))
        if not known:
            known = user_id, session_id, client_id
            own = of_caller(self._settings.limits, use, *known)
            taken = [self._scripts.run(taking(own, use.cost))] if own else []
            self._remember(connection_id, known)
        judge([(own, one) for one in taken])
        return Identity(
            user_id=user_id,
            session_id=session_id,
            scopes=frozenset(scopes.split()),
            client_id=client_id or None,
            connection_id=connection_id,
        )

    def refused(self, connection_id: str) -> bool:
        """Count a frame that was refused by a limit; whether there have been too many."""
        bucket = self._settings.limits["refused"].buckets["socket"]
        sizes = [bucket.interval, bucket.size]
        return bool(self._scripts.run(Call(lua.REFUSE, [_connection(connection_id)], sizes)))

    def _remember(self, connection_id: str, caller: tuple[str, str, str]) -> None:
        if len(self._callers) >= CALLERS:
            del self._callers[next(iter(self._callers))]
        self._callers[connection_id] = caller

    def renew(self, identity: Identity) -> Renewal:
        """A ping: the user was seen now, the record lives on."""
        connection_id = identity.connection_id or ""
        now = int(time.time())
        socket = _socket_of(identity, connection_id)
        renew = Call(
            lua.RENEW,
            [_connection(connection_id)],
            [now, LIFETIME, RENEW_WATCH_SECONDS, CHECK_SECONDS],
        )
        stay = Call(
            lua.STAY,
            _places(socket),
            [socket.entry, now, now + LIFETIME, LIFETIME, SEEN_SECONDS],
        )
        (watching, check), _ = self._scripts.run_all([renew, stay])
        return Renewal(json.loads(watching) if watching else [], bool(check))

    def forget(self, connection_id: str) -> tuple[str, bool] | None:
        """Drop a socket that closed: (its user, whether they left with it), None if unknown."""
        with guarded():
            found: list[Any] = self._redis.hmget(
                _connection(connection_id), ["user_id", "session_id", "client_id", "scopes"]
            )
            user_id, session_id, client_id, scopes = found
            if user_id is None:
                return None
            granted = frozenset(scopes.split()) if client_id is not None else frozenset[str]()
            socket = Socket(user_id, connection_id, session_id, client_id or None, granted)
            last = self._close([socket])
        return user_id, bool(last)

    def drop(self, sockets: Collection[Socket]) -> list[str]:
        """Drop sockets that are gone or revoked: their next frame is refused. Answers whose last
        ones they were."""
        with guarded():
            return self._close(sockets)

    def forget_user(self, user_id: str) -> None:
        """Know nothing of a user any more, whose sockets were dropped: when they were last seen
        neither, nor who wants to know."""
        with guarded():
            self._redis.delete(
                _sockets(user_id), _programs(user_id), _last_seen(user_id), _watchers(user_id)
            )

    def _close(self, sockets: Collection[Socket]) -> list[str]:
        now = int(time.time())
        pipe = self._redis.pipeline(transaction=False)
        for socket in sockets:
            pipe.delete(_connection(socket.connection_id))
            keys = _places(socket)
            pipe.eval(lua.CLOSE, len(keys), *keys, socket.entry, now, SEEN_SECONDS)
        last: list[int] = pipe.execute()[1::2]
        return [one.user_id for one, was_last in zip(sockets, last, strict=True) if was_last]

    def of(self, user_ids: Sequence[str], *, delivered: Owed | None = None) -> list[Socket]:
        """The sockets of users, in one round trip; it also strikes out what `delivered` covers."""
        calls = [_reach(user_id) for user_id in user_ids]
        if delivered is not None:
            within = self._settings.delivered_within_seconds
            calls.append(_strike(delivered, time.time() + within))
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
        """The sockets of users, in one round trip; notes that each of these users who has one of
        our own clients connected, but the sender and who was `pushed` to already, owes an
        acknowledgement of `seq` within `delivered_within_seconds`."""
        deadline = time.time() + self._settings.delivered_within_seconds
        calls = [
            _reach(user_id)
            if user_id == sender_id or user_id in pushed
            else _reach(user_id, f"{user_id} {chat_id}", deadline, seq)
            for user_id in user_ids
        ]
        return _flatten(user_ids, self._scripts.run_all(calls))

    def settle(self, owed: Iterable[Owed], *, rest_is_overdue: bool = False) -> None:
        """Strike out what needs no acknowledgement any more. What was sent after it is owed
        within `delivered_within_seconds`, or is overdue as all of it was."""
        within = 0 if rest_is_overdue else self._settings.delivered_within_seconds
        self._scripts.run_all([_strike(one, time.time() + within) for one in owed])

    def note_pushed(self, message_ids: Collection[str], user_ids: Collection[str]) -> None:
        """Remember whose pushes of messages were queued, as long as these may be redelivered."""
        with guarded():
            pipe = self._redis.pipeline(transaction=False)
            for message_id in message_ids if user_ids else ():
                pipe.sadd(_pushed(message_id), *user_ids)
                pipe.expire(_pushed(message_id), PUSHED_SECONDS)
            pipe.execute()

    def pushed(self, message_id: str) -> set[str]:
        """To whom a message was pushed already, as far as that is remembered."""
        with guarded():
            found: Any = self._redis.smembers(_pushed(message_id))
        return set(found)

    def claim_overdue(self, limit: int) -> list[Owed]:
        """Overdue acknowledgements, at most about `limit` and few of one user; unsettled ones
        come again after a while. Repeat until there are none."""
        now = time.time()
        again = now + 3 * self._settings.delivered_within_seconds
        share = max(1, limit // SHARDS)
        found = self._scripts.run_all(
            [
                Call(
                    lua.CLAIM,
                    [_owed(shard), _owed_seqs(shard)],
                    [now, again, share, CLAIM_OF_ONE, CLAIM_LOOKS_AT],
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
        """Have this socket told of these users' comings and goings for a quarter of an hour;
        answers how they are now. Replaces whom it watched before."""
        now = int(time.time())
        watcher = _socket_of(identity, identity.connection_id or "")
        key = _connection(watcher.connection_id)
        with guarded():
            before = self._redis.hget(key, "watching")
        shards = _by_shard(user_ids)
        ended = _by_shard(set(json.loads(before or "[]")) - set(user_ids))
        answers = self._scripts.run_all(
            [
                *(
                    Call(lua.WATCH, _keys(shard), [watcher.entry, now, WATCH_SECONDS])
                    for shard in shards
                ),
                *(
                    Call(lua.UNWATCH, [_watchers(o) for o in shard], [watcher.entry])
                    for shard in ended
                ),
                Call(lua.NOTE_WATCHED, [key], [json.dumps(list(user_ids)), now]),
            ]
        )
        found = {
            user_id: _presence(flat[2 * place], flat[2 * place + 1])
            for shard, flat in zip(shards, answers, strict=False)
            for place, user_id in enumerate(shard)
        }
        return [found[user_id] for user_id in user_ids]

    def watchers(self, user_ids: Collection[str]) -> list[list[Socket]]:
        """The sockets that watch each of some users, at most 1,000; not whose they are."""
        with guarded():
            pipe = self._redis.pipeline(transaction=False)
            for user_id in user_ids:
                pipe.zrangebyscore(_watchers(user_id), time.time(), "+inf", start=0, num=1000)
            found: list[list[str]] = pipe.execute()
        return [[Socket.read("", one) for one in entries] for entries in found]

    def ping(self) -> None:
        """Raises Unavailable unless Redis answers."""
        with guarded():
            self._redis.ping()


def _reach(user_id: str, owing: str = "", deadline: float = 0, seq: int | str = "") -> Call:
    shard = _shard(user_id)
    return Call(
        lua.REACH,
        [_sockets(user_id), _programs(user_id), _owed(shard), _owed_seqs(shard)],
        [time.time(), owing, deadline, seq],
    )


def _strike(owed: Owed, deadline: float) -> Call:
    shard = _shard(owed.user_id)
    return Call(
        lua.STRIKE,
        [_owed(shard), _owed_seqs(shard)],
        [f"{owed.user_id} {owed.chat_id}", owed.since, owed.seq, deadline],
    )


def _flatten(user_ids: Sequence[str], answers: list[Any]) -> list[Socket]:
    return [
        Socket.read(user_id, found)
        for user_id, live in zip(user_ids, answers, strict=False)
        for found in live
    ]


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
