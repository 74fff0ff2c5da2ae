"""Queued mails, notices, and the letters that are sent."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, NamedTuple

Kind = Literal["verify", "reset", "export", "change"]

Purpose = Literal["verify", "reset", "change"]
"""The purpose of a link in a mail. `change` verifies the new address that a user asked for."""

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
    """A claimed row of the outbox. `subject`: for `reset`, the typed address, and after a space the
    username if one was given; for every other kind, a user's id."""

    id: int
    kind: Kind
    subject: str
    tries: int  # this one included


class Notice(NamedTuple):
    """A claimed row: something happened to an account, `times` times, from `since` to `at`. It is
    mailed to `address`. `detail` describes the last time."""

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
