"""Chats and their members in PostgreSQL."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from psycopg.types.json import Jsonb

from chalicelib.drivers.postgres import Postgres
from chalicelib.messages.events import ChatEvent
from chalicelib.messages.models import Chat
from chalicelib.messages.store.chats import UNREAD_WINDOW, Chats
from chalicelib.messages.store.postgres.rows import ANSWERED, MESSAGE, event_values, fetch

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
    {ANSWERED.format("chat", "id")} AS answered,
    (SELECT json_agg(other ORDER BY other.user_id) FROM (
        SELECT user_id, role, joined_rev, read_seq, delivered_seq FROM memberships
        WHERE memberships.chat_id = chat.id
     ) other) AS members,
    (SELECT row_to_json(newest) FROM (
        SELECT {MESSAGE} FROM messages
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

_ACQUAINTED = f"""
SELECT DISTINCT other.user_id FROM memberships other JOIN memberships mine USING (chat_id)
WHERE mine.user_id = %(member)s AND other.user_id <> %(member)s
    AND other.user_id = ANY(%(others)s::uuid[]) AND {ANSWERED.format("mine", "chat_id")}
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

    def acquainted(self, member: str, others: Collection[str]) -> set[str]:
        rows = fetch(self._postgres, _ACQUAINTED, member=member, others=list(others))
        return {row["user_id"] for row in rows}

    def _chats(self, query: str, **values: Any) -> list[Chat]:
        rows = fetch(self._postgres, query, window=UNREAD_WINDOW, **values)
        return [Chat.model_validate(row).seen_by(values["member"]) for row in rows]
