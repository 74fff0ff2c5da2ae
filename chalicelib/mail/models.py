"""Queued mails, notices, and the letters that are sent."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, NamedTuple

Kind = Literal["verify", "reset", "export", "change"]

Purpose = Literal["verify", "reset", "change"]
"""What a link in a mail is good for. `change` verifies the new address that a user asked for."""

NoticeKind = Literal[
    "signed_in",
    "address_verified",
    "email_change_asked",
    "email_changed",
    "password_changed",
    "password_reset",
    "second_factor_on",
    "second_factor_off",
    "recovery_codes_made",
    "recovery_code_used",
    "passkey_added",
    "passkey_removed",
    "google_linked",
    "google_unlinked",
    "account_deleted",
]
"""Changes of an account that its user gets a mail about."""


class QueuedMail(NamedTuple):
    """A row of the outbox that was claimed. `subject` is what was typed for `reset`: an address,
    with a username after a space if one was given. Of every other kind it is a user's id."""

    id: int
    kind: Kind
    subject: str
    tries: int  # this one included


class Notice(NamedTuple):
    """A claimed row: what happened to an account, `times` times, from `since` to `at`. It is mailed
    to `address`. `detail` describes the last time."""

    user_id: str
    kind: NoticeKind
    address: str
    username: str
    detail: str
    times: int
    since: datetime
    at: datetime
    tries: int  # this one included


@dataclass(frozen=True, slots=True)
class Letter:
    """A mail of plain text. Never log any part of it."""

    to: str = field(repr=False)
    subject: str = field(repr=False)
    text: str = field(repr=False)
