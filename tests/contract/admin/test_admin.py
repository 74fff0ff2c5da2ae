"""Roles, suspensions and the audit log: PostgreSQL, and the stand-in for it, held to the same."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from chalicelib.admin.models import AccountQuery, AuditQuery, Parties, Standing
from chalicelib.identity import Identity, Source
from chalicelib.ids import new_id
from tests.contract.accounts import (
    MONTH,
    NOW,
    session_of,
)
from tests.contract.admin import staffed
from tests.contract.admin.staffed import Staffed

fakes, over = staffed.fakes, staffed.over


class TestAct:
    def test_finds_roles_and_suspensions_of_both_users(self, stores: Staffed) -> None:
        admin, ana = stores.holder("admin", "moderator"), stores.holder()
        stores.suspend(ana)

        with stores.admin.act(admin.id, ana.id) as parties:
            assert parties == Parties(
                Standing(frozenset({"admin", "moderator"}), False), Standing(frozenset(), True)
            )
        with stores.admin.act(admin.id, admin.id) as (actor, target):
            assert actor == target

    def test_finds_no_roles_of_operators_unknown_and_deleted_users(self, stores: Staffed) -> None:
        ana = stores.holder()
        stores.data.erase(ana.id, NOW, checked="hash")

        with stores.admin.act(None, new_id()) as parties:
            assert parties == Parties(None, None)
        with stores.admin.act(ana.id, ana.id) as parties:
            assert parties == Parties(None, None)


class TestRoles:
    def test_are_granted_and_taken(self, stores: Staffed) -> None:
        ana = stores.holder("moderator", "admin", "admin")
        assert stores.sessions.roles(ana.id) == {"admin", "moderator"}

        with stores.admin.act(None, ana.id):
            for _ in range(2):
                stores.admin.take(ana.id, "admin")

        assert stores.sessions.roles(ana.id) == {"moderator"}

    def test_come_with_the_session(self, stores: Staffed) -> None:
        user, session = stores.account()
        stores.grant(user, "admin")

        found = stores.sessions.session(session.id)

        assert found is not None
        assert found.roles == {"admin"}

    def test_go_with_the_account(self, stores: Staffed) -> None:
        admin, _ = stores.holder("admin"), stores.holder("admin")
        stores.suspend(admin)

        assert stores.data.erase(admin.id, NOW, checked="hash") is not None

        assert stores.sessions.roles(admin.id) == frozenset()


class TestSuspend:
    def test_keeps_the_first_time_and_the_last_reason(self, stores: Staffed) -> None:
        ana = stores.holder()
        stores.suspend(ana)
        with stores.admin.act(None, ana.id):
            stores.admin.suspend(ana.id, "Worse", NOW + MONTH)

        seen = stores.admin.account(ana.id, NOW)

        assert seen is not None
        assert (seen.suspended_at, seen.suspension_reason) == (NOW, "Worse")

    def test_opens_no_session_until_the_user_is_restored(self, stores: Staffed) -> None:
        ana = stores.holder()
        stores.suspend(ana)
        found = stores.accounts.credential_for(ana.username)
        assert found is not None
        assert found.suspended
        session = session_of(ana.id)

        assert stores.accounts.open_session(session, "hash", known=False) is None
        assert stores.sessions.session(session.id) is None
        with stores.admin.act(None, ana.id):
            stores.admin.restore(ana.id)
        assert stores.accounts.open_session(session, "hash", known=False) == []


class TestAccounts:
    def names(self, stores: Staffed, limit: int = 9, **query: Any) -> list[str]:
        found = stores.admin.accounts(AccountQuery(**query), now=NOW, limit=limit)
        return [one.username for one in found]

    def test_are_found_by_prefix_after_a_username(self, stores: Staffed) -> None:
        prefix = stores.holder().username[:14]
        names = [f"{prefix}{end}" for end in ("_", "_a", "0", "z", "zz")]
        for name in names:
            stores.account(username=name, email=f"{name}@example.org")
        names.sort()

        assert self.names(stores, username=f"{prefix}z") == [f"{prefix}z", f"{prefix}zz"]
        assert self.names(stores, username=f"{prefix}_") == [f"{prefix}_", f"{prefix}_a"]
        found = self.names(stores, username=prefix)
        assert sorted(found) == found
        assert set(names) < set(found)
        assert self.names(stores, username=prefix, cursor=found[2]) == found[3:]
        assert self.names(stores, 2, username=prefix) == found[:2]

    def test_are_found_by_exact_address(self, stores: Staffed) -> None:
        ana = stores.holder()

        assert self.names(stores, email=ana.email) == [ana.username]
        assert self.names(stores, email=f"x{ana.email}") == []
        assert self.names(stores, email=ana.email, username="zzz") == []

    def test_have_the_number_of_valid_sessions(self, stores: Staffed) -> None:
        user, session = stores.account()
        stores.login(user)
        stores.login(user, expires_at=NOW)
        stores.sessions.revoke(user.id, session.id, NOW)

        seen = stores.admin.account(user.id, NOW)

        assert seen is not None
        assert (seen.sessions, seen.roles, seen.email) == (1, [], user.email)

    def test_that_were_deleted_are_not_found(self, stores: Staffed) -> None:
        ana = stores.holder()
        stores.data.erase(ana.id, NOW, checked="hash")

        assert stores.admin.account(ana.id, NOW) is None
        assert self.names(stores, username=ana.username) == []


class TestAudit:
    def log(self, stores: Staffed, **query: Any) -> list[tuple[str, str, str, str | None]]:
        found = stores.admin.audit(AuditQuery(**query), limit=9)
        return [(one.actor, one.action, one.target, one.address) for one in found]

    def test_is_read_newest_first_with_filters(self, stores: Staffed) -> None:
        one, two, whom = new_id(), new_id(), new_id()
        acts: list[Any] = [
            (one, "user.suspend", whom, "192.0.2.1"),
            (two, "user.restore", whom, "2001:db8::1"),
            (one, "admin.grant", two, "192.0.2.1"),
            ("operator", "admin.grant", one, None),
        ]
        for actor, action, target, address in acts:
            with stores.admin.act(None, target):
                stores.admin.record(actor, action, target, address=address, now=NOW)

        assert self.log(stores)[:4] == acts[::-1]
        assert self.log(stores, actor=one) == [acts[2], acts[0]]
        assert self.log(stores, target=whom) == [acts[1], acts[0]]
        assert self.log(stores, target=whom, action="user.restore") == [acts[1]]
        assert self.log(stores, actor="operator")[0] == acts[3]
        newest = stores.admin.audit(AuditQuery(), limit=1)[0]
        assert newest.at == NOW
        assert self.log(stores, cursor=newest.id)[:3] == acts[2::-1]

    def test_deletes_only_the_addresses_in_old_entries(self, stores: Staffed) -> None:
        who, whom = new_id(), new_id()
        for days in (3, 2, 1):
            at = NOW - timedelta(days=days)
            stores.admin.record(who, "user.suspend", whom, address="192.0.2.1", now=at)
        old = timedelta(days=1, hours=12)

        assert stores.admin.forget_addresses(NOW, old, 1) == 1
        assert stores.admin.forget_addresses(NOW, old, 9) == 1
        assert stores.admin.forget_addresses(NOW, old, 9) == 0

        addresses = [address for *_, address in self.log(stores, actor=who)]
        assert addresses == ["192.0.2.1", None, None]

    def test_is_written_with_the_act_or_not_at_all(self, connect: Callable[[], Staffed]) -> None:
        """On PostgreSQL alone: what is written last fails."""
        stores = connect()
        admin, ana = stores.holder("admin"), stores.holder()
        identity = Identity(user_id=admin.id, session_id=new_id())
        nul = Source(address="\x00", user_agent="")  # PostgreSQL takes no such text

        with pytest.raises(Exception, match="NUL"):
            stores.service().suspend(identity, nul, ana.id, "Spam")

        seen = stores.admin.account(ana.id, NOW)
        assert seen is not None
        assert (seen.suspended_at, seen.sessions) == (None, 1)
        assert self.log(stores, target=ana.id) == []
