"""The queries of lists of chats, messages and changes."""

from typing import Annotated

from pydantic import Field

from chalicelib.messages.fields import Rev
from chalicelib.wire import CURSOR, Input, Limit


class Page(Input):
    """Query of a list."""

    limit: Limit = 50
    cursor: Annotated[Annotated[str, Field(max_length=256)] | None, CURSOR] = None


class HistoryPage(Input):
    """Query of a chat's history."""

    before: Rev | None = Field(
        None,
        description="The `next` of the page before, or any `seq`: only older messages are "
        "answered.",
    )
    limit: Limit = 50


class Since(Input):
    """Query of a chat's changes."""

    since: Annotated[Rev, Field(description="Only what changed after this rev is answered.")]
    limit: Limit = 50
