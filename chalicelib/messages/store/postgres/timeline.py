"""The messages of a chat in PostgreSQL."""

from datetime import datetime

from psycopg.errors import UniqueViolation
from psycopg.types.json import Jsonb

from chalicelib.drivers.postgres import Postgres
from chalicelib.errors import NotAnswered
from chalicelib.messages.models import ChangePage, Message, NewMessage, Stored
from chalicelib.messages.store.postgres.rows import (
    MESSAGE,
    WROTE,
    Row,
    columns,
    fetch,
    message_of,
    messages_of,
)
from chalicelib.messages.store.timeline import Timeline

# An append that waited for another one sees the chat's new row, but not the other's message. So
# `free_until` is a rev: messages that were stored in between also count.
_APPEND = f"""
WITH members AS (
    SELECT array_agg(user_id) AS member_ids FROM memberships WHERE chat_id = %(chat_id)s
    HAVING bool_or(user_id = %(sender_id)s)
), old AS (
    SELECT {MESSAGE} FROM messages
    WHERE chat_id = %(chat_id)s AND sender_id = %(sender_id)s AND client_id = %(client_id)s
), standing AS (
    SELECT CASE WHEN EXISTS (
        SELECT FROM memberships writer
        WHERE chat_id = %(chat_id)s AND user_id <> %(sender_id)s AND {WROTE}
    ) THEN 9223372036854775807 ELSE last_rev + %(unanswered)s - (
        SELECT count(*) FROM (
            SELECT FROM messages WHERE chat_id = %(chat_id)s AND sender_id = %(sender_id)s
            LIMIT %(unanswered)s
        ) asked
    ) END AS free_until FROM chats WHERE id = %(chat_id)s
), present AS (
    SELECT coalesce(%(created_at)s::timestamptz, date_trunc('milliseconds', now())) AS time
), place AS (
    UPDATE chats SET last_rev = last_rev + 1, last_seq = last_rev + 1,
        last_activity_at = greatest(last_activity_at, (SELECT time FROM present))
    WHERE id = %(chat_id)s AND EXISTS (SELECT FROM members) AND NOT EXISTS (SELECT FROM old)
        AND last_rev < (SELECT free_until FROM standing)
    RETURNING id AS chat_id, last_rev
), added AS (
    INSERT INTO messages (id, chat_id, seq, rev, sender_id, client_id, content, created_at)
    SELECT %(id)s::uuid, chat_id, last_rev, last_rev, %(sender_id)s::uuid, %(client_id)s,
        %(content)s::jsonb, time
    FROM place, present
), queued AS (
    INSERT INTO outbox (chat_id, seq, created_at)
    SELECT chat_id, last_rev, time FROM place, present
)
SELECT member_ids, place.last_rev AS place, present.time, {columns("old")},
    CASE WHEN old.id IS NOT NULL THEN
        EXISTS (SELECT FROM outbox WHERE chat_id = old.chat_id AND seq = old.seq)
    END AS pending
FROM members CROSS JOIN present LEFT JOIN place ON true LEFT JOIN old ON true
"""

# A member gets at least one row, to tell "no messages" from "no such chat".
_IN_CHAT = f"""
SELECT chats.last_rev AS chat_rev, {columns("found")}
FROM memberships mine JOIN chats ON chats.id = mine.chat_id
LEFT JOIN LATERAL (
    SELECT {MESSAGE} FROM messages WHERE chat_id = chats.id AND {{}} LIMIT %(limit)s
) found ON true
WHERE mine.chat_id = %(chat_id)s AND mine.user_id = %(member)s
ORDER BY found.{{}}
"""
_NEWEST = _IN_CHAT.format("true ORDER BY seq DESC", "seq DESC")
_HISTORY = _IN_CHAT.format("seq < %(before)s ORDER BY seq DESC", "seq DESC")
_CHANGES = _IN_CHAT.format("rev > %(since)s ORDER BY rev", "rev")
_UNDELIVERED = _IN_CHAT.format(
    "seq > mine.delivered_seq AND seq BETWEEN %(since)s AND %(until)s"
    " AND sender_id <> mine.user_id AND deleted_at IS NULL ORDER BY seq",
    "seq",
)


class PostgresTimeline(Timeline):
    """Revs have no gaps: a statement that fails gives its rev back."""

    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres

    def append(self, new: NewMessage, *, unanswered: int) -> Stored | None:
        values = {
            **dict(new),
            "content": Jsonb(new.content.model_dump(mode="json")),
            "unanswered": unanswered,
        }
        try:
            rows = fetch(self._postgres, _APPEND, again=True, **values)
        except (
            UniqueViolation
        ):  # a concurrent send with the same client_id: now its message can be read
            rows = fetch(self._postgres, _APPEND, **values)
        if rows and _refused(
            rows[0]
        ):  # perhaps another member has just written, or the same message was just stored
            rows = fetch(self._postgres, _APPEND, **values)
        if not rows:
            return None
        [row] = rows
        if _refused(row):
            raise NotAnswered()
        if row["place"] is not None:
            message = new.at(row["place"], row["time"])
            return Stored(message, row["member_ids"], created=True, pending=True)
        return Stored(message_of(row), row["member_ids"], created=False, pending=row["pending"])

    def history(
        self, chat_id: str, *, member: str, before: int | None, limit: int
    ) -> list[Message] | None:
        query = _NEWEST if before is None else _HISTORY
        rows = fetch(
            self._postgres, query, chat_id=chat_id, member=member, before=before, limit=limit
        )
        return messages_of(rows) if rows else None

    def changes(self, chat_id: str, *, member: str, since: int, limit: int) -> ChangePage | None:
        rows = fetch(
            self._postgres, _CHANGES, chat_id=chat_id, member=member, since=since, limit=limit + 1
        )
        if not rows:
            return None
        items = messages_of(rows)
        more = len(items) > limit
        rev = items[limit - 1].rev if more else rows[0]["chat_rev"]
        return ChangePage(items=items[:limit], rev=rev, more=more)

    def undelivered(
        self, chat_id: str, *, member: str, since: int, until: int, limit: int
    ) -> list[Message] | None:
        asked: Row = {"chat_id": chat_id, "member": member, "since": since, "until": until}
        rows = fetch(self._postgres, _UNDELIVERED, **asked, limit=limit)
        return messages_of(rows) if rows else None

    def now(self) -> datetime:
        [row] = fetch(self._postgres, "SELECT now() AS time")
        time: datetime = row["time"]
        return time


def _refused(row: Row) -> bool:
    """Whether the message is not stored, neither by this call nor earlier."""
    return row["place"] is None and row["id"] is None
