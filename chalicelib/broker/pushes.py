"""The records of the push queues, as their consumers read them."""

from typing import NamedTuple
from zlib import crc32

from pydantic import ConfigDict

from chalicelib.wire import Id, Model, Utc

PUSH_SHARDS = 4
"""Push queues: a Lambda trigger consumes a queue with one function at a time."""

PUSH_QUEUES = [f"push.{shard}" for shard in range(PUSH_SHARDS)]

USERS_PER_EVENT = 1000


def shard_of(user_id: str) -> int:
    """The push shard of a user: always the same, so one queue keeps one user's pushes in order."""
    return crc32(user_id.encode()) % PUSH_SHARDS


class MessageUnread(Model):
    """A message for members who had no socket, or whose socket did not acknowledge it.

    It has all that a push needs, except names and devices.
    """

    message_id: str
    chat_id: str
    seq: int
    sender_id: str
    preview: str
    sent_at: Utc
    user_ids: list[str]

    def by_shard(self) -> "list[tuple[int, MessageUnread]]":
        """This event in parts: each has at most 1,000 users, all of one shard."""
        shards: dict[int, list[str]] = {}
        for user_id in self.user_ids:
            shards.setdefault(shard_of(user_id), []).append(user_id)
        return [
            (shard, self.to(user_ids[start : start + USERS_PER_EVENT]))
            for shard, user_ids in shards.items()
            for start in range(0, len(user_ids), USERS_PER_EVENT)
        ]

    def to(self, user_ids: list[str]) -> "MessageUnread":
        """The same event for other users."""
        return self.model_copy(update={"user_ids": user_ids})


class Canary(Model):
    """A record of a push queue for no user: it only shows that the queue is consumed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    canary: Id


class Failure(NamedTuple):
    """A record of a push queue that could not be handled, for its next try."""

    body: bytes
    shard: int
    attempt: int  # retries it has had
    reason: str  # the name of a class, never text
    retry_after: float = 0  # seconds, if the server that refused it asked for a pause
