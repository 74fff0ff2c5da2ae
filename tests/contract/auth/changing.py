"""What the contract tests of changes of an address share."""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from chalicelib.auth.recovery.email_store import EmailStore
from chalicelib.auth.recovery.store import Recipient, RecoveryStore
from chalicelib.drivers.postgres import Postgres
from chalicelib.mail.models import Notice, Purpose
from chalicelib.mail.notices import NoticeStore
from chalicelib.mail.store import MailStore
from chalicelib.users.models import Profile
from tests.contract.accounts import (
    NOW,
    Stores,
    fake,
    real,
)
from tests.unit.auth.fake_tables import Tables
from tests.unit.auth.recovery.fake_email import FakeEmailStore
from tests.unit.mail.fake_mail import FakeMailStore, FakeNoticeStore, FakeRecoveryStore

DAY = timedelta(days=1)


@dataclass
class Changing(Stores):
    """All stores that a change needs, over the same tables."""

    recovery: RecoveryStore
    changes: EmailStore
    mails: MailStore
    notices: NoticeStore

    def verified(self, **changes: Any) -> Profile:
        user, _ = self.account(**changes)
        digest = self.keep(self.recovery.recipient(user.id), "verify")
        assert digest is not None
        assert self.recovery.verify(user.id, digest, NOW)
        self.notices.remove(self.told(user))
        return user

    def ask(self, user: Profile, address: str, *, now: datetime = NOW) -> bool:
        return self.changes.ask(user.id, address, checked="hash", good_for=DAY, now=now)

    def link(self, user: Profile) -> bytes:
        """The digest of a link that was mailed to the address that a user wants."""
        digest = self.keep(self.changes.candidate(user.id, NOW), "change")
        assert digest is not None
        self.recovery.link_sent(digest, NOW)
        return digest

    def keep(self, recipient: Recipient | None, purpose: Purpose) -> bytes | None:
        """The digest of a link that is to be mailed; None if it is not kept."""
        assert recipient is not None
        digest = secrets.token_bytes(32)
        kept = self.recovery.keep_link(
            recipient, purpose, digest, good_for=DAY, fresh=timedelta(0), now=NOW
        )
        return digest if kept else None

    def told(self, user: Profile) -> list[Notice]:
        claimed = self.notices.claim(NOW, delays=[0], limit=10_000)
        return [one for one in claimed if one.user_id == user.id]

    def address(self, user: Profile) -> tuple[str, bool]:
        found = self.users.profile(user.id)
        assert found is not None
        return found.email, found.email_verified


def over(postgres: Postgres) -> Changing:
    base = real(postgres)
    return Changing(
        *base,
        RecoveryStore(postgres, base.sessions),
        EmailStore(postgres),
        MailStore(postgres),
        NoticeStore(postgres),
    )


def fakes() -> Changing:
    tables = Tables(clock=lambda: NOW)
    return Changing(
        *fake(tables),
        FakeRecoveryStore(tables),
        FakeEmailStore(tables),
        FakeMailStore(tables),
        FakeNoticeStore(tables),
    )


def new() -> str:
    return f"new_{secrets.token_hex(6)}@example.net"
