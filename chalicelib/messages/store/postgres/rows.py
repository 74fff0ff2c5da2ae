"""Shared by the parts of the store: columns of a message, whether a chat is answered, reading
rows."""

from typing import Any

from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from chalicelib.drivers.postgres import Postgres
from chalicelib.messages.events import ChatEvent
from chalicelib.messages.models import Message

Row = dict[str, Any]

MESSAGE = "id, chat_id, seq, rev, sender_id, client_id, content, created_at, edited_at, deleted_at"

# Whether a member has written. LIMIT makes PostgreSQL plan for one row, however many there are.
WROTE = """(
    SELECT true FROM messages
    WHERE messages.chat_id = writer.chat_id AND messages.sender_id = writer.user_id LIMIT 1
)"""

# Whether both members of a chat have written. It is computed, so there is no column to update.
ANSWERED = f"""(
    SELECT count(*) > 1 FROM memberships writer WHERE writer.chat_id = {{}}.{{}} AND {WROTE}
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
    return Message.model_validate(row)


def messages_of(rows: list[Row]) -> list[Message]:
    return [message_of(row) for row in rows if row["id"] is not None]


def event_values(event: ChatEvent) -> Row:
    return {**event._asdict(), "data": Jsonb(event.data)}
