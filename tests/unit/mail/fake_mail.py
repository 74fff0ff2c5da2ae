"""The outbox of mails and what links prove, in memory, held to the same contract as PostgreSQL."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from chalicelib.auth.recovery.store import MAX_CLAIMS, Recipient, RecoveryStore, Reset
from chalicelib.clock import Time
from chalicelib.mail.models import Kind, Letter, Notice, Purpose, QueuedMail
from chalicelib.mail.notices import NoticeStore
from chalicelib.mail.ses import MailRefused, Ses
from chalicelib.mail.store import MailStore
from tests.unit.auth.fake_tables import Link, Tables, Told, User
from tests.unit.auth.sessions.fake_sessions import FakeSessionStore


class FakeMailStore(MailStore):
    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def add(self, kind: Kind, subject: str, now: Time) -> None:
        now = self._tables.at(now)
        with self._tables:
            self._tables.mail(kind, subject, now)

    def claim(self, now: Time, *, delays: Sequence[int], limit: int) -> list[QueuedMail]:
        now = self._tables.at(now)
        with self._tables:
            due = [one for one in self._tables.mails.values() if one.due_at <= now]
            due.sort(key=lambda one: (one.due_at, one.mail.id))
            for one in due[:limit]:
                one.mail = one.mail._replace(tries=one.mail.tries + 1)
                delay = delays[min(one.mail.tries, len(delays)) - 1]
                one.due_at = now + timedelta(seconds=delay)
            return [one.mail for one in due[:limit]]

    def remove(self, mail: QueuedMail) -> None:
        with self._tables:
            found = self._tables.mails.get((mail.kind, mail.subject))
            if found is not None and found.mail == mail:
                del self._tables.mails[mail.kind, mail.subject]


class FakeRecoveryStore(RecoveryStore):
    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._fake = FakeSessionStore(tables)

    def recipient(self, user_id: str) -> Recipient | None:
        with self._tables:
            user = self._tables.users.get(user_id)
            return self._recipient(user) if user and not user.deleted else None

    def owners(self, address: str, username: str | None = None) -> list[Recipient]:
        with self._tables:
            found = [
                self._recipient(user)
                for user in self._tables.users.values()
                if not user.deleted
                and user.profile.email == address
                and username in (None, user.profile.username)
            ]
            found.sort(key=lambda one: (not one.verified, one.user_id))
            return [one for one in found[:MAX_CLAIMS] if not one.taken]

    def has_link(self, user_id: str, purpose: Purpose, *, fresh: timedelta, now: Time) -> bool:
        now = self._tables.at(now)
        with self._tables:
            return any(
                (one.user_id, one.purpose, one.used) == (user_id, purpose, False)
                and one.sent_at is not None
                and one.sent_at > now - fresh
                and one.expires_at > now
                for one in self._tables.links.values()
            )

    def keep_link(
        self,
        recipient: Recipient,
        purpose: Purpose,
        digest: bytes,
        *,
        good_for: timedelta,
        fresh: timedelta,
        now: Time,
    ) -> bool:
        now = self._tables.at(now)
        with self._tables:
            user_id, address = recipient.user_id, recipient.address
            wanted = self._tables.wanted(user_id, now)
            own = self._tables.users[user_id].profile.email
            if (wanted if purpose == "change" else own) != address:
                return False
            if self.has_link(user_id, purpose, fresh=fresh, now=now):
                return False
            for known, link in list(self._tables.links.items()):
                if (link.user_id, link.purpose, link.sent_at) == (user_id, purpose, None):
                    del self._tables.links[known]
            self._tables.links[digest] = Link(user_id, purpose, address, now + good_for)
            return True

    def link_sent(self, digest: bytes, now: Time) -> None:
        now = self._tables.at(now)
        with self._tables:
            if digest in self._tables.links:
                self._tables.links[digest].sent_at = now

    def verify(self, user_id: str, digest: bytes, now: Time) -> bool:
        now = self._tables.at(now)
        with self._tables:
            link = self._good(digest, "verify", now)
            user = self._tables.users[user_id]
            if link is None or link.user_id != user_id or self._recipient(user).taken:
                return False
            self._tables.drop_links(user_id, "verify")
            self._tables.verify(user_id)
            self._tables.tell(user_id, "address_verified", now)
            return True

    def reset(self, digest: bytes, now: Time) -> Reset | None:
        now = self._tables.at(now)
        with self._tables:
            link = self._good(digest, "reset", now)
            if link is None:
                return None
            return Reset(link.user_id, self._tables.passwords[link.user_id], link.used)

    def reset_password(self, digest: bytes, password_hash: str, now: Time) -> list[str] | None:
        now = self._tables.at(now)
        with self._tables:
            link = self._good(digest, "reset", now)
            if link is None or link.used:
                return None
            user_id = link.user_id
            user = self._tables.users[user_id]
            if self._recipient(user).taken or user.profile.email != link.address:
                return None
            link.used = True
            self._tables.changes.pop(user_id, None)
            self._tables.drop_links(user_id, "verify", "reset", "change", but=digest)
            if not user.profile.email_verified:
                self._tables.factors.pop(user_id, None)
            self._tables.google.pop(user_id, None)
            self._tables.drop_passkeys(user_id)
            self._tables.verify(user_id)
            self._tables.passwords[user_id] = password_hash
            self._tables.tell(user_id, "password_reset", now)
            return self._fake.revoke_all(user_id, but=None, now=now)

    def purge(self, now: Time) -> int:
        now = self._tables.at(now)
        with self._tables:
            links = self._tables.links
            expired = [key for key, link in links.items() if link.expires_at < now]
            for key in expired:
                del links[key]
            changes = self._tables.changes
            over = [key for key, (_, until) in changes.items() if until < now]
            for user_id in over:
                del changes[user_id]
            return len(expired) + len(over)

    def _good(self, digest: bytes, purpose: Purpose, now: datetime) -> Link | None:
        link = self._tables.links.get(digest)
        return link if link and link.purpose == purpose and link.expires_at > now else None

    def _recipient(self, user: User) -> Recipient:
        profile = user.profile
        others = [
            one.profile
            for one in self._tables.users.values()
            if one is not user and not one.deleted and one.profile.email == profile.email
        ]
        return Recipient(
            profile.id,
            profile.username,
            profile.email,
            profile.email_verified,
            taken=any(one.email_verified for one in others),
            oldest=not any(one.id < profile.id and not one.email_verified for one in others),
        )


class FakeNoticeStore(NoticeStore):
    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def claim(self, now: Time, *, delays: Sequence[int], limit: int) -> list[Notice]:
        now = self._tables.at(now)
        with self._tables:
            due = [one for one in self._tables.notices.values() if one.due_at <= now]
            due.sort(key=lambda one: one.due_at)
            for one in due[:limit]:
                one.notice = one.notice._replace(tries=one.notice.tries + 1)
                delay = delays[min(one.notice.tries, len(delays)) - 1]
                one.due_at = now + timedelta(seconds=delay)
            return [one.notice for one in due[:limit]]

    def put_off(self, notices: Sequence[Notice], now: Time, wait: timedelta) -> None:
        until = self._tables.at(now) + wait
        with self._tables:
            for told in map(self._claimed, notices):
                if told is not None:
                    told.notice, told.due_at = told.notice._replace(tries=0), until

    def remove(self, notices: Sequence[Notice]) -> None:
        with self._tables:
            for one in notices:
                if self._claimed(one) is not None:
                    del self._tables.notices[one.user_id, one.kind, one.address]

    def _claimed(self, one: Notice) -> Told | None:
        told = self._tables.notices.get((one.user_id, one.kind, one.address))
        return told if told is not None and told.notice == one else None


class FakeSes(Ses):
    """Keeps what it took; `refusing` says how many of the next mails it does not take."""

    def __init__(self) -> None:
        self.sent: list[Letter] = []
        self.refusing = 0

    def send(self, letter: Letter) -> None:
        if self.refusing:
            self.refusing -= 1
            raise MailRefused("503")
        self.sent.append(letter)
