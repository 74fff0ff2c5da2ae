"""Google accounts and used tokens in memory, held to the same contract as those on the servers."""

from datetime import datetime

from chalicelib.auth.google.store import GoogleStore, Linked
from chalicelib.auth.google.uses import IdTokenUses
from chalicelib.auth.sessions.models import Session
from chalicelib.clock import Time
from chalicelib.errors import UsernameTaken
from chalicelib.users.models import Profile
from tests.unit.auth.fake_accounts import FakeAccountStore
from tests.unit.auth.fake_tables import Tables


class FakeGoogleStore(GoogleStore):
    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def find(self, subject: str) -> Linked | None:
        with self._tables:
            for user_id, (held, _) in self._tables.google.items():
                if held == subject:
                    return self._linked(user_id)
        return None

    def owner(self, address: str) -> Linked | None:
        with self._tables:
            for user_id, user in self._tables.users.items():
                profile = user.profile
                if not user.deleted and profile.email_verified and profile.email == address:
                    return self._linked(user_id)
        return None

    def add(self, user: Profile, password_hash: str, session: Session, subject: str) -> bool:
        with self._tables:
            if any(user.username == one.profile.username for one in self._tables.users.values()):
                raise UsernameTaken()
            if self.find(subject) or (user.email_verified and self.owner(user.email)):
                return False
            FakeAccountStore(self._tables).add(user, password_hash, session)
            self._tables.google[user.id] = subject, self._tables.stored(session).created_at
            return True

    def link(self, user_id: str, subject: str, now: Time, *, address: str | None = None) -> bool:
        now = self._tables.at(now)
        with self._tables:
            if user_id not in self._tables.passwords:
                return False
            found = self.owner(address) if address else None
            right = address is None or (found is not None and found.user_id == user_id)
            if right and user_id not in self._tables.google and self.find(subject) is None:
                self._tables.google[user_id] = subject, now
                self._tables.tell(user_id, "google_linked", now)
            held = self._tables.google.get(user_id)
            return held is not None and held[0] == subject

    def unlink(self, user_id: str, now: Time) -> None:
        now = self._tables.at(now)
        with self._tables:
            if self._tables.google.pop(user_id, None):
                self._tables.tell(user_id, "google_unlinked", now)

    def linked_at(self, user_id: str) -> datetime | None:
        with self._tables:
            held = self._tables.google.get(user_id)
        return held[1] if held else None

    def _linked(self, user_id: str) -> Linked:
        held, factor = self._tables.google.get(user_id), self._tables.factors.get(user_id)
        return Linked(
            user_id,
            held[0] if held else None,
            self._tables.users[user_id].suspended_at is not None,
            factor is not None and factor.confirmed,
        )


class FakeUses(IdTokenUses):
    """Remembers for ever."""

    def __init__(self) -> None:
        self.used: set[str] = set()

    def use(self, token: str, expires_at: int) -> bool:
        signed = token.rpartition(".")[0]
        if signed in self.used:
            return False
        self.used.add(signed)
        return True

    def give_back(self, token: str) -> None:
        self.used.discard(token.rpartition(".")[0])
