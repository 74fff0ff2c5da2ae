"""Pages of chats and of history: queries, answers, and the cursors of chats."""

import base64
import binascii
from datetime import UTC, datetime
from typing import Annotated

from pydantic import Field, TypeAdapter, ValidationError

from chalicelib.errors import ValidationFailed
from chalicelib.messages.fields import Rev
from chalicelib.messages.models.chats import Chat, Member
from chalicelib.messages.models.messages import Message
from chalicelib.text.sentences import problem
from chalicelib.wire import CURSOR, NEXT, Id, Input, Page, PageSize

_ID = TypeAdapter[str](Id)


class ChatQuery(Input):
    """Query of a list."""

    limit: PageSize = 50
    cursor: Annotated[Annotated[str, Field(max_length=256)] | None, CURSOR] = None


class MemberQuery(Input):
    """Query of a chat's members."""

    limit: PageSize = 50
    cursor: Annotated[Id | None, CURSOR] = None


class HistoryQuery(Input):
    """Query of a chat's history."""

    before: Rev | None = Field(
        None,
        description="The `next` of the page before, or any `seq`: only older messages are "
        "answered.",
    )
    limit: PageSize = 50


class ChatPage(Page[Chat, str]):
    """A page of chats."""

    items: list[Chat] = Field(description="Chats, newest activity first.")
    next: Annotated[str | None, NEXT, Field(examples=["MTc3MjM1NzQwMDAwMCAw"])]


class MemberPage(Page[Member, str]):
    """A page of a chat's members."""

    items: list[Member] = Field(description="Members, in the order of `user_id`.")
    next: Annotated[str | None, NEXT, Field(examples=["0199b7a2-5c1e-7d34-8f60-2b9d41c7e853"])]


class MessagePage(Page[Message, str]):
    """A page of a chat's messages."""

    items: list[Message] = Field(description="Messages, newest first.")
    next: str | None = Field(
        description="Send it as `before` for the next page; null on the last one.", examples=["42"]
    )


def cursor_after(chat: Chat) -> str:
    """The cursor of the page after this chat."""
    milliseconds = round(chat.last_activity_at.timestamp() * 1000)
    return base64.urlsafe_b64encode(f"{milliseconds} {chat.id}".encode()).decode().rstrip("=")


def place_of(cursor: str | None) -> tuple[datetime, str] | None:
    """The (last_activity_at, id) that a page begins after. Raises ValidationFailed for an invalid
    cursor."""
    if cursor is None:
        return None
    try:
        decoded = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
        milliseconds, chat_id = decoded.split(" ")
        return datetime.fromtimestamp(int(milliseconds) / 1000, UTC), _ID.validate_python(chat_id)
    except (binascii.Error, ValueError, OverflowError, OSError, ValidationError):
        raise ValidationFailed(
            [problem("cursor", "not_a_cursor", "Take the cursor from `next` of the page before.")]
        ) from None
