"""The names of keys in Redis. A user's keys share a hash tag, so each script stays on one slot of a
Redis Cluster."""

import zlib
from collections.abc import Iterable

from chalicelib.live.events import Socket

SHARDS = 64


def connection(connection_id: str) -> str:
    return f"conn:{{{connection_id}}}"


def places(socket: Socket) -> list[str]:
    """The key of the list with a socket and, unless it is a program's, the key with the time when
    its user was last online."""
    if socket.first_party:
        return [sockets(socket.user_id), last_seen(socket.user_id)]
    return [programs(socket.user_id)]


def programs(user_id: str) -> str:
    return f"programs:{{{shard(user_id)}}}:{user_id}"


def sockets(user_id: str) -> str:
    return f"conns:{{{shard(user_id)}}}:{user_id}"


def last_seen(user_id: str) -> str:
    return f"seen:{{{shard(user_id)}}}:{user_id}"


def watchers(user_id: str) -> str:
    return f"watchers:{{{shard(user_id)}}}:{user_id}"


def owed(shard: int) -> str:
    return f"owed:{{{shard}}}"


def owed_seqs(shard: int) -> str:
    return f"owed-seqs:{{{shard}}}"


def pushed(message_id: str) -> str:
    return f"pushed:{{{message_id}}}"


def watched(user_ids: Iterable[str]) -> list[str]:
    return [k for one in user_ids for k in (sockets(one), last_seen(one), watchers(one))]


def by_shard(user_ids: Iterable[str]) -> list[list[str]]:
    shards: dict[int, list[str]] = {}
    for user_id in user_ids:
        shards.setdefault(shard(user_id), []).append(user_id)
    return list(shards.values())


def shard(user_id: str) -> int:
    return zlib.crc32(user_id.encode()) % SHARDS
