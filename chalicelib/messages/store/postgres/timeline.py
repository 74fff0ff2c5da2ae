"""The messages of a chat in PostgreSQL."""

from datetime import datetime

from psycopg.errors import UniqueViolation
from psycopg.types.json import Jsonb

from chalicelib.drivers.postgres import Postgres
from chalicelib.errors import NotAnswered
from chalicelib.messages.content import Content
from chalicelib.messages.models.changes import Change, ChangePage, Stored
from chalicelib.messages.models.messages import Message, NewMessage
from chalicelib.messages.store.postgres.rows import (
    CHANGING,
    MESSAGE,
    NO_CONTENT,
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
    SELECT CASE WHEN kind = 'group' OR EXISTS (
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

# A statement sees the messages as they were when it began, also if it then waits for the chat's
# row. But it updates the newest version of the message, and only if that is not deleted: of an edit
# and a deletion, the deletion wins. Then no row comes back, and the rev stays empty.
_REVISE = f"""
{CHANGING}, place AS (
    UPDATE chats SET last_rev = last_rev + 1
    WHERE id = %(chat_id)s AND EXISTS (SELECT FROM members) AND EXISTS (
        SELECT FROM messages
        WHERE chat_id = %(chat_id)s AND seq = %(seq)s AND deleted_at IS NULL
    )
    RETURNING id AS chat_id, last_rev
), version AS (
    UPDATE messages SET rev = place.last_rev, content = %(content)s::jsonb,
        edited_at = CASE WHEN %(deleted)s THEN messages.edited_at ELSE present.time END,
        deleted_at = CASE WHEN %(deleted)s THEN present.time END
    FROM place, present
    WHERE messages.chat_id = place.chat_id AND messages.seq = %(seq)s
        AND messages.deleted_at IS NULL
    RETURNING {columns("messages")}
), queued AS (
    INSERT INTO outbox (chat_id, seq, created_at, changed_seq)
    SELECT chat_id, rev, time, seq FROM version, present
)
SELECT member_ids, time, {columns("version")} FROM members, present, version
"""

# A member gets at least one row, to tell "no messages" from "no such chat".
_IN_CHAT = f"""
SELECT chats.last_rev AS chat_rev, chats.state_rev, {columns("found")}
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
    """Revs have few gaps: a statement that fails gives its rev back. Only a version of a message
    that was deleted in the same moment leaves its rev empty."""

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

    def revise(
        self, chat_id: str, seq: int, *, member: str, content: Content | None
    ) -> Change | None:
        # If a first try was done and its answer lost, this makes the same version again, or finds
        # the message deleted.
        rows = fetch(
            self._postgres,
            _REVISE,
            again=True,
            chat_id=chat_id,
            seq=seq,
            member=member,
            content=Jsonb(content.model_dump(mode="json") if content else NO_CONTENT),
            deleted=content is None,
        )
        if not rows:
            return None
        [row] = rows
        version = message_of(row)
        return Change(chat_id, version.rev, row["time"], version, row["member_ids"], first=True)

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
        return ChangePage(items=items[:limit], rev=rev, state_rev=rows[0]["state_rev"], more=more)

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
