"""Pages of chats and of history, and their cursors."""

import base64
import binascii
from datetime import UTC, datetime

from pydantic import TypeAdapter, ValidationError

from chalicelib.errors import ValidationFailed
from chalicelib.messages.models import Chat, Message
from chalicelib.sentences import problem
from chalicelib.wire import Id, Model

_ID = TypeAdapter[str](Id)


class ChatPage(Model):
    """A page of chats; `next` is the cursor of the page after it."""

    items: list[Chat]
    next: str | None


class HistoryOf(Model):
    """A page of history; `next` is the `before` of the page after it."""

    items: list[Message]
    next: str | None


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
