"""Suspending, roles, sessions of others, and the log of it."""

from collections.abc import Callable
from typing import Any

import pytest

from chalicelib.admin.models import Account, AccountQuery, AuditQuery
from chalicelib.auth.sessions.models import SignedIn
from chalicelib.errors import (
    AccountSuspended,
    Forbidden,
    InvalidCredentials,
    LastAdmin,
    NotYourself,
    Unauthorized,
    Unavailable,
    UserNotFound,
)
from chalicelib.identity import Identity, Source
from chalicelib.ids import new_id
from chalicelib.scopes import SCOPES
from tests.unit.conftest import World

DESK = Source(address="192.0.2.77", user_agent="Desk/1")
SPAM = "Sends spam"


def suspend(world: World, by: SignedIn, whom: SignedIn, reason: str = SPAM) -> None:
    world.admin.suspend(world.identity(by), DESK, whom.user.id, reason)


def log(world: World, **query: Any) -> list[tuple[str, str, str, str | None]]:
    entries = world.admin.audit(AuditQuery(**query)).items
    return [(one.actor, one.action, one.target, one.address) for one in entries]


class TestSuspend:
    def test_g5_ends_all_sessions_and_closes_their_sockets(self, world: World) -> None:
        mod, ana = world.staff("moderator"), world.register()
        phone = world.login()

        suspend(world, mod, ana)

        assert not world.stands(ana)
        assert not world.stands(phone)
        expected = {(ana.user.id, ana.session_id), (ana.user.id, phone.session_id)}
        assert expected <= set(world.sockets.closed)
        with pytest.raises(Unauthorized):
            world.refresh(ana.refresh_token)

    def test_signs_nobody_in_and_says_so_only_after_the_right_password(self, world: World) -> None:
        mod, ana = world.staff("moderator"), world.register()
        world.tables.verify(ana.user.id)
        suspend(world, mod, ana)

        with pytest.raises(AccountSuspended):
            world.login()
        with pytest.raises(AccountSuspended):
            world.login("ana@example.org")
        with pytest.raises(InvalidCredentials):
            world.login(password="battery staple")

    def test_a_wrong_password_costs_the_same_work(self, world: World) -> None:
        mod, ana = world.staff("moderator"), world.register()
        suspend(world, mod, ana)
        before = world.passwords.verified

        with pytest.raises(InvalidCredentials):
            world.login(password="battery staple")

        assert world.passwords.verified == before + 1

    def test_the_right_password_does_not_count_as_a_guess(self, world: World) -> None:
        mod, ana = world.staff("moderator"), world.register()
        suspend(world, mod, ana)

        for _ in range(11):
            with pytest.raises(AccountSuspended):
                world.login()

    def test_during_a_sign_in_is_answered_the_same(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        mod, ana = world.staff("moderator"), world.register()
        identity, verify = world.identity(mod), world.passwords.verify

        def verify_and(password_hash: str | None, password: str) -> bool:
            right = verify(password_hash, password)
            world.admin.suspend(identity, DESK, ana.user.id, SPAM)
            return right

        monkeypatch.setattr(world.passwords, "verify", verify_and)

        with pytest.raises(AccountSuspended):
            world.login()

    def test_restoring_allows_sign_in_but_revives_no_session(self, world: World) -> None:
        mod, ana = world.staff("moderator"), world.register()
        suspend(world, mod, ana)

        world.admin.restore(world.identity(mod), DESK, ana.user.id)

        assert world.stands(world.login())
        assert not world.stands(ana)
        seen = world.admin.view(ana.user.id)
        assert (seen.suspended_at, seen.suspension_reason) == (None, None)

    def test_a_repeat_completes_what_an_outage_cut_short(self, world: World) -> None:
        mod, ana = world.staff("moderator"), world.register()
        identity = world.identity(mod)
        world.identity(ana)
        world.revocation.down = True
        with pytest.raises(Unavailable):
            world.admin.suspend(identity, DESK, ana.user.id, SPAM)
        world.revocation.down = False

        world.admin.suspend(identity, DESK, ana.user.id, SPAM)

        assert not world.stands(ana)

    def test_an_admin_cannot_suspend_themselves(self, world: World) -> None:
        for role in ("moderator", "admin"):
            one = world.staff(role)
            with pytest.raises(NotYourself):
                suspend(world, one, one)

    def test_is_shown_to_staff_with_its_reason(self, world: World) -> None:
        mod, ana = world.staff("moderator"), world.register()
        suspend(world, mod, ana)

        seen = world.admin.view(ana.user.id)

        assert (seen.suspended_at, seen.suspension_reason) == (world.clock(), SPAM)
        assert seen.sessions == 0


class TestModerators:
    @pytest.mark.parametrize("role", ["moderator", "admin"])
    def test_cannot_suspend_staff(self, world: World, role: Any) -> None:
        mod, other = world.staff("moderator"), world.staff(role)
        identity = world.identity(mod)

        with pytest.raises(Forbidden):
            suspend(world, mod, other)
        with pytest.raises(Forbidden):
            world.admin.restore(identity, DESK, other.user.id)
        assert world.stands(other)
        assert log(world, actor=mod.user.id) == []

    def test_can_be_suspended_by_admins(self, world: World) -> None:
        admin, mod = world.staff("admin"), world.staff("moderator")

        suspend(world, admin, mod)

        assert not world.stands(mod)


class TestRoles:
    def test_are_in_the_access_token_from_the_next_refresh_on(self, world: World) -> None:
        admin, ana = world.staff("admin"), world.register()
        assert world.identity(ana).scopes == SCOPES["user"]

        world.admin.grant(world.identity(admin), DESK, ana.user.id, "moderator")

        assert world.identity(ana).scopes == SCOPES["user"]
        tokens = world.refresh(ana.refresh_token)
        found = world.auth.authenticate(f"Bearer {tokens.access_token}")
        assert found.scopes == SCOPES["moderator"]
        assert world.identity(world.login()).scopes == SCOPES["moderator"]

    def test_g5_taking_one_ends_the_sessions_with_it(self, world: World) -> None:
        admin, mod = world.staff("admin"), world.staff("moderator")

        world.admin.take(world.identity(admin), DESK, mod.user.id, "moderator")

        assert not world.stands(mod)
        with pytest.raises(Unauthorized):
            world.refresh(mod.refresh_token)
        again = world.login(mod.user.username)
        assert world.identity(again).scopes == SCOPES["user"]

    def test_only_admins_grant_and_take_them(self, world: World) -> None:
        mod, ana = world.staff("moderator"), world.register()
        identity = world.identity(mod)

        for act in (world.admin.grant, world.admin.take):
            with pytest.raises(Forbidden):
                act(identity, DESK, ana.user.id, "moderator")
        assert world.admin.view(ana.user.id).roles == []

    def test_no_admin_takes_their_own_admin_role(self, world: World) -> None:
        admin = world.staff("admin")
        world.staff("admin")

        with pytest.raises(NotYourself):
            world.admin.take(world.identity(admin), DESK, admin.user.id, "admin")

        assert world.stands(admin)

    @pytest.mark.parametrize("end", ["take", "suspend"])
    def test_a_former_admin_can_finish_no_act(self, world: World, end: str) -> None:
        """The token was checked before the role was taken."""
        ana, bo = world.staff("admin"), world.staff("admin")
        late = world.identity(bo)
        if end == "take":
            world.admin.take(world.identity(ana), DESK, bo.user.id, "admin")
        else:
            suspend(world, ana, bo)

        with pytest.raises(Forbidden):
            world.admin.take(late, DESK, ana.user.id, "admin")

        assert world.admin.view(ana.user.id).roles == ["admin"]

    def test_a_repeated_grant_changes_nothing(self, world: World) -> None:
        admin, ana = world.staff("admin"), world.register()
        for _ in range(2):
            world.admin.grant(world.identity(admin), DESK, ana.user.id, "admin")

        assert world.admin.view(ana.user.id).roles == ["admin"]


class TestLastAdmin:
    def test_cannot_delete_their_account(self, world: World) -> None:
        admin = world.staff("admin")

        with pytest.raises(LastAdmin):
            world.delete(world.identity(admin))

        assert world.stands(admin)
        assert world.login(admin.user.username)

    def test_is_the_only_admin_who_is_not_suspended(self, world: World) -> None:
        ana, bo = world.staff("admin"), world.staff("admin")
        suspend(world, ana, bo)

        with pytest.raises(LastAdmin):
            world.delete(world.identity(ana))

    def test_other_admins_can_delete_their_accounts(self, world: World) -> None:
        ana, bo = world.staff("admin"), world.staff("admin")

        world.delete(world.identity(ana))

        with pytest.raises(UserNotFound):
            world.admin.view(ana.user.id)
        with pytest.raises(LastAdmin):
            world.delete(world.identity(bo))


class TestSessionsOfOthers:
    def test_end_and_the_user_may_sign_in_again(self, world: World) -> None:
        admin, ana = world.staff("admin"), world.register()

        world.admin.revoke_sessions(world.identity(admin), DESK, ana.user.id)

        assert not world.stands(ana)
        assert world.stands(world.login())

    def test_moderators_cannot_end_them(self, world: World) -> None:
        mod, ana = world.staff("moderator"), world.register()

        with pytest.raises(Forbidden):
            world.admin.revoke_sessions(world.identity(mod), DESK, ana.user.id)


def acts(world: World, who: Identity, whom: str) -> dict[str, Callable[[], None]]:
    """Every act, by the name it has in the log."""
    return {
        "user.suspend": lambda: world.admin.suspend(who, DESK, whom, SPAM),
        "user.restore": lambda: world.admin.restore(who, DESK, whom),
        "sessions.revoke": lambda: world.admin.revoke_sessions(who, DESK, whom),
        "moderator.grant": lambda: world.admin.grant(who, DESK, whom, "moderator"),
        "moderator.take": lambda: world.admin.take(who, DESK, whom, "moderator"),
        "admin.grant": lambda: world.admin.grant(who, DESK, whom, "admin"),
        "admin.take": lambda: world.admin.take(who, DESK, whom, "admin"),
    }


class TestAudit:
    def test_knows_every_act(self, world: World) -> None:
        admin, ana = world.staff("admin"), world.register()
        done = acts(world, world.identity(admin), ana.user.id)
        for act in done.values():
            act()

        found = log(world, actor=admin.user.id)

        assert found == [
            (admin.user.id, action, ana.user.id, DESK.address) for action in reversed(done)
        ]

    def test_has_no_texts_and_no_e_mail_addresses(self, world: World) -> None:
        admin, ana = world.staff("admin"), world.register()
        suspend(world, admin, ana)

        entries = world.admin.audit(AuditQuery()).model_dump_json()

        for secret in (SPAM, ana.user.email, ana.user.username):
            assert secret not in entries

    def test_has_no_refused_acts(self, world: World) -> None:
        ana, admin = world.register(), world.staff("admin")
        before = log(world)
        for who, whom, error in (
            (ana, admin.user.id, Forbidden),
            (admin, new_id(), UserNotFound),
        ):
            for act in acts(world, world.identity(who), whom).values():
                with pytest.raises(error):
                    act()

        assert log(world) == before

    def test_is_filtered_and_paged(self, world: World) -> None:
        admin, ana, bo = world.staff("admin"), world.register("ana"), world.register("bo_")
        for whom in (ana, bo, ana):
            suspend(world, admin, whom)

        assert [one[2] for one in log(world, action="user.suspend")] == [
            ana.user.id,
            bo.user.id,
            ana.user.id,
        ]
        assert len(log(world, target=ana.user.id)) == 2
        assert log(world, actor=ana.user.id) == []
        first = world.admin.audit(AuditQuery(actor=admin.user.id, limit=2))
        assert first.next == first.items[-1].id
        rest = world.admin.audit(AuditQuery(actor=admin.user.id, cursor=first.next))
        assert [one.target for one in rest.items] == [ana.user.id]
        assert rest.next is None


class TestAppoint:
    def test_makes_the_first_admin_and_logs_it(self, world: World) -> None:
        ana = world.register()

        assert world.admin.appoint("ana", "admin") == ana.user.id

        assert world.identity(world.login()).scopes == SCOPES["admin"]
        assert log(world) == [("operator", "admin.grant", ana.user.id, None)]

    def test_refuses_an_unknown_user(self, world: World) -> None:
        with pytest.raises(UserNotFound):
            world.admin.appoint("ana", "admin")


class TestSearch:
    def found(self, world: World, **query: Any) -> list[str]:
        return [one.username for one in world.admin.search(AccountQuery(**query)).items]

    def test_by_prefix_or_exact_address(self, world: World) -> None:
        for name in ("anabel", "ana", "bo_"):
            world.register(name)

        assert self.found(world, username="ANA") == ["ana", "anabel"]
        assert self.found(world, email="BO_@example.org") == ["bo_"]
        assert self.found(world, email="bo_@example.or") == []
        assert self.found(world, username="a", email="bo_@example.org") == []
        assert self.found(world) == ["ana", "anabel", "bo_"]

    def test_page_by_page(self, world: World) -> None:
        for name in ("ana", "bob", "cyd"):
            world.register(name)

        first = world.admin.search(AccountQuery(limit=2))
        rest = world.admin.search(AccountQuery(limit=2, cursor=first.next))

        assert first.next == "bob"
        assert [one.username for one in rest.items] == ["cyd"]
        assert rest.next is None

    def test_shows_roles_and_sessions(self, world: World) -> None:
        admin = world.staff("admin")

        seen = world.admin.view(admin.user.id)

        assert seen == Account(
            id=admin.user.id,
            username=admin.user.username,
            email=admin.user.email,
            display_name=admin.user.display_name,
            created_at=admin.user.created_at,
            roles=["admin"],
            sessions=2,
            suspended_at=None,
            suspension_reason=None,
        )

    def test_deleted_users_are_not_found(self, world: World) -> None:
        ana = world.register()
        world.delete(world.identity(ana))

        assert self.found(world) == []
        with pytest.raises(UserNotFound):
            world.admin.view(ana.user.id)
