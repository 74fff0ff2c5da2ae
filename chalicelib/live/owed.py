"""The acknowledgements that users owe, and the users to whom a message was pushed."""

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from chalicelib.drivers.redis import Command, guarded
from chalicelib.live import keys
from chalicelib.live import scripts as lua
from chalicelib.live.events import Socket
from chalicelib.live.models import Owed
from chalicelib.live.registry import Registry, reach, sockets_in

PUSHED_SECONDS = 60 * 60 * 2
CLAIM_OF_ONE = 2
CLAIM_LOOKS_AT = 500


class Acknowledgements(Registry):
    """A user with an open socket owes an acknowledgement of each message."""

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
        connected now owes an acknowledgement of `seq` within `delivered_within_seconds`, except the
        sender and those in `pushed`."""
        within = self._settings.delivered_within_seconds
        commands = [
            reach(user_id)
            if user_id == sender_id or user_id in pushed
            else reach(user_id, f"{user_id} {chat_id}", within, seq)
            for user_id in user_ids
        ]
        return sockets_in(user_ids, self._scripts.run_all(commands))

    def settle(self, owed: Iterable[Owed], *, rest_is_overdue: bool = False) -> None:
        """Remove owed acknowledgements. Later messages of the chat stay owed, with a new deadline
        within `delivered_within_seconds`, or overdue if all were overdue."""
        within = 0 if rest_is_overdue else self._settings.delivered_within_seconds
        self._scripts.run_all([strike(one, within) for one in owed])

    def note_pushed(self, message_ids: Collection[str], user_ids: Collection[str]) -> None:
        """Remember for whom a push of a message was queued, as long as the message may be
        redelivered."""
        with guarded():
            pipe = self._redis.pipeline(transaction=False)
            for message_id in message_ids if user_ids else ():
                pipe.sadd(keys.pushed(message_id), *user_ids)
                pipe.expire(keys.pushed(message_id), PUSHED_SECONDS)
            pipe.execute()

    def pushed(self, message_id: str) -> set[str]:
        """To whom a message was pushed in the last PUSHED_SECONDS."""
        with guarded():
            found: Any = self._redis.smembers(keys.pushed(message_id))
        return set(found)

    def claim_overdue(self, limit: int) -> list[Owed]:
        """Claim overdue acknowledgements, about `limit` at most, and few of one user. Those that
        are not settled can be claimed again after a while. Repeat until there are none."""
        again = 3 * self._settings.delivered_within_seconds
        share = max(1, limit // keys.SHARDS)
        found = self._scripts.run_all(
            [
                Command(
                    lua.CLAIM,
                    [keys.owed(shard), keys.owed_seqs(shard)],
                    [again, share, CLAIM_OF_ONE, CLAIM_LOOKS_AT],
                )
                for shard in range(keys.SHARDS)
            ]
        )
        overdue = []
        for flat in found:
            for owing, seqs in zip(flat[::2], flat[1::2], strict=True):
                user_id, chat_id = owing.split(" ")
                first, last = map(int, seqs.split(" "))
                overdue.append(Owed(user_id, chat_id, last, since=first))
        return overdue


def strike(owed: Owed, within: int) -> Command:
    """Removes what is owed up to a seq. The rest is then owed `within` this many seconds."""
    shard = keys.shard(owed.user_id)
    return Command(
        lua.STRIKE,
        [keys.owed(shard), keys.owed_seqs(shard)],
        [f"{owed.user_id} {owed.chat_id}", owed.since, owed.seq, within],
    )
