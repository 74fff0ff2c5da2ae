"""The outbox in PostgreSQL: changes to deliver, and events to publish."""

import logging
from collections.abc import Collection
from datetime import datetime

from pydantic import ValidationError

from chalicelib.drivers.postgres import Postgres
from chalicelib.messages.events import ChatEvent
from chalicelib.messages.models.changes import Change
from chalicelib.messages.models.chats import ChatState
from chalicelib.messages.store.outbox import NO_CHAT, Outbox, Place
from chalicelib.messages.store.postgres.rows import (
    STATE,
    Row,
    columns,
    event_values,
    fetch,
    message_of,
)

log = logging.getLogger(__name__)

# The column `seq` of the outbox is the rev of the change. `changed_seq` is null for a new message
# and 0 for the chat itself; no message has the seq 0.
_PENDING = f"""
SELECT change.chat_id AS change_chat, change.rev AS change_rev, change.at, {columns("newest")},
    CASE WHEN change.of_seq = 0 THEN (SELECT row_to_json(changed_chat) FROM (
        SELECT {STATE} FROM chats WHERE chats.id = change.chat_id
    ) changed_chat) END AS state,
    ARRAY(SELECT user_id FROM memberships WHERE memberships.chat_id = change.chat_id)
        AS member_ids
FROM (
    SELECT chat_id, seq AS rev, created_at AS at, coalesce(changed_seq, seq) AS of_seq
    FROM outbox WHERE created_at < %(before)s {{}}
    ORDER BY created_at, chat_id, seq LIMIT %(limit)s
) change LEFT JOIN messages newest
    ON newest.chat_id = change.chat_id AND newest.seq = change.of_seq
ORDER BY change.at, change.chat_id, change.rev
"""
_ALL_PENDING = _PENDING.format("")
_LATER_PENDING = _PENDING.format("AND (created_at, chat_id, seq) > (%(at)s, %(id)s, %(rev)s)")

# It does not wait for the disk: if a crash undoes it, the change is delivered again, which is
# harmless.
_SETTLE = """
WITH unhurried AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true))
DELETE FROM outbox USING unhurried WHERE chat_id = %(chat_id)s AND seq = %(rev)s
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
    """A row for each change that is not settled, and for each event that is not published."""

    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres

    def settle(self, change: Change, *, published: bool = True) -> None:
        query, values = _SETTLE, {"chat_id": change.chat_id, "rev": change.rev}
        if not published and (message := change.new_message):
            query, values = _SETTLE_UNPUBLISHED, values | event_values(ChatEvent.of(message))
        with self._postgres.cursor(again=True) as cursor:
            cursor.execute(query, values)

    def pending(self, *, before: datetime, limit: int, after: Place | None = None) -> list[Change]:
        while True:
            query = _ALL_PENDING if after is None else _LATER_PENDING
            at, chat_id, rev = after or (None, None, None)
            page: Row = {"before": before, "limit": limit, "at": at, "id": chat_id, "rev": rev}
            rows = fetch(self._postgres, query, **page)
            changes = [change for row in rows if (change := _change(row))]
            if changes or len(rows) < limit:
                return changes
            after = (rows[-1]["at"], rows[-1]["change_chat"], rows[-1]["change_rev"])

    def unpublished(self, *, limit: int, after: str = NO_CHAT) -> list[ChatEvent]:
        return [
            ChatEvent(**row)
            for row in fetch(self._postgres, _UNPUBLISHED, limit=limit, after=after)
        ]

    def published(self, events: Collection[ChatEvent]) -> None:
        with self._postgres.cursor(again=True) as cursor:
            cursor.execute(_PUBLISHED, ([event.id for event in events],))


def _change(row: Row) -> Change | None:
    """None if what changed is not there, or cannot be read."""
    chat_id, rev, state = row["change_chat"], row["change_rev"], row["state"]
    if state is None and row["id"] is None:
        return None
    try:
        newest = ChatState.model_validate(state) if state else message_of(row)
    except ValidationError:
        log.error("change not understood", extra={"chat_id": chat_id, "rev": rev})
        return None
    return Change(chat_id, rev, row["at"], newest, row["member_ids"], first=False)
