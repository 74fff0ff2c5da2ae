"""Accounts and users in memory, held to the same contract as the stores in PostgreSQL."""

import threading
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from pydantic import TypeAdapter

from chalicelib.admin.models import (
    Account,
    AccountQuery,
    Action,
    AuditEntry,
    AuditQuery,
    Parties,
    Standing,
)
from chalicelib.admin.store import AdminStore
from chalicelib.auth.passkeys.models import Passkey
from chalicelib.auth.sessions.models import LATELY, Session
from chalicelib.auth.sessions.store import MAX_SESSIONS, SessionStore
from chalicelib.auth.store import AccountStore, Credential
from chalicelib.clock import Now, Time
from chalicelib.errors import LastAdmin, Unavailable, UsernameTaken
from chalicelib.ids import new_id
from chalicelib.mail.letters import device
from chalicelib.mail.models import Kind, Notice, NoticeKind, Purpose, QueuedMail
from chalicelib.personal_data import PersonalData
from chalicelib.scopes import Role
from chalicelib.users.cache import ProfileCache
from chalicelib.users.device_models import MAX_DEVICES, PushTarget, PushToken
from chalicelib.users.device_store import DeviceStore
from chalicelib.users.models import DELETED_NAME, Card, Profile
from chalicelib.users.profile_store import UserStore
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
class _Push:
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
    pushes: dict[tuple[str, str], _Push] = field(default_factory=dict)
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


class FakeSessionStore(SessionStore):
    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def open_from(self, session: Session, opener_id: str) -> list[str] | None:
        with self._tables:
            opener = self._tables.sessions.get(opener_id)
            if opener is None or opener.user_id != session.user_id:
                return None
            if not opener.stood(self._tables.at(session.opened_at)):
                return None
            if (session.user_id, session.client_id) not in self._tables.consents:
                return None
            return self.add(session, known=True)

    def add(self, session: Session, *, known: bool) -> list[str] | None:
        if self._tables.users[session.user_id].suspended_at is not None:
            return None
        session = self._tables.stored(session)
        others = self._standing(session.user_id, session.created_at)
        others = [o for o in others if (o.client_id is None) == (session.client_id is None)]
        others.sort(key=lambda one: one.last_used_at, reverse=True)
        if session.client_id is None and not known:
            said = device(session.user_agent)
            self._tables.tell(session.user_id, "signed_in", session.created_at, said)
        self._tables.sessions[session.id] = session
        return [one.id for one in others[MAX_SESSIONS - 1 :]]

    def roles(self, user_id: str) -> frozenset[str]:
        with self._tables:
            return self._tables.users[user_id].roles

    def session(self, session_id: str) -> Session | None:
        with self._tables:
            session = self._tables.sessions.get(session_id)
            if session is None:
                return None
            read_at = self._tables.clock()
            return replace(session, roles=self.roles(session.user_id), read_at=read_at)

    def rotate(
        self,
        session: Session,
        *,
        current: bytes,
        previous: bytes,
        seed: bytes,
        now: Time,
        lifetime: timedelta,
    ) -> bool:
        now = self._tables.at(now)
        with self._tables:
            found = self._tables.sessions.get(session.id)
            if found is None or found.revoked_at or found.current != session.current:
                return False
            self._tables.sessions[session.id] = replace(
                found,
                current=current,
                previous=previous,
                seed=seed,
                rotated_at=now,
                last_used_at=now,
                expires_at=now + lifetime,
            )
            return True

    def sessions(self, user_id: str, *, now: Time, before: str | None, limit: int) -> list[Session]:
        now = self._tables.at(now)
        with self._tables:
            found = sorted(self._standing(user_id, now), key=lambda one: one.id, reverse=True)
            return [one for one in found if before is None or one.id < before][:limit]

    def revoke(self, user_id: str, session_id: str, now: Time, *, by_user: bool = False) -> bool:
        now = self._tables.at(now)
        with self._tables:
            session = self._tables.sessions.get(session_id)
            if session is None or session.user_id != user_id:
                return False
            if by_user and session.client_id:
                self._tables.consents.pop((user_id, session.client_id), None)
            self._end(session_id, now)
            for key, row in list(self._tables.pushes.items()):
                if row.session_id == session_id:
                    del self._tables.pushes[key]
            return True

    def revoke_all(self, user_id: str, *, but: str | None, now: Time) -> list[str]:
        now = self._tables.at(now)
        with self._tables:
            self._tables.drop_pushes(user_id, but=but)
            ended = [
                one.id
                for one in self._tables.sessions.values()
                if one.user_id == user_id
                and one.id != but
                and (one.revoked_at is None or one.revoked_at > now - LATELY)
            ]
            for session_id in ended:
                self._end(session_id, now)
            for user, client_id in list(self._tables.consents):
                if user == user_id:
                    del self._tables.consents[user, client_id]
            return ended

    def revoke_program(self, user_id: str, client_id: str, now: Time) -> list[str]:
        now = self._tables.at(now)
        with self._tables:
            ended = [
                one.id
                for one in self._tables.sessions.values()
                if (one.user_id, one.client_id) == (user_id, client_id)
                and (one.revoked_at is None or one.revoked_at > now - LATELY)
            ]
            for session_id in ended:
                self._end(session_id, now)
            for key, row in list(self._tables.pushes.items()):
                if row.session_id in ended:
                    del self._tables.pushes[key]
            return ended

    def revoked_within(self, time: timedelta, limit: int) -> list[tuple[str, str]]:
        """However long ago: time stands still here."""
        with self._tables:
            revoked = [one for one in self._tables.sessions.values() if one.revoked_at]
            return [(one.user_id, one.id) for one in revoked][:limit]

    def revoke_sessions_of_client(
        self, client_id: str, now: Time, limit: int
    ) -> list[tuple[str, str]]:
        now = self._tables.at(now)
        with self._tables:
            granted = [
                one
                for one in self._tables.sessions.values()
                if one.client_id == client_id and one.revoked_at is None
            ][:limit]
            for one in granted:
                self._tables.sessions[one.id] = replace(one, revoked_at=now)
            return [(one.user_id, one.id) for one in granted]

    def purge_sessions(self, now: Time, kept: timedelta, limit: int) -> int:
        before = self._tables.at(now) - kept
        with self._tables:
            ended = [
                one.id
                for one in self._tables.sessions.values()
                if one.expires_at < before or (one.revoked_at and one.revoked_at < before)
            ][:limit]
            for session_id in ended:
                del self._tables.sessions[session_id]
            for key, row in list(self._tables.pushes.items()):
                if row.session_id in ended:
                    del self._tables.pushes[key]
            return len(ended)

    def _standing(self, user_id: str, now: datetime) -> list[Session]:
        everyones = self._tables.sessions.values()
        return [one for one in everyones if one.user_id == user_id and one.stood(now)]

    def _end(self, session_id: str, now: datetime) -> None:
        session = self._tables.sessions[session_id]
        ended = replace(session, revoked_at=session.revoked_at or now)
        self._tables.sessions[session_id] = ended


class FakeAccountStore(AccountStore):
    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._fake = FakeSessionStore(tables)

    def add(self, user: Profile, password_hash: str, session: Session) -> None:
        with self._tables:
            for other in self._tables.users.values():
                if other.profile.username == user.username:
                    raise UsernameTaken()
            self._tables.users[user.id] = User(user)
            self._tables.passwords[user.id] = password_hash
            session = self._tables.stored(session)
            self._tables.sessions[session.id] = session
            self._tables.mail("verify", user.id, session.created_at)

    def credential_for(self, login: str) -> Credential | None:
        with self._tables:
            for user_id, user in self._tables.users.items():
                profile = user.profile
                names = [profile.username, *([profile.email] if profile.email_verified else [])]
                if not user.deleted and login in names:
                    password_hash = self._tables.passwords[user_id]
                    factor = self._tables.factors.get(user_id)
                    return Credential(
                        user_id,
                        password_hash,
                        user.suspended_at is not None,
                        factor is not None and factor.confirmed,
                    )
        return None

    def password_hash(self, user_id: str) -> str | None:
        with self._tables:
            return self._tables.passwords.get(user_id)

    def rehash(self, old: Credential, password_hash: str) -> None:
        with self._tables:
            if self._tables.passwords.get(old.user_id) == old.password_hash:
                self._tables.passwords[old.user_id] = password_hash

    def open_session(
        self, session: Session, password_hash: str, *, known: bool
    ) -> list[str] | None:
        with self._tables:
            if self._tables.passwords.get(session.user_id) != password_hash:
                return None
            return self._fake.add(session, known=known)

    def open_by_passkey(
        self, session: Session, passkey_id: str, *, known: bool
    ) -> list[str] | None:
        with self._tables:
            held = self._tables.passkeys.get(passkey_id)
            if held is None or held.passkey.user_id != session.user_id:
                return None
            return self._fake.add(session, known=known)

    def open_by_google(self, session: Session, subject: str, *, known: bool) -> list[str] | None:
        with self._tables:
            held = self._tables.google.get(session.user_id)
            return self._fake.add(session, known=known) if held and held[0] == subject else None

    def change_password(
        self, user_id: str, password_hash: str, *, checked: str, but: str, now: Time
    ) -> list[str] | None:
        now = self._tables.at(now)
        with self._tables:
            if self._tables.passwords.get(user_id) != checked:
                return None
            self._tables.passwords[user_id] = password_hash
            self._tables.changes.pop(user_id, None)
            self._tables.drop_links(user_id, "reset", "change")
            self._tables.tell(user_id, "password_changed", now)
            return self._fake.revoke_all(user_id, but=but, now=now)


class FakePersonalData(PersonalData):
    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._end_sessions = FakeSessionStore(tables).revoke_all

    def erase(self, user_id: str, now: Time, *, checked: str | None) -> list[str] | None:
        now = self._tables.at(now)
        with self._tables:
            if checked is not None and self._tables.passwords.get(user_id) != checked:
                return None
            user = self._tables.users[user_id]
            if "admin" in user.roles and not self._other_admins(user):
                raise LastAdmin()
            if checked is not None:
                del self._tables.passwords[user_id]
            user.deleted = True
            user.revision += 1
            self._tables.changes.pop(user_id, None)
            self._tables.drop_links(user_id, "verify", "reset", "change")
            for key in list(self._tables.notices):
                if key[0] == user_id and key[1] != "account_deleted":
                    del self._tables.notices[key]
            self._tables.tell(user_id, "account_deleted", now)
            self._tables.factors.pop(user_id, None)
            self._tables.forget_mails(user.profile)
            self._tables.google.pop(user_id, None)
            self._tables.drop_passkeys(user_id)
            user.roles, user.suspended_at, user.suspension_reason = frozenset(), None, None
            user.profile = user.profile.model_copy(
                update={
                    "username": user_id,
                    "email": "",
                    "email_verified": False,
                    "display_name": DELETED_NAME,
                    "about": "",
                    "avatar_url": None,
                    "push_previews": True,
                }
            )
            for session in self._tables.sessions.values():
                if session.user_id == user_id:
                    self._tables.sessions[session.id] = replace(
                        session, device_name=None, user_agent=""
                    )
            return self._end_sessions(user_id, but=None, now=now)

    def _other_admins(self, user: User) -> list[User]:
        return [
            one
            for one in self._tables.users.values()
            if one is not user and "admin" in one.roles and not one.suspended_at
        ]


class FakeAdminStore(AdminStore):
    """Undoes nothing: code inside `act` must raise before it changes anything."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    @contextmanager
    def act(self, actor: str | None, target: str | None) -> Iterator[Parties]:
        with self._tables:
            yield Parties(self._standing_of(actor), self._standing_of(target))

    def suspend(self, user_id: str, reason: str, now: Time) -> None:
        now = self._tables.at(now)
        user = self._tables.users[user_id]
        user.suspended_at = user.suspended_at or now
        user.suspension_reason = reason

    def restore(self, user_id: str) -> None:
        user = self._tables.users[user_id]
        user.suspended_at = user.suspension_reason = None

    def grant(self, user_id: str, role: Role, now: Time) -> None:
        now = self._tables.at(now)
        self._tables.users[user_id].roles |= {role}

    def take(self, user_id: str, role: Role) -> None:
        self._tables.users[user_id].roles -= {role}

    def record(
        self, actor: str, action: Action, target: str, *, address: str | None, now: Time
    ) -> None:
        now = self._tables.at(now)
        log = self._tables.audit
        entry = AuditEntry(
            id=len(log) + 1, at=now, actor=actor, action=action, target=target, address=address
        )
        log.append(entry)

    def forget_addresses(self, now: Time, kept: timedelta, limit: int) -> int:
        before = self._tables.at(now) - kept
        with self._tables:
            log, count = self._tables.audit, 0
            for place, entry in enumerate(log):
                if entry.address is not None and entry.at < before and count < limit:
                    log[place] = entry.model_copy(update={"address": None})
                    count += 1
            return count

    def account(self, user_id: str, now: Time) -> Account | None:
        now = self._tables.at(now)
        with self._tables:
            user = self._tables.users.get(user_id)
            return self._account(user, now) if user and not user.deleted else None

    def accounts(self, query: AccountQuery, *, now: Time, limit: int) -> list[Account]:
        now = self._tables.at(now)
        with self._tables:
            found = [
                self._account(user, now)
                for user in self._tables.users.values()
                if not user.deleted
                and user.profile.username.startswith(query.username)
                and query.email in ("", user.profile.email)
                and user.profile.username > (query.cursor or "")
            ]
            return sorted(found, key=lambda one: one.username)[:limit]

    def audit(self, query: AuditQuery, *, limit: int) -> list[AuditEntry]:
        with self._tables:
            return [
                one
                for one in reversed(self._tables.audit)
                if query.actor in (None, one.actor)
                and query.target in (None, one.target)
                and query.action in (None, one.action)
                and (query.cursor is None or one.id < query.cursor)
            ][:limit]

    def _standing_of(self, user_id: str | None) -> Standing | None:
        user = self._tables.users.get(user_id or "")
        if user is None or user.deleted:
            return None
        return Standing(user.roles, user.suspended_at is not None)

    def _account(self, user: User, now: datetime) -> Account:
        profile = user.profile
        everyones = self._tables.sessions.values()
        return Account(
            id=profile.id,
            username=profile.username,
            email=profile.email,
            display_name=profile.display_name,
            created_at=profile.created_at,
            roles=TypeAdapter(list[Role]).validate_python(sorted(user.roles)),
            sessions=sum(one.user_id == profile.id and one.stood(now) for one in everyones),
            suspended_at=user.suspended_at,
            suspension_reason=user.suspension_reason,
        )


class FakeUserStore(UserStore):
    """`asked`: for whose cards, each time."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self.asked: list[list[str]] = []

    def profile(self, user_id: str) -> Profile | None:
        with self._tables:
            user = self._tables.users.get(user_id)
            if user is None or user.deleted:
                return None
            wanted = self._tables.wanted(user_id, self._tables.clock())
            return user.profile.model_copy(update={"pending_email": wanted})

    def update(self, user_id: str, changes: dict[str, Any]) -> Profile | None:
        with self._tables:
            user = self._tables.users.get(user_id)
            if user is None or user.deleted:
                return None
            user.profile = user.profile.model_copy(update=changes)
            user.revision += 1
            return user.profile

    def cards(self, user_ids: Collection[str]) -> list[Card]:
        self.asked.append(list(user_ids))
        with self._tables:
            users = self._tables.users
            return [_card(users[user_id]) for user_id in user_ids if user_id in users]

    def named(self, username: str) -> Card | None:
        with self._tables:
            for user in self._tables.users.values():
                if user.profile.username == username and not user.deleted:
                    return _card(user)
        return None

    def exists(self, user_id: str) -> bool:
        return self.profile(user_id) is not None


class FakeDeviceStore(DeviceStore):
    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def add_push_token(
        self, user_id: str, session_id: str, device_id: str, push: PushToken, now: Time
    ) -> None:
        now = self._tables.at(now)
        with self._tables:
            for key, row in list(self._tables.pushes.items()):
                ours, other = row.push, key != (user_id, device_id)
                same_device = push.device_key is not None and ours.device_key == push.device_key
                if ours.token == push.token and other and (key[0] == user_id or same_device):
                    del self._tables.pushes[key]
            session = self._tables.sessions.get(session_id)
            if session is None or session.revoked_at:
                return
            self._tables.pushes[user_id, device_id] = _Push(session_id, push, now)
            own = [(key, row) for key, row in self._tables.pushes.items() if key[0] == user_id]
            own.sort(key=lambda item: item[1].updated_at, reverse=True)
            for key, _ in own[MAX_DEVICES:]:
                del self._tables.pushes[key]

    def drop_push_token(self, user_id: str, device_id: str) -> None:
        with self._tables:
            self._tables.pushes.pop((user_id, device_id), None)

    def drop_push_tokens(self, tokens: Collection[str]) -> None:
        with self._tables:
            for key, row in list(self._tables.pushes.items()):
                if row.push.token in tokens:
                    del self._tables.pushes[key]

    def push_targets(self, user_ids: Collection[str], now: Time) -> list[PushTarget]:
        now = self._tables.at(now)
        with self._tables:
            users = self._tables.users
            return [
                PushTarget(
                    user_id,
                    device_id,
                    row.push.token,
                    row.push.platform,
                    users[user_id].profile.push_previews
                    and not self._shared(user_id, row.push.token, now),
                )
                for (user_id, device_id), row in sorted(
                    self._tables.pushes.items(), key=lambda item: item[0]
                )
                if user_id in user_ids and self._tables.sessions[row.session_id].stood(now)
            ]

    def _shared(self, user_id: str, token: str, now: datetime) -> bool:
        return any(
            key[0] != user_id
            and row.push.token == token
            and self._tables.sessions[row.session_id].stood(now)
            for key, row in self._tables.pushes.items()
        )


class FakeProfileCache(ProfileCache):
    """`sick`: raises Unavailable."""

    def __init__(self) -> None:
        self.sick = False
        self._kept: dict[str, Card | str] = {}

    def find(self, user_ids: Collection[str]) -> dict[str, Card]:
        self._check()
        kept = (self._kept.get(user_id) for user_id in user_ids)
        return {card.id: card for card in kept if isinstance(card, Card)}

    def hold(self, user_id: str) -> str:
        self._check()
        token = new_id()
        self._kept[user_id] = token
        return token

    def keep(self, cards: Iterable[Card], *, token: str = "") -> None:
        self._check()
        for card in cards:
            there = self._kept.get(card.id)
            older = isinstance(there, Card) and there.revision < card.revision
            if there is None or there == token or older:
                self._kept[card.id] = card

    def _check(self) -> None:
        if self.sick:
            raise Unavailable("redis")


def _card(user: User) -> Card:
    return Card(
        id=user.profile.id,
        username=None if user.deleted else user.profile.username,
        display_name=user.profile.display_name,
        about=user.profile.about,
        deleted=user.deleted,
        revision=user.revision,
    )
