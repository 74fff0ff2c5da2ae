"""The queries of lists of chats, messages and changes."""

from typing import Annotated

from pydantic import Field

from chalicelib.messages.fields import Rev
from chalicelib.wire import CURSOR, Input, PageSize


class ChatQuery(Input):
    """Query of a list."""

    limit: PageSize = 50
    cursor: Annotated[Annotated[str, Field(max_length=256)] | None, CURSOR] = None


class HistoryQuery(Input):
    """Query of a chat's history."""

    before: Rev | None = Field(
        None,
        description="The `next` of the page before, or any `seq`: only older messages are "
        "answered.",
    )
    limit: PageSize = 50


class Since(Input):
    """Query of a chat's changes."""

    since: Annotated[Rev, Field(description="Only what changed after this rev is answered.")]
    limit: PageSize = 50
