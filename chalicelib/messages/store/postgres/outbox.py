"""The outbox in PostgreSQL: messages to deliver, and events to publish."""

from collections.abc import Collection
from datetime import datetime

from chalicelib.drivers.postgres import Postgres
from chalicelib.messages.events import ChatEvent
from chalicelib.messages.models import Message, Stored
from chalicelib.messages.store.outbox import NO_CHAT, Outbox, Place
from chalicelib.messages.store.postgres.rows import MESSAGE, Row, event_values, fetch, message_of

_PENDING = f"""
SELECT {MESSAGE},
    ARRAY(SELECT user_id FROM memberships WHERE memberships.chat_id = messages.chat_id)
        AS member_ids
FROM (
    SELECT chat_id, seq FROM outbox WHERE created_at < %(before)s {{}}
    ORDER BY created_at, chat_id, seq LIMIT %(limit)s
) unsettled JOIN messages USING (chat_id, seq)
ORDER BY created_at, chat_id, seq
"""
_ALL_PENDING = _PENDING.format("")
_LATER_PENDING = _PENDING.format("AND (created_at, chat_id, seq) > (%(at)s, %(id)s, %(seq)s)")

# It does not wait for the disk: if a crash undoes it, the message is delivered again, which is
# harmless.
_SETTLE = """
WITH unhurried AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true))
DELETE FROM outbox USING unhurried WHERE chat_id = %(chat_id)s AND seq = %(seq)s
"""

# The same, and the event, in one statement: a crash undoes both or none.
_SETTLE_UNPUBLISHED = f"""
WITH settled AS ({_SETTLE} RETURNING seq)
INSERT INTO chat_events (id, type, data, at)
SELECT %(id)s::uuid, %(type)s, %(data)s::jsonb, %(at)s FROM settled ON CONFLICT DO NOTHING
"""

_UNPUBLISHED = """
SELECT id, type, data, at FROM chat_events WHERE id > %(after)s ORDER BY id LIMIT %(limit)s
"""

_PUBLISHED = "DELETE FROM chat_events WHERE id = ANY(%s::uuid[])"


class PostgresOutbox(Outbox):
    """A row for each message that is not settled, and for each event that is not published."""

    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres

    def settle(self, message: Message, *, published: bool = True) -> None:
        values: Row = {"chat_id": message.chat_id, "seq": message.seq}
        if not published:
            values |= event_values(ChatEvent.of(message))
        with self._postgres.cursor(again=True) as cursor:
            cursor.execute(_SETTLE if published else _SETTLE_UNPUBLISHED, values)

    def pending(self, *, before: datetime, limit: int, after: Place | None = None) -> list[Stored]:
        query = _ALL_PENDING if after is None else _LATER_PENDING
        at, chat_id, seq = after or (None, None, None)
        rows = fetch(self._postgres, query, before=before, limit=limit, at=at, id=chat_id, seq=seq)
        return [
            Stored(message_of(row), row["member_ids"], created=False, pending=True) for row in rows
        ]

    def unpublished(self, *, limit: int, after: str = NO_CHAT) -> list[ChatEvent]:
        return [
            ChatEvent(**row)
            for row in fetch(self._postgres, _UNPUBLISHED, limit=limit, after=after)
        ]

    def published(self, events: Collection[ChatEvent]) -> None:
        with self._postgres.cursor(again=True) as cursor:
            cursor.execute(_PUBLISHED, ([event.id for event in events],))
