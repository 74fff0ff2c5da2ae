"""Receipts in PostgreSQL: columns of each membership."""

from collections.abc import Collection

from chalicelib.drivers.postgres import Postgres
from chalicelib.messages.models.receipts import Receipt, ReceiptState
from chalicelib.messages.store.cursors import Cursors
from chalicelib.messages.store.postgres.rows import ANSWERED, Row, fetch

_SEEN_BY = f"""
CASE WHEN {ANSWERED.format("mine.kind", "mine.chat_id")}
    THEN ARRAY(SELECT user_id FROM memberships WHERE chat_id = mine.chat_id)
END AS answered_to
"""

_MOVE = f"""
WITH mine AS (
    SELECT m.chat_id, m.user_id, m.read_seq, m.delivered_seq, chats.kind,
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
FROM (
    SELECT m.chat_id, m.user_id, m.read_seq, m.delivered_seq, chats.kind
    FROM unnest(%(chat_ids)s::uuid[], %(user_ids)s::uuid[]) AS wanted (chat_id, user_id)
    JOIN memberships m USING (chat_id, user_id) JOIN chats ON chats.id = m.chat_id
) mine
"""

_OBSERVERS = f"""
SELECT {_SEEN_BY} FROM (
    SELECT m.chat_id, chats.kind FROM memberships m JOIN chats ON chats.id = m.chat_id
    WHERE m.chat_id = %(chat_id)s AND m.user_id = %(member)s
) mine
"""


class PostgresCursors(Cursors):
    """One statement for each method."""

    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres

    def move(
        self, chat_id: str, *, member: str, read: int = 0, delivered: int = 0
    ) -> ReceiptState | None:
        rows = fetch(
            self._postgres,
            _MOVE,
            chat_id=chat_id,
            member=member,
            read=read,
            delivered=max(read, delivered),
        )
        return _state(rows[0]) if rows else None

    def of(self, pairs: Collection[tuple[str, str]]) -> dict[tuple[str, str], ReceiptState]:
        rows = fetch(
            self._postgres,
            _CURSORS,
            chat_ids=[chat_id for chat_id, _ in pairs],
            user_ids=[user_id for _, user_id in pairs],
        )
        return {(row["chat_id"], row["user_id"]): _state(row) for row in rows}

    def observers(self, chat_id: str, *, member: str) -> list[str] | None:
        rows = fetch(self._postgres, _OBSERVERS, chat_id=chat_id, member=member)
        return [one for one in rows[0]["answered_to"] or () if one != member] if rows else None


def _state(row: Row) -> ReceiptState:
    told = row["answered_to"]
    return ReceiptState(
        Receipt.model_validate(row),
        row["moved"],
        answered=told is not None,
        seen_by=told or [row["user_id"]],
    )
