"""Sessions: PostgreSQL, and the stand-in for it, held to the same."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from chalicelib.auth.sessions.store import MAX_SESSIONS
from chalicelib.ids import new_id
from chalicelib.users.device_models import PushToken
from tests.contract.accounts import MONTH, NOW, Stores, session_of


class TestOpenSession:
    def test_keeps_it(self, stores: Stores) -> None:
        user, _ = stores.account()
        session = session_of(user.id, device_name="Tablet")

        assert stores.accounts.open_session(session, "hash", known=False) == []
        assert stores.sessions.session(session.id) == session

    def test_needs_the_password_of_now(self, stores: Stores) -> None:
        user, _ = stores.account()
        session = session_of(user.id)

        assert stores.accounts.open_session(session, "other", known=False) is None
        assert stores.sessions.session(session.id) is None

    def test_the_least_recently_used_sessions_are_returned_to_end(self, stores: Stores) -> None:
        user, first = stores.account()
        later = NOW + timedelta(minutes=1)
        for _ in range(MAX_SESSIONS - 1):
            stores.login(user, created_at=later, last_used_at=later)

        newest = session_of(user.id, created_at=later, last_used_at=later)
        assert stores.accounts.open_session(newest, "hash", known=False) == [first.id]
        another = session_of(user.id, created_at=later, last_used_at=later)
        surplus = stores.accounts.open_session(another, "hash", known=False)
        assert surplus is not None
        assert len(surplus) == 2
        assert first.id in surplus, "until it has ended, it is named again"
        assert another.id not in surplus


class TestRotate:
    def rotated(self, stores: Stores, **changes: Any) -> tuple[bool, str]:
        _, session = stores.account()
        done = stores.sessions.rotate(
            replace(session, **changes),
            current=b"2",
            previous=session.current,
            seed=b"seed",
            now=NOW + MONTH,
            lifetime=MONTH,
        )
        return done, session.id

    def test_remembers_the_one_before(self, stores: Stores) -> None:
        done, session_id = self.rotated(stores)

        found = stores.sessions.session(session_id)
        assert done
        assert found is not None
        assert (found.current, found.seed) == (b"2", b"seed")
        assert found.previous is not None
        assert (found.rotated_at, found.last_used_at) == (NOW + MONTH, NOW + MONTH)
        assert found.expires_at == NOW + 2 * MONTH

    def test_does_nothing_to_a_session_that_has_changed(self, stores: Stores) -> None:
        done, session_id = self.rotated(stores, current=b"another")

        found = stores.sessions.session(session_id)
        assert not done
        assert found is not None
        assert found.previous is None

    def test_does_nothing_to_a_revoked_one(self, stores: Stores) -> None:
        user, session = stores.account()
        stores.sessions.revoke(user.id, session.id, NOW)

        assert not stores.sessions.rotate(
            session, current=b"2", previous=b"1", seed=b"s", now=NOW, lifetime=MONTH
        )


class TestSessions:
    def test_are_listed_newest_first_after_a_cursor(self, stores: Stores) -> None:
        user, first = stores.account()
        ids = [first.id, *(stores.login(user).id for _ in range(3))]
        ids.sort(reverse=True)

        def listed(before: str | None, limit: int) -> list[str]:
            found = stores.sessions.sessions(user.id, now=NOW, before=before, limit=limit)
            return [one.id for one in found]

        assert listed(None, 3) == ids[:3]
        assert listed(ids[2], 3) == ids[3:]
        assert listed(ids[3], 3) == []

    def test_of_others_and_ended_ones_are_not(self, stores: Stores) -> None:
        user, session = stores.account()
        stores.account()
        stores.sessions.revoke(user.id, stores.login(user).id, NOW)
        stores.login(user, expires_at=NOW)

        found = stores.sessions.sessions(user.id, now=NOW, before=None, limit=9)
        assert [one.id for one in found] == [session.id]

    def test_unknown_ones_are_not_found(self, stores: Stores) -> None:
        assert stores.sessions.session(new_id()) is None


class TestRevoke:
    def push(self, stores: Stores, user_id: str, session_id: str, device_id: str) -> None:
        push = PushToken(token=f"{user_id}-{device_id}", platform="ios")
        stores.devices.add_push_token(user_id, session_id, device_id, push, NOW)

    def pushed(self, stores: Stores, user_id: str) -> list[str]:
        return [one.device_id for one in stores.devices.push_targets([user_id], NOW)]

    def revoked(self, stores: Stores, session_id: str) -> Any:
        session = stores.sessions.session(session_id)
        assert session is not None
        return session.revoked_at

    def test_ends_a_session_and_its_pushes(self, stores: Stores) -> None:
        user, session = stores.account()
        other = stores.login(user)
        self.push(stores, user.id, session.id, "d1")
        self.push(stores, user.id, other.id, "d2")

        assert stores.sessions.revoke(user.id, session.id, NOW)

        assert self.revoked(stores, session.id) == NOW
        assert self.revoked(stores, other.id) is None
        assert self.pushed(stores, user.id) == ["d2"]

    def test_can_be_repeated_and_keeps_the_first_time(self, stores: Stores) -> None:
        user, session = stores.account()

        for time in (NOW, NOW + MONTH):
            assert stores.sessions.revoke(user.id, session.id, time)
        assert self.revoked(stores, session.id) == NOW

    def test_does_not_end_sessions_or_pushes_of_others(self, stores: Stores) -> None:
        (user, session), (other, _) = stores.account(), stores.account()
        self.push(stores, user.id, session.id, "d1")

        assert not stores.sessions.revoke(other.id, session.id, NOW)
        assert not stores.sessions.revoke(other.id, new_id(), NOW)
        assert self.revoked(stores, session.id) is None
        assert self.pushed(stores, user.id) == ["d1"]

    def test_all_but_one(self, stores: Stores) -> None:
        (user, session), (_, foreign) = stores.account(), stores.account()
        others = {stores.login(user).id for _ in range(2)}
        for n, session_id in enumerate([session.id, *others]):
            self.push(stores, user.id, session_id, f"d{n}")

        ended = stores.sessions.revoke_all(user.id, but=session.id, now=NOW)

        assert set(ended) == others
        assert all(self.revoked(stores, one) == NOW for one in others)
        assert self.revoked(stores, session.id) is None
        assert self.revoked(stores, foreign.id) is None
        assert self.pushed(stores, user.id) == ["d0"]

    def test_all(self, stores: Stores) -> None:
        user, session = stores.account()

        assert stores.sessions.revoke_all(user.id, but=None, now=NOW) == [session.id]
        assert self.revoked(stores, session.id) == NOW

    def test_a_repeat_returns_recently_ended_sessions_again(self, stores: Stores) -> None:
        user, session = stores.account()
        stores.sessions.revoke_all(user.id, but=None, now=NOW)

        def again(after: timedelta) -> list[str]:
            return stores.sessions.revoke_all(user.id, but=None, now=NOW + after)

        assert again(timedelta(hours=2)) == [session.id]
        assert again(timedelta(hours=4)) == []
        assert self.revoked(stores, session.id) == NOW


class TestPurge:
    LONG_AGO = NOW - 100 * MONTH

    def test_deletes_what_ended_before_with_its_pushes(self, stores: Stores) -> None:
        user, kept = stores.account()
        times = {"created_at": self.LONG_AGO, "last_used_at": self.LONG_AGO}
        expired = stores.login(user, expires_at=self.LONG_AGO + MONTH, **times)
        revoked = stores.login(user, **times)
        stores.sessions.revoke(user.id, revoked.id, self.LONG_AGO)
        lately = stores.login(user)
        stores.sessions.revoke(user.id, lately.id, NOW)
        push = PushToken(token=user.id, platform="ios")
        stores.devices.add_push_token(user.id, expired.id, "d1", push, NOW)

        while stores.sessions.purge_sessions(NOW, MONTH, 1):
            pass

        ended = [stores.sessions.session(one.id) for one in (expired, revoked)]
        assert ended == [None, None]
        assert stores.sessions.session(kept.id) is not None
        assert stores.sessions.session(lately.id) is not None

    def test_deletes_no_more_than_asked_for(self, stores: Stores) -> None:
        user, _ = stores.account()
        for _ in range(3):
            stores.login(user, expires_at=self.LONG_AGO)

        assert stores.sessions.purge_sessions(NOW, MONTH, 2) == 2
        while stores.sessions.purge_sessions(NOW, MONTH, 2):
            pass
