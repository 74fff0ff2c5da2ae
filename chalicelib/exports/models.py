"""Exports as clients and the job see them."""

from datetime import timedelta
from typing import Annotated, Literal, NamedTuple

from pydantic import Field

from chalicelib.wire import Input, Model, Token, Utc

EVERY = timedelta(days=1)
"""How long after asking for an export another one may be asked for."""

KEPT = timedelta(days=7)
"""How long an archive is there to be fetched. The bucket deletes by itself a day later."""

LEASE = timedelta(minutes=16)
"""More than a function can run: who comes after this finds nobody at an archive."""

LINK = timedelta(minutes=5)
"""How long a link to an archive can be opened."""

LINK_PATH = "/v1/export"

OPEN = timedelta(minutes=1)
"""How long the bucket's own link works, once ours was opened: nobody can take that one back."""


class Export(Model):
    """An archive of what is held about its user. `waiting`: it is being made. `ready`: it has
    `size` bytes and is there until `expires_at`. `failed`: ask for another one."""

    id: str
    status: Literal["waiting", "ready", "failed"]
    created_at: Utc
    ready_at: Utc | None
    expires_at: Utc | None
    size: int | None


class ExportLink(Model):
    """A link to the archive. It opens without signing in, until `expires_at` or the end of the
    session that asked for it."""

    url: Annotated[str, Field(repr=False)]
    expires_at: Utc


class ExportTicket(Input):
    """Query of a link to an archive."""

    ticket: Annotated[Token, Field(min_length=1, max_length=64, repr=False)]


class Task(NamedTuple):
    """A row that was claimed: an archive to be made, or one to be deleted."""

    id: str
    user_id: str
    state: Literal["waiting", "ready", "failed", "doomed"]
    key: str
    tries: int  # this one included
