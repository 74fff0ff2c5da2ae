"""Shared by the parts of the store: columns of a message and of a chat's state, whether a chat is
answered, how a member changes a chat, reading rows."""

from typing import Any

from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from chalicelib.drivers.postgres import Postgres
from chalicelib.messages.events import ChatEvent
from chalicelib.messages.models.messages import Message

Row = dict[str, Any]

MESSAGE = "id, chat_id, seq, rev, sender_id, client_id, content, created_at, edited_at, deleted_at"

# The state of a chat, from the table of chats.
STATE = "id AS chat_id, state_rev AS rev, title, photo, member_count"

# Stored as the content of a deleted message. Only code that knows no deletions reads it: it cannot
# read a message without content.
NO_CONTENT = {"kind": "text", "text": ""}

# Whether a member has written. LIMIT makes PostgreSQL plan for one row, however many there are.
WROTE = """(
    SELECT true FROM messages
    WHERE messages.chat_id = writer.chat_id AND messages.sender_id = writer.user_id LIMIT 1
)"""

# Whether a chat is answered. The braces are for its columns `kind` and `id`. For a direct chat it
# is computed, so there is no column to update. A group is always answered: no writer is counted.
ANSWERED = f"""({{}} = 'group' OR (
    SELECT count(*) > 1 FROM memberships writer WHERE writer.chat_id = {{}} AND {WROTE}
))"""

# The parts of a statement that changes a chat: nothing happens if `member` is not in it.
CHANGING = """
WITH members AS (
    SELECT array_agg(user_id) AS member_ids FROM memberships WHERE chat_id = %(chat_id)s
    HAVING bool_or(user_id = %(member)s)
), present AS (
    SELECT date_trunc('milliseconds', now()) AS time
)"""


def columns(table: str) -> str:
    """A message's columns in one of several tables. Columns are always named: when a column is
    added, a prepared statement with `*` fails."""
    return ", ".join(f"{table}.{name}" for name in MESSAGE.split(", "))


def fetch(postgres: Postgres, query: str, *, again: bool = False, **values: Any) -> list[Row]:
    """The rows of a statement. `again`: it is safe to repeat if its connection was lost."""
    with postgres.cursor(row_factory=dict_row, again=again) as cursor:
        return cursor.execute(query, values).fetchall()


def message_of(row: Row) -> Message:
    return Message.model_validate(row if row["deleted_at"] is None else {**row, "content": None})


def messages_of(rows: list[Row]) -> list[Message]:
    return [message_of(row) for row in rows if row["id"] is not None]


def event_values(event: ChatEvent) -> Row:
    return {**event._asdict(), "data": Jsonb(event.data)}
