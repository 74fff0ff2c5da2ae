"""Accounts in memory, held to the contract of the store in PostgreSQL."""

from dataclasses import replace

from chalicelib.auth.sessions.models import Session
from chalicelib.auth.store import AccountStore, Credential
from chalicelib.clock import Time
from chalicelib.errors import LastAdmin, UsernameTaken
from chalicelib.personal_data import PersonalData
from chalicelib.users.models import DELETED_NAME, Profile
from tests.unit.auth.fake_tables import Tables, User
from tests.unit.auth.sessions.fake_sessions import FakeSessionStore


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
