"""The tables of accounts in memory: fake stores share them, as the real stores share PostgreSQL."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime

from chalicelib.admin.models import AuditEntry
from chalicelib.auth.passkeys.models import Passkey
from chalicelib.auth.sessions.models import Session
from chalicelib.clock import Now, Time
from chalicelib.errors import Unavailable
from chalicelib.mail.models import Kind, Notice, NoticeKind, Purpose, QueuedMail
from chalicelib.users.device_models import PushToken
from chalicelib.users.models import Profile
from chalicelib.wire import now


@dataclass
class User:
    profile: Profile
    revision: int = 0
    deleted: bool = False
    suspended_at: datetime | None = None
    suspension_reason: str | None = None
    roles: frozenset[str] = frozenset()


@dataclass
class StoredPush:
    session_id: str
    push: PushToken
    updated_at: datetime


@dataclass
class Link:
    user_id: str
    purpose: Purpose
    address: str
    expires_at: datetime
    sent_at: datetime | None = None
    used: bool = False


@dataclass
class Shared:
    secret: str
    confirmed: bool = False
    last_step: int = 0
    codes: set[bytes] = field(default_factory=set)


@dataclass
class Held:
    passkey: Passkey
    name: str
    created_at: datetime
    last_used_at: datetime | None = None


@dataclass
class Waiting:
    mail: QueuedMail
    due_at: datetime


@dataclass
class Told:
    notice: Notice
    due_at: datetime


@dataclass
class Tables:
    """What PostgreSQL would hold; `down` makes it fail to answer."""

    users: dict[str, User] = field(default_factory=dict)
    passwords: dict[str, str] = field(default_factory=dict)
    sessions: dict[str, Session] = field(default_factory=dict)
    pushes: dict[tuple[str, str], StoredPush] = field(default_factory=dict)
    audit: list[AuditEntry] = field(default_factory=list)
    mails: dict[tuple[str, str], Waiting] = field(default_factory=dict)
    links: dict[bytes, Link] = field(default_factory=dict)
    changes: dict[str, tuple[str, datetime]] = field(default_factory=dict)
    notices: dict[tuple[str, str, str], Told] = field(default_factory=dict)
    factors: dict[str, Shared] = field(default_factory=dict)
    passkeys: dict[str, Held] = field(default_factory=dict)
    google: dict[str, tuple[str, datetime]] = field(default_factory=dict)
    consents: dict[tuple[str, str], tuple[frozenset[str], datetime]] = field(default_factory=dict)
    clock: Callable[[], datetime] = now
    down: bool = False
    lock: threading.RLock = field(default_factory=threading.RLock)

    def __enter__(self) -> None:
        if self.down:
            raise Unavailable("postgres")
        self.lock.acquire()

    def __exit__(self, *_: object) -> None:
        self.lock.release()

    def at(self, now: Time) -> datetime:
        """What `now` stands for."""
        return self.clock() if isinstance(now, Now) else now

    def stored(self, session: Session) -> Session:
        """A draft, with the times that it is stored with."""
        if not session.drafted:
            return session
        time = self.clock()
        return replace(
            session,
            rotated_at=time,
            created_at=time,
            last_used_at=time,
            expires_at=time + (session.expires_at - session.created_at),
            drafted=False,
        )

    def mail(self, kind: Kind, subject: str, now: datetime) -> None:
        known = self.mails.get((kind, subject))
        number = known.mail.id if known else len(self.mails) + 1
        self.mails[kind, subject] = Waiting(QueuedMail(number, kind, subject, 0), now)

    def forget_mails(self, user: Profile) -> None:
        for kind, subject in list(self.mails):
            reset = kind == "reset" and subject.partition(" ")[0] == user.email
            if subject == user.id or (reset and user.email_verified):
                del self.mails[kind, subject]

    def tell(self, user_id: str, kind: NoticeKind, now: datetime, detail: str = "") -> None:
        profile = self.users[user_id].profile
        if not profile.email_verified:
            return
        key = user_id, kind, profile.email
        known = self.notices.get(key)
        times, since = (known.notice.times, known.notice.since) if known else (0, now)
        told = Notice(
            *(user_id, kind, profile.email, profile.username, detail),
            *(times + 1, since, now, 0),
        )
        self.notices[key] = Told(told, now)

    def wanted(self, user_id: str, now: datetime) -> str | None:
        """The address that a user wants to have."""
        address, until = self.changes.get(user_id, ("", now))
        return address if until > now else None

    def drop_links(self, user_id: str, *purposes: Purpose, but: bytes = b"") -> None:
        for digest, link in list(self.links.items()):
            if link.user_id == user_id and link.purpose in purposes and digest != but:
                del self.links[digest]

    def verify(self, user_id: str) -> None:
        user = self.users[user_id]
        user.profile = user.profile.model_copy(update={"email_verified": True})

    def drop_passkeys(self, user_id: str) -> None:
        for passkey_id, held in list(self.passkeys.items()):
            if held.passkey.user_id == user_id:
                del self.passkeys[passkey_id]

    def drop_pushes(self, user_id: str, *, but: str | None) -> None:
        for key, row in list(self.pushes.items()):
            if key[0] == user_id and row.session_id != but:
                del self.pushes[key]
