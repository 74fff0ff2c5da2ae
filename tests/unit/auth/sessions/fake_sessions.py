"""Sessions in memory, held to the contract of the store in PostgreSQL."""

from dataclasses import replace
from datetime import datetime, timedelta

from chalicelib.auth.sessions.models import LATELY, Session
from chalicelib.auth.sessions.store import MAX_SESSIONS, SessionStore
from chalicelib.clock import Time
from chalicelib.mail.letters import device
from tests.unit.auth.fake_tables import Tables


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
