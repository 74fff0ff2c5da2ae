"""What is to be mailed, and what a mail says."""

from dataclasses import dataclass, field
from typing import Literal, NamedTuple

Kind = Literal["verify", "reset", "signed_in", "passkey", "export", "google"]

Purpose = Literal["verify", "reset"]
"""What a link in a mail is good for."""


class Due(NamedTuple):
    """A row of the outbox that was claimed. `subject` is a user's id for `verify`, `export` and
    `google`, the address that was typed for `reset`, a session's id for `signed_in`, a passkey's
    for `passkey`."""

    id: int
    kind: Kind
    subject: str
    tries: int  # this one included


@dataclass(frozen=True, slots=True)
class Letter:
    """A mail of plain text. Nothing of it may be logged."""

    to: str = field(repr=False)
    subject: str = field(repr=False)
    text: str = field(repr=False)
