"""Sessions: who is let in, and how revoking one ends it."""

import pytest

from chalicelib.auth.sessions.ending import KEPT_AFTER_END, PURGE_BATCH, PURGE_BATCHES
from chalicelib.auth.sessions.models import SessionQuery
from chalicelib.errors import NotFound, RateLimited, Unauthorized, Unavailable
from chalicelib.identity import Identity
from tests.unit.auth.fakes import auth_settings
from tests.unit.conftest import World, make_world

MINUTES_15 = 900


class TestAuthenticate:
    def test_lets_a_session_in(self, world: World) -> None:
        ana = world.register()

        identity = world.auth.authenticate(f"Bearer {ana.access_token}")

        assert (identity.user_id, identity.session_id) == (ana.user.id, ana.session_id)
        assert "account" in identity.scopes

    def test_does_not_care_for_the_case_of_the_scheme(self, world: World) -> None:
        token = world.register().access_token

        assert world.auth.authenticate(f"bearer {token}") == world.auth.authenticate(
            f"BEARER  {token}"
        )

    @pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Bearer x", "Basic YTpi"])
    def test_refuses_anything_else(self, world: World, header: str) -> None:
        with pytest.raises(Unauthorized):
            world.auth.authenticate(header)

    def test_refuses_a_token_without_its_scheme(self, world: World) -> None:
        token = world.register().access_token

        for header in (token, f"Basic {token}", f"Bearer{token}"):
            with pytest.raises(Unauthorized):
                world.auth.authenticate(header)

    def test_refuses_a_token_for_a_session_of_somebody_else(self, world: World) -> None:
        ana, bo = world.register("ana"), world.register("bo_")
        mixed = Identity(user_id=bo.user.id, session_id=ana.session_id)

        assert not world.auth.still_valid(mixed)

    def test_asks_postgresql_only_once(self, world: World) -> None:
        ana = world.register()
        world.identity(ana)
        world.tables.down = True

        assert world.identity(ana).user_id == ana.user.id

    def test_refuses_everyone_when_redis_cannot_answer(self, world: World) -> None:
        """G5: never let through."""
        ana = world.register()
        world.identity(ana)
        world.revocation.down = True

        with pytest.raises(Unavailable):
            world.identity(ana)

    def test_refuses_when_redis_knows_nothing_and_postgresql_is_down(self, world: World) -> None:
        ana = world.register()
        world.tables.down = True

        with pytest.raises(Unavailable):
            world.identity(ana)

    def test_passes_on_that_a_session_asks_too_often(self, world: World) -> None:
        ana = world.register()
        world.revocation.limited = True

        with pytest.raises(RateLimited):
            world.identity(ana)

    def test_refuses_an_unused_session_after_its_time(self) -> None:
        world = make_world(auth_settings(session_seconds=60))
        ana = world.register()
        world.clock.go(seconds=60)

        with pytest.raises(Unauthorized):
            world.identity(ana)


class TestRevoke:
    def test_g5_the_next_request_is_refused_and_sockets_are_closed(self, world: World) -> None:
        ana = world.register()
        identity = world.identity(ana)

        world.auth.logout(identity)

        with pytest.raises(Unauthorized):
            world.identity(ana)
        assert world.sockets.closed == [(ana.user.id, ana.session_id)]

    def test_g5_a_redis_that_lost_its_data_accepts_no_revoked_session(self, world: World) -> None:
        ana = world.register()
        world.auth.logout(world.identity(ana))
        world.revocation.states.clear()

        with pytest.raises(Unauthorized):
            world.identity(ana)

    def test_other_sessions_go_on(self, world: World) -> None:
        ana, tablet = world.register(), world.login()

        world.auth.logout(world.identity(ana))

        assert world.identity(tablet).session_id == tablet.session_id

    def test_a_retry_completes_what_an_outage_of_redis_cut_short(self, world: World) -> None:
        ana, tablet = world.register(), world.login()
        world.identity(ana)
        world.identity(tablet)
        world.revocation.down = True
        caller = Identity(user_id=ana.user.id, session_id=ana.session_id)
        with pytest.raises(Unavailable):
            world.auth.revoke(caller, tablet.session_id)
        with pytest.raises(Unavailable):
            world.auth.revoke_others(caller)
        world.revocation.down = False
        assert world.stands(tablet)  # as Redis believes still

        world.auth.revoke_others(caller)

        assert not world.stands(tablet)
        assert world.sockets.closed == [(ana.user.id, tablet.session_id)]

    def test_g5_a_refused_request_closes_the_sockets_of_its_session(self, world: World) -> None:
        """The function that ended the session may have died, or Redis not have answered, before it
        closed them."""
        ana = world.register()
        identity = world.identity(ana)
        world.auth.logout(identity)

        with pytest.raises(Unauthorized):
            world.identity(ana)
        assert not world.auth.still_valid(identity)

        assert world.sockets.met == [(ana.user.id, ana.session_id)] * 2

    def test_g5_a_job_completes_a_revocation_that_nobody_repeats(self, world: World) -> None:
        ana, tablet, phone = world.register(), world.login(), world.login()
        for one in (ana, tablet, phone):
            world.identity(one)
        world.revocation.down = True
        caller = Identity(user_id=ana.user.id, session_id=ana.session_id)
        with pytest.raises(Unavailable):
            world.auth.revoke_others(caller)
        with pytest.raises(Unavailable):
            world.auth.finish_revoked()
        world.revocation.down = False

        assert world.auth.finish_revoked() == 2
        assert world.auth.finish_revoked() == 0

        assert world.stands(ana)
        assert not world.stands(tablet)
        assert not world.stands(phone)
        closed = {(ana.user.id, one.session_id) for one in (tablet, phone)}
        assert set(world.sockets.closed) == closed

    def test_a_refused_request_completes_a_revocation(self, world: World) -> None:
        """PostgreSQL knew, Redis did not, and what Redis had has expired since."""
        ana, tablet = world.register(), world.login()
        world.revocation.down = True
        caller = Identity(user_id=ana.user.id, session_id=ana.session_id)
        with pytest.raises(Unavailable):
            world.auth.revoke(caller, tablet.session_id)
        world.revocation.down = False

        with pytest.raises(Unauthorized):
            world.identity(tablet)
        assert world.sockets.closed == [(ana.user.id, tablet.session_id)]

    def test_a_concurrent_check_does_not_accept_a_revoked_session(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """PostgreSQL was read before the revoke, Redis is written after it."""
        ana = world.register()
        identity = Identity(user_id=ana.user.id, session_id=ana.session_id)
        store = world.auth._store()
        stale = store.session(ana.session_id)

        def session_then_revoke(session_id: str) -> object:
            monkeypatch.undo()
            world.auth.logout(identity)
            return stale

        monkeypatch.setattr(store, "session", session_then_revoke)

        with pytest.raises(Unauthorized):
            world.identity(ana)

    def test_all_others_leaves_the_one_that_asks(self, world: World) -> None:
        ana, phone, tablet = world.register(), world.login(), world.login()

        world.auth.revoke_others(world.identity(phone))

        assert [world.stands(one) for one in (ana, phone, tablet)] == [False, True, False]

    def test_sessions_of_others_are_not_found(self, world: World) -> None:
        ana, bo = world.register("ana"), world.register("bo_")

        with pytest.raises(NotFound):
            world.auth.revoke(world.identity(bo), ana.session_id)
        assert world.stands(ana)
        assert world.sockets.closed == []

    def test_revoking_all_others_ends_only_the_callers(self, world: World) -> None:
        ana, bo = world.register("ana"), world.register("bo_")

        world.auth.revoke_others(world.identity(bo))

        assert world.stands(ana)


class TestTickets:
    def test_are_good_once(self, world: World) -> None:
        identity = world.identity(world.register())
        issued = world.auth.issue_ticket(identity)

        assert world.auth.redeem_ticket(issued.ticket) == identity
        with pytest.raises(Unauthorized):
            world.auth.redeem_ticket(issued.ticket)

    def test_say_where_to_connect_and_how_soon(self, world: World) -> None:
        issued = world.auth.issue_ticket(world.identity(world.register()))

        assert (issued.url, issued.expires_in) == ("ws://127.0.0.1:8001", 30)
        assert issued.ticket not in repr(issued)

    def test_of_a_session_revoked_meanwhile_is_refused(self, world: World) -> None:
        identity = world.identity(world.register())
        issued = world.auth.issue_ticket(identity)
        world.auth.logout(identity)

        with pytest.raises(Unauthorized):
            world.auth.redeem_ticket(issued.ticket)

    @pytest.mark.parametrize("ticket", ["", "nope", "\ud800", "x" * 10_000])
    def test_unknown_ones_are_refused(self, world: World, ticket: str) -> None:
        with pytest.raises(Unauthorized):
            world.auth.redeem_ticket(ticket)


class TestSessions:
    def test_are_listed_newest_first_and_the_asking_one_is_marked(self, world: World) -> None:
        ana, tablet = world.register(), world.login()

        page = world.auth.sessions(world.identity(ana), SessionQuery())

        assert {one.id: one.current for one in page.items} == {
            ana.session_id: True,
            tablet.session_id: False,
        }
        assert [one.id for one in page.items] == sorted(
            (one.id for one in page.items), reverse=True
        )
        assert page.next is None

    def test_are_listed_page_by_page(self, world: World) -> None:
        ana = world.register()
        everyone = {ana.session_id, *(world.login().session_id for _ in range(4))}
        seen: list[str] = []
        cursor = None
        for size in (2, 2, 1):
            query = SessionQuery(limit=2, cursor=cursor)
            page = world.auth.sessions(world.identity(ana), query)
            assert len(page.items) == size
            seen += [one.id for one in page.items]
            cursor = page.next

        assert cursor is None
        assert set(seen) == everyone
        assert len(seen) == 5

    def test_of_others_and_ended_ones_are_not_listed(self, world: World) -> None:
        ana, gone, _ = world.register(), world.login(), world.register("bo_")
        world.auth.revoke(world.identity(ana), gone.session_id)

        page = world.auth.sessions(world.identity(ana), SessionQuery())

        assert [one.id for one in page.items] == [ana.session_id]


class TestPurge:
    def test_deletes_what_ended_a_month_ago(self, world: World) -> None:
        ana, gone = world.register(), world.login()
        world.auth.revoke(world.identity(ana), gone.session_id)
        world.clock.go(days=KEPT_AFTER_END.days + 1)
        world.refresh(ana.refresh_token)

        assert world.auth.purge_sessions() == 1
        assert set(world.tables.sessions) == {ana.session_id}

    def test_keeps_what_ended_lately(self, world: World) -> None:
        ana = world.register()
        world.auth.logout(world.identity(ana))
        world.clock.go(days=KEPT_AFTER_END.days - 1)

        assert world.auth.purge_sessions() == 0

    def test_has_a_bounded_number_of_batches(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        batches: list[int] = []

        def endless(now: object, kept: object, limit: int) -> int:
            batches.append(limit)
            return limit

        monkeypatch.setattr(world.auth._store(), "purge_sessions", endless)
        world.auth.purge_sessions()

        assert batches == [PURGE_BATCH] * PURGE_BATCHES
