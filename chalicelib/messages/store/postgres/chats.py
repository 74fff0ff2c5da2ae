"""Chats and their members in PostgreSQL."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from psycopg.types.json import Jsonb

from chalicelib.drivers.postgres import Postgres
from chalicelib.messages.events import ChatEvent
from chalicelib.messages.models.changes import Change
from chalicelib.messages.models.chats import Chat, ChatState, Me, Member
from chalicelib.messages.store.chats import UNREAD_WINDOW, Chats
from chalicelib.messages.store.postgres.rows import (
    ANSWERED,
    CHANGING,
    MESSAGE,
    STATE,
    Row,
    event_values,
    fetch,
    message_of,
)

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
SELECT chat.id, chat.kind, chat.title, chat.photo, chat.member_count, chat.last_rev, chat.state_rev,
    chat.created_at, chat.last_activity_at,
    chat.role, chat.joined_rev, chat.read_seq, chat.delivered_seq,
    {ANSWERED.format("chat.kind", "chat.id")} AS answered,
    CASE WHEN chat.kind = 'direct' THEN (SELECT row_to_json(other) FROM (
        SELECT user_id, read_seq, delivered_seq FROM memberships
        WHERE memberships.chat_id = chat.id AND memberships.user_id <> %(member)s
     ) other) END AS partner,
    (SELECT row_to_json(newest) FROM (
        SELECT {MESSAGE} FROM messages
        WHERE messages.chat_id = chat.id AND messages.seq = chat.last_seq
     ) newest) AS last_message,
    (SELECT count(*) FROM messages unread
     WHERE unread.chat_id = chat.id
        AND unread.seq > greatest(chat.read_seq, chat.last_seq - %(window)s)
        AND unread.sender_id <> %(member)s AND unread.deleted_at IS NULL) AS unread_count
FROM (
    SELECT chats.id, chats.kind, chats.title, chats.photo, chats.member_count, chats.last_rev,
        chats.last_seq, chats.state_rev, chats.created_at, chats.last_activity_at,
        mine.role, mine.joined_rev, mine.read_seq, mine.delivered_seq
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

# A member gets at least one row, to tell "no more members" from "no such chat".
_MEMBERS = f"""
SELECT {ANSWERED.format("chats.kind", "chats.id")} AS answered,
    found.user_id, found.role, found.joined_rev, found.read_seq, found.delivered_seq
FROM memberships mine JOIN chats ON chats.id = mine.chat_id
LEFT JOIN LATERAL (
    SELECT user_id, role, joined_rev, read_seq, delivered_seq FROM memberships
    WHERE chat_id = chats.id {{}} ORDER BY user_id LIMIT %(limit)s
) found ON true
WHERE mine.chat_id = %(chat_id)s AND mine.user_id = %(member)s
ORDER BY found.user_id
"""
_FIRST_MEMBERS = _MEMBERS.format("")
_LATER_MEMBERS = _MEMBERS.format("AND user_id > %(after)s")

_RENAME = f"""
{CHANGING}, renamed AS (
    UPDATE chats SET title = %(title)s, last_rev = last_rev + 1, state_rev = last_rev + 1
    WHERE id = %(chat_id)s AND EXISTS (SELECT FROM members)
    RETURNING {STATE}
), queued AS (
    INSERT INTO outbox (chat_id, seq, created_at, changed_seq)
    SELECT chat_id, rev, time, 0 FROM renamed, present
)
SELECT member_ids, time, chat_id, rev, title, photo, member_count
FROM members, present, renamed
"""

_ACQUAINTED = f"""
SELECT DISTINCT other.user_id FROM memberships other JOIN memberships mine USING (chat_id)
JOIN chats ON chats.id = mine.chat_id
WHERE mine.user_id = %(member)s AND other.user_id <> %(member)s
    AND other.user_id = ANY(%(others)s::uuid[]) AND {ANSWERED.format("chats.kind", "chats.id")}
"""


class PostgresChats(Chats):
    """One statement for each method that is called often."""

    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres

    def open_direct(
        self, chat_id: str, *, members: tuple[str, str], at: datetime
    ) -> tuple[Chat, bool]:
        event = event_values(ChatEvent.of_chat(chat_id, members, at))
        [row] = fetch(self._postgres, _OPEN, chat_id=chat_id, members=list(members), **event)
        chat = self.get(chat_id, member=members[0])
        if chat is None:
            raise LookupError("this chat has other members")
        return chat, row["made"]

    def get(self, chat_id: str, *, member: str) -> Chat | None:
        chats = self._chats(_ONE_CHAT, chat_id=chat_id, member=member, limit=1)
        return chats[0] if chats else None

    def page(
        self, member: str, *, limit: int, before: tuple[datetime, str] | None = None
    ) -> list[Chat]:
        if before is None:
            return self._chats(_ALL_CHATS, member=member, limit=limit)
        at, chat_id = before
        return self._chats(_LATER_CHATS, member=member, limit=limit, at=at, id=chat_id)

    def news(self, member: str, known: Mapping[str, int], *, limit: int) -> list[Chat]:
        return self._chats(_NEWS, member=member, limit=limit, known=Jsonb(dict(known)))

    def members(
        self, chat_id: str, *, member: str, limit: int, after: str | None = None
    ) -> list[Member] | None:
        query = _FIRST_MEMBERS if after is None else _LATER_MEMBERS
        rows = fetch(
            self._postgres, query, chat_id=chat_id, member=member, limit=limit, after=after
        )
        found = [row for row in rows if row["user_id"] is not None]
        return [_member(row, seen_by=member) for row in found] if rows else None

    def rename(self, chat_id: str, *, member: str, title: str) -> Change | None:
        rows = fetch(
            self._postgres, _RENAME, again=True, chat_id=chat_id, member=member, title=title
        )
        if not rows:
            return None
        [row] = rows
        state = ChatState.model_validate(row)
        return Change(chat_id, state.rev, row["time"], state, row["member_ids"], first=True)

    def acquainted(self, member: str, others: Collection[str]) -> set[str]:
        rows = fetch(self._postgres, _ACQUAINTED, member=member, others=list(others))
        return {row["user_id"] for row in rows}

    def _chats(self, query: str, **values: Any) -> list[Chat]:
        rows = fetch(self._postgres, query, window=UNREAD_WINDOW, **values)
        return [_chat(row) for row in rows]


def _chat(row: Row) -> Chat:
    """The row has the reader's membership among the columns of the chat."""
    last = row["last_message"]
    parts = {"me": Me.model_validate(row), "last_message": last and message_of(last)}
    return Chat.model_validate({**row, **parts}).as_seen()


def _member(row: Row, *, seen_by: str) -> Member:
    member = Member.model_validate(row)
    if row["answered"] or member.user_id == seen_by:
        return member
    return member.model_copy(update={"read_seq": 0, "delivered_seq": 0})
