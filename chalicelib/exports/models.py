"""Exports as clients and the job see them."""

from datetime import timedelta
from typing import Literal, NamedTuple

from chalicelib.wire import Model, Utc

EVERY = timedelta(days=1)
"""So long after an export was asked for, another one can be."""

KEPT = timedelta(days=7)
"""How long an archive is there to be fetched. The bucket deletes by itself a day later."""

LEASE = timedelta(minutes=16)
"""More than a function can run: who comes after this finds nobody at an archive."""

LINK = timedelta(minutes=5)
"""How long a link to an archive can be opened."""


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
    """Where the archive can be fetched by whoever has the link, until `expires_at`."""

    url: str
    expires_at: Utc


class Task(NamedTuple):
    """A row that was claimed: an archive to be made, or one to be deleted."""

    id: str
    user_id: str
    state: Literal["waiting", "ready", "failed", "doomed"]
    key: str
    tries: int  # this one included
