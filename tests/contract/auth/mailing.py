"""What the contract tests of mails share: the stores of mails, real and fake."""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from chalicelib.auth.recovery.store import RecoveryStore
from chalicelib.drivers.postgres import Postgres
from chalicelib.mail.models import Notice, Purpose, QueuedMail
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
from tests.unit.mail.fake_mail import FakeMailStore, FakeNoticeStore, FakeRecoveryStore

DAY = timedelta(days=1)


FAR = NOW + timedelta(days=36500)  # rows of other tests are due, too


@dataclass
class Mailing(Stores):
    """All stores that mails need, over the same tables."""

    recovery: RecoveryStore
    mails: MailStore
    notices: NoticeStore

    def token(
        self, user: Profile, purpose: Purpose = "reset", expires_at: datetime = NOW + DAY
    ) -> bytes:
        """The digest of a link that was mailed and is good for something."""
        digest = self.link(user, purpose, expires_at)
        assert digest is not None
        self.recovery.link_sent(digest, NOW)
        return digest

    def link(
        self,
        user: Profile,
        purpose: Purpose = "reset",
        expires_at: datetime = NOW + DAY,
        *,
        since: datetime = NOW,
    ) -> bytes | None:
        """The digest of a link that is to be mailed; None if one was mailed after `since`."""
        digest, recipient = secrets.token_bytes(32), self.recovery.recipient(user.id)
        assert recipient is not None
        kept = self.recovery.keep_link(
            recipient, purpose, digest, good_for=expires_at - NOW, fresh=NOW - since, now=NOW
        )
        return digest if kept else None

    def verified(self, **changes: str) -> Profile:
        user, _ = self.account(**changes)
        assert self.recovery.verify(user.id, self.token(user, "verify"), NOW)
        return user

    def is_verified(self, user: Profile) -> bool:
        found = self.users.profile(user.id)
        assert found is not None
        return found.email_verified

    def claim(self, now: datetime, *subjects: str) -> list[QueuedMail]:
        """What is due of some subjects."""
        claimed = self.mails.claim(now, delays=[60, 600], limit=10_000)
        return [one for one in claimed if one.subject in subjects]

    def told(self, user: Profile, now: datetime = NOW) -> list[Notice]:
        """What is due of a user's notices."""
        claimed = self.notices.claim(now, delays=[60, 600], limit=10_000)
        return [one for one in claimed if one.user_id == user.id]


def over(postgres: Postgres) -> Mailing:
    base = real(postgres)
    recovery = RecoveryStore(postgres, base.sessions)
    mails, notices = MailStore(postgres), NoticeStore(postgres)
    return Mailing(*base, recovery, mails, notices)


def fakes() -> Mailing:
    tables = Tables()
    return Mailing(
        *fake(tables),
        FakeRecoveryStore(tables),
        FakeMailStore(tables),
        FakeNoticeStore(tables),
    )
