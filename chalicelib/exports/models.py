"""Exports as clients and the job see them."""

from datetime import timedelta
from typing import Annotated, Literal, NamedTuple

from pydantic import Field

from chalicelib.wire import Input, Model, OurId, Token, Utc

EVERY = timedelta(days=1)
"""How long after asking for an export another one may be asked for."""

KEPT = timedelta(days=7)
"""How long an archive can be downloaded. The bucket deletes it a day later, if the job did not."""

LEASE = timedelta(minutes=16)
"""Longer than a function can run: after this time no function is still working on an archive."""

LINK = timedelta(minutes=5)
"""How long a link to an archive can be opened."""

LINK_PATH = "/v1/export"

OPEN = timedelta(minutes=1)
"""How long the bucket's own link works after ours was opened. That link cannot be revoked."""


class Export(Model):
    """An archive of its user's data."""

    id: OurId = Field(description="Names the archive.")
    status: Literal["waiting", "ready", "failed"] = Field(
        description="`waiting`: it is being made. `ready`: ask for a link to it. `failed`: ask for "
        "another one."
    )
    created_at: Utc = Field(description="When it was asked for.")
    ready_at: Utc | None = Field(description="When it was made; null until then.")
    expires_at: Utc | None = Field(description="When it is deleted; null until it is ready.")
    size: int | None = Field(
        description="How many bytes it has; null until it is ready.", examples=[48213]
    )


class ExportLink(Model):
    """A link to the archive. It opens without signing in, until the session that asked for it
    ends."""

    url: str = Field(
        repr=False,
        description="Open it in a browser.",
        examples=["https://chat.example.org/v1/export?ticket=Jx4Yw0aX3bqQf2mV"],
    )
    expires_at: Utc = Field(description="It opens until then.")


class ExportTicket(Input):
    """Query of a link to an archive."""

    ticket: Annotated[
        Token,
        Field(
            min_length=1,
            max_length=64,
            repr=False,
            description="From the link.",
            examples=["Jx4Yw0aX3bqQf2mV"],
        ),
    ]


class Task(NamedTuple):
    """A row that was claimed: an archive to be made, or one to be deleted."""

    id: str
    user_id: str
    state: Literal["waiting", "ready", "failed", "doomed"]
    key: str
    tries: int  # including this one
