"""Chats and messages in PostgreSQL: one statement for every method that is called often."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from psycopg.errors import UniqueViolation
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from chalicelib.drivers.postgres import Postgres
from chalicelib.errors import NotAnswered
from chalicelib.messages.events import ChatEvent
from chalicelib.messages.models import (
    ChangePage,
    Chat,
    Cursors,
    Message,
    NewMessage,
    Receipt,
    Stored,
)
from chalicelib.messages.store import NO_CHAT, UNREAD_WINDOW, MessageStore, Place

Row = dict[str, Any]

_MESSAGE = "id, chat_id, seq, rev, sender_id, client_id, content, created_at, edited_at, deleted_at"


def _columns(table: str) -> str:
    """A message's columns in one of several tables. Columns are always named: when a column is
    added, a prepared statement with `*` fails."""
    return ", ".join(f"{table}.{name}" for name in _MESSAGE.split(", "))


# Whether a member has written. LIMIT makes PostgreSQL plan for one row, however many there are.
_WROTE = """(
    SELECT true FROM messages
    WHERE messages.chat_id = writer.chat_id AND messages.sender_id = writer.user_id LIMIT 1
)"""

# Whether two members of a chat have written. It is computed, so nothing has to be kept up to date.
_ANSWERED = f"""(
    SELECT count(*) > 1 FROM memberships writer WHERE writer.chat_id = {{}}.{{}} AND {_WROTE}
)"""

# An append that waits for another one sees the chat's new row, but the messages from before it.
# So `free_until` is a rev: messages that came in between also use up what may be sent.
_APPEND = f"""
WITH members AS (
    SELECT array_agg(user_id) AS member_ids FROM memberships WHERE chat_id = %(chat_id)s
    HAVING bool_or(user_id = %(sender_id)s)
), old AS (
    SELECT {_MESSAGE} FROM messages
    WHERE chat_id = %(chat_id)s AND sender_id = %(sender_id)s AND client_id = %(client_id)s
), standing AS (
    SELECT CASE WHEN EXISTS (
        SELECT FROM memberships writer
        WHERE chat_id = %(chat_id)s AND user_id <> %(sender_id)s AND {_WROTE}
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
SELECT member_ids, place.last_rev AS place, present.time, {_columns("old")},
    CASE WHEN old.id IS NOT NULL THEN
        EXISTS (SELECT FROM outbox WHERE chat_id = old.chat_id AND seq = old.seq)
    END AS pending
FROM members CROSS JOIN present LEFT JOIN place ON true LEFT JOIN old ON true
"""

_OPEN = """
WITH made AS (
    INSERT INTO chats (id, kind, created_at, last_activity_at)
    VALUES (%(chat_id)s, 'direct', %(at)s, %(at)s)
    ON CONFLICT DO NOTHING RETURNING id
), joined AS (
    INSERT INTO memberships (chat_id, user_id) SELECT id, unnest(%(members)s::uuid[]) FROM made
), unpublished AS (
    INSERT INTO chat_events (id, type, data, at)
    SELECT id, %(type)s, %(data)s::jsonb, %(at)s FROM made
)
SELECT EXISTS (SELECT FROM made) AS made
"""

_CHATS = f"""
SELECT chat.id, chat.kind, chat.last_rev, chat.created_at, chat.last_activity_at,
    {_ANSWERED.format("chat", "id")} AS answered,
    (SELECT json_agg(other ORDER BY other.user_id) FROM (
        SELECT user_id, role, joined_rev, read_seq, delivered_seq FROM memberships
        WHERE memberships.chat_id = chat.id
     ) other) AS members,
    (SELECT row_to_json(newest) FROM (
        SELECT {_MESSAGE} FROM messages
        WHERE messages.chat_id = chat.id AND messages.seq = chat.last_seq
     ) newest) AS last_message,
    (SELECT count(*) FROM messages unread
     WHERE unread.chat_id = chat.id
        AND unread.seq > greatest(chat.read_seq, chat.last_rev - %(window)s)
        AND unread.sender_id <> %(member)s AND unread.deleted_at IS NULL) AS unread_count
FROM (
    SELECT chats.id, chats.kind, chats.last_rev, chats.last_seq, chats.created_at,
        chats.last_activity_at, mine.read_seq
    FROM memberships mine JOIN chats ON chats.id = mine.chat_id
    WHERE mine.user_id = %(member)s {{}}
    ORDER BY chats.last_activity_at DESC, chats.id DESC LIMIT %(limit)s
) chat
ORDER BY chat.last_activity_at DESC, chat.id DESC
"""
_ONE_CHAT = _CHATS.format("AND chats.id = %(chat_id)s")
_ALL_CHATS = _CHATS.format("")
_LATER_CHATS = _CHATS.format("AND (chats.last_activity_at, chats.id) < (%(at)s, %(id)s)")

_NEWS = _CHATS.format(
    "AND chats.last_rev > coalesce((%(known)s::jsonb ->> chats.id::text)::bigint, 0)"
)

# At least one row for a member: so no messages differ from no such chat.
_IN_CHAT = f"""
SELECT chats.last_rev AS chat_rev, {_columns("found")}
FROM memberships mine JOIN chats ON chats.id = mine.chat_id
LEFT JOIN LATERAL (
    SELECT {_MESSAGE} FROM messages WHERE chat_id = chats.id AND {{}} LIMIT %(limit)s
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

_SEEN_BY = f"""
CASE WHEN {_ANSWERED.format("mine", "chat_id")}
    THEN ARRAY(SELECT user_id FROM memberships WHERE chat_id = mine.chat_id)
END AS answered_to
"""

_MOVE = f"""
WITH mine AS (
    SELECT m.chat_id, m.user_id, m.read_seq, m.delivered_seq,
        least(%(read)s, chats.last_rev) AS read, least(%(delivered)s, chats.last_rev) AS delivered
    FROM memberships m JOIN chats ON chats.id = m.chat_id
    WHERE m.chat_id = %(chat_id)s AND m.user_id = %(member)s
), moved AS (
    UPDATE memberships SET read_seq = greatest(memberships.read_seq, mine.read),
        delivered_seq = greatest(memberships.delivered_seq, mine.delivered)
    FROM mine
    WHERE memberships.chat_id = mine.chat_id AND memberships.user_id = mine.user_id
        AND (memberships.read_seq < mine.read OR memberships.delivered_seq < mine.delivered)
    RETURNING memberships.read_seq, memberships.delivered_seq
)
SELECT mine.chat_id, mine.user_id, coalesce(moved.read_seq, mine.read_seq) AS read_seq,
    coalesce(moved.delivered_seq, mine.delivered_seq) AS delivered_seq,
    moved.read_seq IS NOT NULL AS moved, {_SEEN_BY}
FROM mine LEFT JOIN moved ON true
"""

_CURSORS = f"""
SELECT mine.chat_id, mine.user_id, mine.read_seq, mine.delivered_seq, false AS moved, {_SEEN_BY}
FROM unnest(%(chat_ids)s::uuid[], %(user_ids)s::uuid[]) AS wanted (chat_id, user_id)
JOIN memberships mine USING (chat_id, user_id)
"""

_OBSERVERS = f"""
SELECT {_SEEN_BY} FROM memberships mine
WHERE mine.chat_id = %(chat_id)s AND mine.user_id = %(member)s
"""

_ACQUAINTED = f"""
SELECT DISTINCT other.user_id FROM memberships other JOIN memberships mine USING (chat_id)
WHERE mine.user_id = %(member)s AND other.user_id <> %(member)s
    AND other.user_id = ANY(%(others)s::uuid[]) AND {_ANSWERED.format("mine", "chat_id")}
"""

_PENDING = f"""
SELECT {_MESSAGE},
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


# Waits for no disk: a crash that forgets it has the message delivered once more, which is harmless.
_SETTLE = """
WITH unhurried AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true))
DELETE FROM outbox USING unhurried WHERE chat_id = %(chat_id)s AND seq = %(seq)s
"""

# The same, in one statement: a crash forgets both or none.
_SETTLE_UNPUBLISHED = f"""
WITH settled AS ({_SETTLE} RETURNING seq)
INSERT INTO chat_events (id, type, data, at)
SELECT %(id)s::uuid, %(type)s, %(data)s::jsonb, %(at)s FROM settled ON CONFLICT DO NOTHING
"""

_UNPUBLISHED = """
SELECT id, type, data, at FROM chat_events WHERE id > %(after)s ORDER BY id LIMIT %(limit)s
"""

_PUBLISHED = "DELETE FROM chat_events WHERE id = ANY(%s::uuid[])"


class PostgresMessages(MessageStore):
    """Revs have no gaps: a statement that fails gives its rev back."""

    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres

    def open_direct(
        self, chat_id: str, *, members: tuple[str, str], at: datetime
    ) -> tuple[Chat, bool]:
        event = _event_values(ChatEvent.of_chat(chat_id, members, at))
        [row] = self._rows(_OPEN, chat_id=chat_id, members=list(members), **event)
        chat = self.chat(chat_id, member=members[0])
        if chat is None:
            raise LookupError("this chat has other members")
        return chat, row["made"]

    def append(self, new: NewMessage, *, unanswered: int) -> Stored | None:
        values = {
            **dict(new),
            "content": Jsonb(new.content.model_dump(mode="json")),
            "unanswered": unanswered,
        }
        try:
            rows = self._rows(_APPEND, again=True, **values)
        except UniqueViolation:  # the same client_id at the same time: now it is there to be read
            rows = self._rows(_APPEND, **values)
        if rows and _refused(rows[0]):  # unless an answer, or the same message, has just come
            rows = self._rows(_APPEND, **values)
        if not rows:
            return None
        [row] = rows
        if _refused(row):
            raise NotAnswered()
        if row["place"] is not None:
            message = new.at(row["place"], row["time"])
            return Stored(message, row["member_ids"], created=True, pending=True)
        return Stored(_message(row), row["member_ids"], created=False, pending=row["pending"])

    def settle(self, message: Message, *, published: bool = True) -> None:
        values: Row = {"chat_id": message.chat_id, "seq": message.seq}
        if not published:
            values |= _event_values(ChatEvent.of(message))
        with self._postgres.cursor(again=True) as cursor:
            cursor.execute(_SETTLE if published else _SETTLE_UNPUBLISHED, values)

    def pending(self, *, before: datetime, limit: int, after: Place | None = None) -> list[Stored]:
        query = _ALL_PENDING if after is None else _LATER_PENDING
        at, chat_id, seq = after or (None, None, None)
        rows = self._rows(query, before=before, limit=limit, at=at, id=chat_id, seq=seq)
        return [
            Stored(_message(row), row["member_ids"], created=False, pending=True) for row in rows
        ]

    def unpublished(self, *, limit: int, after: str = NO_CHAT) -> list[ChatEvent]:
        return [ChatEvent(**row) for row in self._rows(_UNPUBLISHED, limit=limit, after=after)]

    def published(self, events: Collection[ChatEvent]) -> None:
        with self._postgres.cursor(again=True) as cursor:
            cursor.execute(_PUBLISHED, ([event.id for event in events],))

    def chat(self, chat_id: str, *, member: str) -> Chat | None:
        chats = self._chats(_ONE_CHAT, chat_id=chat_id, member=member, limit=1)
        return chats[0] if chats else None

    def chats(
        self, member: str, *, limit: int, before: tuple[datetime, str] | None = None
    ) -> list[Chat]:
        if before is None:
            return self._chats(_ALL_CHATS, member=member, limit=limit)
        at, chat_id = before
        return self._chats(_LATER_CHATS, member=member, limit=limit, at=at, id=chat_id)

    def news(self, member: str, known: Mapping[str, int], *, limit: int) -> list[Chat]:
        return self._chats(_NEWS, member=member, limit=limit, known=Jsonb(dict(known)))

    def history(
        self, chat_id: str, *, member: str, before: int | None, limit: int
    ) -> list[Message] | None:
        query = _NEWEST if before is None else _HISTORY
        rows = self._rows(query, chat_id=chat_id, member=member, before=before, limit=limit)
        return _messages(rows) if rows else None

    def changes(self, chat_id: str, *, member: str, since: int, limit: int) -> ChangePage | None:
        rows = self._rows(_CHANGES, chat_id=chat_id, member=member, since=since, limit=limit + 1)
        if not rows:
            return None
        items = _messages(rows)
        more = len(items) > limit
        rev = items[limit - 1].rev if more else rows[0]["chat_rev"]
        return ChangePage(items=items[:limit], rev=rev, more=more)

    def move_cursors(
        self, chat_id: str, *, member: str, read: int = 0, delivered: int = 0
    ) -> Cursors | None:
        rows = self._rows(
            _MOVE, chat_id=chat_id, member=member, read=read, delivered=max(read, delivered)
        )
        return _cursors(rows[0]) if rows else None

    def observers(self, chat_id: str, *, member: str) -> list[str] | None:
        rows = self._rows(_OBSERVERS, chat_id=chat_id, member=member)
        return [one for one in rows[0]["answered_to"] or () if one != member] if rows else None

    def acquainted(self, member: str, others: Collection[str]) -> set[str]:
        rows = self._rows(_ACQUAINTED, member=member, others=list(others))
        return {row["user_id"] for row in rows}

    def cursors(self, pairs: Collection[tuple[str, str]]) -> dict[tuple[str, str], Cursors]:
        rows = self._rows(
            _CURSORS,
            chat_ids=[chat_id for chat_id, _ in pairs],
            user_ids=[user_id for _, user_id in pairs],
        )
        return {(row["chat_id"], row["user_id"]): _cursors(row) for row in rows}

    def undelivered(
        self, chat_id: str, *, member: str, since: int, until: int, limit: int
    ) -> list[Message] | None:
        asked: Row = {"chat_id": chat_id, "member": member, "since": since, "until": until}
        rows = self._rows(_UNDELIVERED, **asked, limit=limit)
        return _messages(rows) if rows else None

    def now(self) -> datetime:
        [row] = self._rows("SELECT now() AS time")
        time: datetime = row["time"]
        return time

    def ping(self) -> None:
        self._postgres.ping()

    def _chats(self, query: str, **values: Any) -> list[Chat]:
        rows = self._rows(query, window=UNREAD_WINDOW, **values)
        return [Chat.model_validate(row).seen_by(values["member"]) for row in rows]

    def _rows(self, query: str, *, again: bool = False, **values: Any) -> list[Row]:
        with self._postgres.cursor(row_factory=dict_row, again=again) as cursor:
            return cursor.execute(query, values).fetchall()


def _message(row: Row) -> Message:
    return Message.model_validate(row)


def _messages(rows: list[Row]) -> list[Message]:
    return [_message(row) for row in rows if row["id"] is not None]


def _event_values(event: ChatEvent) -> Row:
    return {**event._asdict(), "data": Jsonb(event.data)}


def _refused(row: Row) -> bool:
    """Neither stored now nor before."""
    return row["place"] is None and row["id"] is None


def _cursors(row: Row) -> Cursors:
    told = row["answered_to"]
    return Cursors(
        Receipt.model_validate(row),
        row["moved"],
        answered=told is not None,
        seen_by=told or [row["user_id"]],
    )
