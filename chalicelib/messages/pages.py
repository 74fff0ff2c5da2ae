"""Pages of chats and of history, and their cursors."""

import base64
import binascii
from datetime import UTC, datetime
from typing import Annotated

from pydantic import Field, TypeAdapter, ValidationError

from chalicelib.errors import ValidationFailed
from chalicelib.messages.models import Chat, Message
from chalicelib.text.sentences import problem
from chalicelib.wire import NEXT, Id, Model

_ID = TypeAdapter[str](Id)


class ChatPage(Model):
    """A page of chats."""

    items: list[Chat] = Field(description="Chats, newest activity first.")
    next: Annotated[str | None, NEXT, Field(examples=["MTc3MjM1NzQwMDAwMCAw"])]


class MessagePage(Model):
    """A page of a chat's messages."""

    items: list[Message] = Field(description="Messages, newest first.")
    next: str | None = Field(
        description="Send it as `before` for the next page; null on the last one.", examples=["42"]
    )


def page_of(found: list[Chat], limit: int) -> ChatPage:
    """A page from up to limit + 1 chats found."""
    items = found[:limit]
    return ChatPage(items=items, next=_cursor(items[-1]) if len(found) > limit else None)


def _cursor(chat: Chat) -> str:
    milliseconds = round(chat.last_activity_at.timestamp() * 1000)
    return base64.urlsafe_b64encode(f"{milliseconds} {chat.id}".encode()).decode().rstrip("=")


def after_cursor(cursor: str | None) -> tuple[datetime, str] | None:
    """Where the page goes on. Raises ValidationFailed for a cursor that we did not give out."""
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
