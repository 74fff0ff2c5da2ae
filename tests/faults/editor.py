"""Somebody who changes messages and the title of a chat."""

import asyncio
import random
from collections import defaultdict

from chalicelib.errors import Unavailable
from chalicelib.messages.models.changes import Change
from tests.stored import StoredChanges


class Editor:
    """Changes a chat in its store, since no route does it yet. A job delivers what it changes."""

    def __init__(
        self, stored: StoredChanges, chat_id: str, user_id: str, chance: random.Random
    ) -> None:
        self.chat_id = chat_id
        self.versions: dict[int, set[str | None]] = defaultdict(set)
        """The texts that each message may have, by seq; None if it may be deleted."""
        self.titles: set[str | None] = {None}
        self.acknowledged: dict[int, int] = {}
        """The newest rev that the store has confirmed, by seq; 0 is the seq of the title."""
        self._stored = stored
        self._user_id = user_id
        self._chance = chance
        self._count = 0

    async def change(self, seqs: list[int]) -> None:
        """Change one of these messages, or the title."""
        self._count += 1
        seq = self._chance.choice([0, *seqs])
        try:
            change = await asyncio.to_thread(self._change, seq)
        except Unavailable:
            return
        if change is not None:
            self.acknowledged[seq] = max(self.acknowledged.get(seq, 0), change.rev)

    def _change(self, seq: int) -> Change | None:
        new = f"version {self._count}"
        if seq == 0:
            self.titles.add(new)
            return self._stored.rename(self.chat_id, self._user_id, new)
        if self._chance.random() < 0.2:
            self.versions[seq].add(None)
            return self._stored.delete(self.chat_id, seq, self._user_id)
        self.versions[seq].add(new)
        return self._stored.edit(self.chat_id, seq, self._user_id, new)
