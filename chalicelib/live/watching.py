"""Users watch the presence of others."""

import json
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from chalicelib.drivers.redis import Command, guarded
from chalicelib.identity import Identity
from chalicelib.live import keys
from chalicelib.live import scripts as lua
from chalicelib.live.events import Socket
from chalicelib.live.registry import Registry

WATCH_SECONDS = 900
MOST_WATCHERS = 1000


class Seen(NamedTuple):
    """Whether a user has an open socket; if not, when they last had one."""

    online: bool
    last_seen_at: datetime | None


class Watching(Registry):
    """A socket watches users for 15 minutes."""

    def watch(self, identity: Identity, user_ids: Sequence[str]) -> list[Seen]:
        """Send this socket the presence of these users for 15 minutes. Returns their presence now.
        Replaces the users that it watched before."""
        watcher = Socket.of(identity)
        key = keys.connection(watcher.connection_id)
        with guarded():
            before = self._redis.hget(key, "watching")
        shards = keys.by_shard(user_ids)
        ended = keys.by_shard(set(json.loads(before or "[]")) - set(user_ids))
        answers = self._scripts.run_all(
            [
                *(
                    Command(lua.WATCH, keys.watched(shard), [watcher.entry, WATCH_SECONDS])
                    for shard in shards
                ),
                *(
                    Command(lua.UNWATCH, [keys.watchers(o) for o in shard], [watcher.entry])
                    for shard in ended
                ),
                Command(lua.NOTE_WATCHED, [key], [json.dumps(list(user_ids))]),
            ]
        )
        found = {
            user_id: _seen(flat[2 * place], flat[2 * place + 1])
            for shard, flat in zip(shards, answers, strict=False)
            for place, user_id in enumerate(shard)
        }
        return [found[user_id] for user_id in user_ids]

    def watchers(self, user_ids: Collection[str]) -> list[list[Socket]]:
        """The sockets that watch each of some users, at most MOST_WATCHERS, without their users."""
        found = self._scripts.run_all(
            [
                Command(lua.WATCHERS, [keys.watchers(user_id)], [MOST_WATCHERS])
                for user_id in user_ids
            ]
        )
        return [[Socket.read("", one) for one in entries] for entries in found]


def _seen(sockets: int, seen: str | None) -> Seen:
    if sockets:
        return Seen(True, None)
    return Seen(False, datetime.fromtimestamp(int(seen), UTC) if seen else None)
