"""The outbox of mails and what links prove, in memory, held to the same contract as PostgreSQL."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from chalicelib.auth.recovery_store import (
    MAX_CLAIMS,
    PasskeyAdded,
    Recipient,
    RecoveryStore,
    Reset,
    SignIn,
)
from chalicelib.mail.models import Due, Kind, Letter, Purpose
from chalicelib.mail.ses import MailRefused, Ses
from chalicelib.mail.store import MailStore
from tests.unit.auth.fake_tables import FakeAccountStore, Tables, Token, User


class FakeMailStore(MailStore):
    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def add(self, kind: Kind, subject: str, now: datetime) -> None:
        with self._tables:
            self._tables.mail(kind, subject, now)

    def claim(self, now: datetime, *, delays: Sequence[int], limit: int) -> list[Due]:
        with self._tables:
            due = [one for one in self._tables.mails.values() if one.due_at <= now]
            due.sort(key=lambda one: (one.due_at, one.mail.id))
            for one in due[:limit]:
                one.mail = one.mail._replace(tries=one.mail.tries + 1)
                delay = delays[min(one.mail.tries, len(delays)) - 1]
                one.due_at = now + timedelta(seconds=delay)
            return [one.mail for one in due[:limit]]

    def remove(self, mail: Due) -> None:
        with self._tables:
            found = self._tables.mails.get((mail.kind, mail.subject))
            if found is not None and found.mail == mail:
                del self._tables.mails[mail.kind, mail.subject]


class FakeRecoveryStore(RecoveryStore):
    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._accounts = FakeAccountStore(tables)

    def recipient(self, user_id: str) -> Recipient | None:
        with self._tables:
            user = self._tables.users.get(user_id)
            return self._recipient(user) if user and not user.deleted else None

    def owners(self, address: str) -> list[Recipient]:
        with self._tables:
            found = [
                self._recipient(user)
                for user in self._tables.users.values()
                if not user.deleted and user.profile.email == address
            ]
            found.sort(key=lambda one: one.user_id, reverse=True)
            found.sort(key=lambda one: not one.verified)
            return [one for one in found[:MAX_CLAIMS] if not one.taken]

    def sign_in(self, session_id: str) -> SignIn | None:
        with self._tables:
            session = self._tables.sessions.get(session_id)
            if session is None:
                return None
            profile = self._tables.users[session.user_id].profile
            if not profile.email_verified:
                return None
            return SignIn(profile.username, profile.email, session.created_at, session.user_agent)

    def passkey(self, passkey_id: str) -> PasskeyAdded | None:
        with self._tables:
            held = self._tables.passkeys.get(passkey_id)
            user = self._tables.users.get(held.passkey.user_id) if held else None
            if held is None or user is None or not user.profile.email_verified:
                return None
            return PasskeyAdded(user.profile.username, user.profile.email, held.created_at)

    def keep_token(
        self, recipient: Recipient, purpose: Purpose, digest: bytes, expires_at: datetime
    ) -> None:
        with self._tables:
            token = Token(digest, recipient.address, expires_at)
            self._tables.tokens[recipient.user_id, purpose] = token

    def verify(self, user_id: str, digest: bytes, now: datetime) -> bool:
        with self._tables:
            token = self._tables.tokens.get((user_id, "verify"))
            if token is None or token.digest != digest or token.expires_at <= now:
                return False
            user = self._tables.users[user_id]
            if self._recipient(user).taken:
                return False
            del self._tables.tokens[user_id, "verify"]
            self._tables.verify(user_id)
            return True

    def reset(self, digest: bytes, now: datetime) -> Reset | None:
        with self._tables:
            found = self._token(digest, now)
            if found is None:
                return None
            user_id, token = found
            return Reset(user_id, self._tables.passwords[user_id], token.used)

    def reset_password(self, digest: bytes, password_hash: str, now: datetime) -> list[str] | None:
        with self._tables:
            found = self._token(digest, now)
            if found is None or found[1].used:
                return None
            user_id, token = found
            user = self._tables.users[user_id]
            if self._recipient(user).taken:
                return None
            token.used = True
            self._tables.verify(user_id)
            self._tables.passwords[user_id] = password_hash
            return self._accounts.revoke_all(user_id, but=None, now=now)

    def purge(self, now: datetime) -> int:
        with self._tables:
            tokens = self._tables.tokens
            expired = [key for key, token in tokens.items() if token.expires_at < now]
            for key in expired:
                del tokens[key]
            return len(expired)

    def _token(self, digest: bytes, now: datetime) -> tuple[str, Token] | None:
        for (user_id, purpose), token in self._tables.tokens.items():
            if (purpose, token.digest) == ("reset", digest) and token.expires_at > now:
                return user_id, token
        return None

    def _recipient(self, user: User) -> Recipient:
        profile = user.profile
        taken = any(
            other.profile.email == profile.email and other.profile.email_verified
            for other in self._tables.users.values()
            if other is not user and not other.deleted
        )
        return Recipient(profile.id, profile.username, profile.email, profile.email_verified, taken)


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
