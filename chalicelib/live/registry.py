"""Shared by the parts of `Connections`: how sockets are stored in Redis and found."""

from collections.abc import Sequence
from typing import Any

import redis

from chalicelib.config import Settings
from chalicelib.drivers.redis import Command, Scripts
from chalicelib.live import keys
from chalicelib.live import scripts as lua
from chalicelib.live.events import Socket

LIFETIME = 2 * 60 * 60 + 300  # API Gateway cuts a socket after two hours
YOUNG_SECONDS = 10
"""How long a socket is young, if it has not pinged. Its `$connect` may not have returned yet, and
until then API Gateway answers posts to it with 410, as if it were closed."""


class Registry:
    """Raises Unavailable from every method when Redis does not answer."""

    def __init__(self, client: redis.Redis, settings: Settings) -> None:
        self._redis = client
        self._scripts = Scripts(client)
        self._settings = settings


def reach(user_id: str, owing: str = "", within: int = 0, seq: int | str = "") -> Command:
    """The script that lists a user's sockets. With a seq, the user then owes an acknowledgement of
    it."""
    shard = keys.shard(user_id)
    return Command(
        lua.REACH,
        [keys.sockets(user_id), keys.programs(user_id), keys.owed(shard), keys.owed_seqs(shard)],
        [LIFETIME, YOUNG_SECONDS, owing, within, seq],
    )


def sockets_in(user_ids: Sequence[str], answers: list[Any]) -> list[Socket]:
    """The sockets that `reach` found for each user."""
    return [
        Socket.read(user_id, entry, young=bool(young))
        for user_id, live in zip(user_ids, answers, strict=False)
        for entry, young in zip(live[::2], live[1::2], strict=True)
    ]
