"""What admins read and change, in memory, held to the contract of the store in PostgreSQL."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

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
from chalicelib.clock import Time
from chalicelib.scopes import Role
from tests.unit.auth.fake_tables import Tables, User


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
