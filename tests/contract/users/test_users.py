"""Users and their devices: PostgreSQL, and the stand-in for it, held to the same."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest

from chalicelib.drivers.postgres import Postgres
from chalicelib.errors import Unavailable
from chalicelib.ids import new_id
from chalicelib.users.device_models import MAX_DEVICES, PushTarget, PushToken
from chalicelib.users.models import Profile, PublicProfile
from tests.contract.accounts import MONTH, NOW, Stores, migrated, real


def push(token: str | None = None) -> PushToken:
    return PushToken(token=token or new_id(), platform="android")


def devices(stores: Stores, *users: Profile) -> dict[str, str]:
    """The tokens pushed to, by device."""
    found = stores.devices.push_targets([user.id for user in users], NOW)
    return {target.device_id: target.token for target in found}


class TestProfiles:
    def test_change_by_column(self, stores: Stores) -> None:
        user, _ = stores.account()
        bystander, _ = stores.account()

        changed = stores.users.update(
            user.id, {"about": "it's", "avatar_url": "https://a.example/", "push_previews": False}
        )

        expected = {"about": "it's", "avatar_url": "https://a.example/", "push_previews": False}
        assert changed == user.model_copy(update=expected)
        assert stores.users.profile(user.id) == changed
        assert stores.users.profile(bystander.id) == bystander

    def test_a_column_can_be_emptied(self, stores: Stores) -> None:
        user, _ = stores.account()
        stores.users.update(user.id, {"avatar_url": "https://a.example/"})

        changed = stores.users.update(user.id, {"avatar_url": None})

        assert changed is not None
        assert changed.avatar_url is None

    def test_text_is_data(self, stores: Stores) -> None:
        user, _ = stores.account()
        text = "'; DROP TABLE users; -- %s {} \\ $1"

        changed = stores.users.update(user.id, {"about": text})

        assert changed is not None
        assert changed.about == text

    def test_others_see_no_address(self, stores: Stores) -> None:
        user, _ = stores.account()

        (card,) = stores.users.cards([user.id])
        for shown in (card, stores.users.named(user.username)):
            assert shown is not None
            assert PublicProfile.of(shown).model_dump() == {
                "id": user.id,
                "username": user.username,
                "display_name": "Ana",
                "about": "",
                "avatar_url": None,
                "deleted": False,
            }

    def test_names_match_exactly(self, stores: Stores) -> None:
        user, _ = stores.account()

        for other in (user.username[:-1], user.username + "_", "%", user.username[:-1] + "_"):
            assert stores.users.named(other) is None

    def test_unknown_and_deleted_users_are_not_there(self, stores: Stores) -> None:
        gone, _ = stores.account()
        stores.data.erase(gone.id, NOW, checked="hash")

        for user_id in (gone.id, new_id()):
            assert stores.users.profile(user_id) is None
            assert stores.users.update(user_id, {"about": "hi"}) is None
            assert not stores.users.exists(user_id)
        assert stores.users.cards([new_id()]) == []

    def test_each_change_has_a_higher_revision(self, stores: Stores) -> None:
        (user, _), (other, _) = stores.account(), stores.account()
        seen = []
        for change in (
            lambda: None,
            lambda: stores.users.update(user.id, {"about": "hi"}),
            lambda: stores.users.update(user.id, {"about": "ho", "push_previews": False}),
            lambda: stores.data.erase(user.id, NOW, checked="hash"),
        ):
            change()
            seen.append({card.id: card for card in stores.users.cards([user.id, other.id])})

        assert [(one[user.id].revision, one[user.id].about) for one in seen] == [
            (0, ""),
            (1, "hi"),
            (2, "ho"),
            (3, ""),
        ]
        assert (seen[3][user.id].username, seen[3][user.id].deleted) == (None, True)
        assert {one[other.id].revision for one in seen} == {0}

    def test_other_users_exist(self, stores: Stores) -> None:
        user, _ = stores.account()

        assert stores.users.exists(user.id)


class TestPushTokens:
    def test_are_found_with_what_a_push_needs(self, stores: Stores) -> None:
        user, session = stores.account()
        stores.users.update(user.id, {"push_previews": False})
        given = push()
        stores.devices.add_push_token(user.id, session.id, "d1", given, NOW)

        assert stores.devices.push_targets([user.id], NOW) == [
            PushTarget(user.id, "d1", given.token, "android", False)
        ]

    def test_one_per_device(self, stores: Stores) -> None:
        user, session = stores.account()
        stores.devices.add_push_token(user.id, session.id, "d1", push("old" + user.id), NOW)
        stores.devices.add_push_token(user.id, session.id, "d1", push("new" + user.id), NOW)

        assert devices(stores, user) == {"d1": "new" + user.id}

    def test_move_with_a_phone_that_changes_hands_and_shows_its_key(self, stores: Stores) -> None:
        (old, old_session), (new, new_session) = stores.account(), stores.account()
        given = push().model_copy(update={"device_key": "k" * 22})
        stores.devices.add_push_token(old.id, old_session.id, "d1", given, NOW)
        stores.devices.add_push_token(new.id, new_session.id, "d1", given, NOW)

        assert devices(stores, old) == {}
        assert devices(stores, new) == {"d1": given.token}

    @pytest.mark.parametrize(
        ("owners", "strangers"), [("k" * 22, None), (None, "x" * 22), (None, None), ("k", "x")]
    )
    def test_are_not_taken_over_by_knowing_the_token(
        self, stores: Stores, owners: str | None, strangers: str | None
    ) -> None:
        (ana, session), (eve, other) = stores.account(), stores.account()
        given = push()
        with_key = [given.model_copy(update={"device_key": key}) for key in (owners, strangers)]
        stores.devices.add_push_token(ana.id, session.id, "d1", with_key[0], NOW)
        stores.devices.add_push_token(eve.id, other.id, "d1", with_key[1], NOW)

        for user in (ana, eve):
            (target,) = stores.devices.push_targets([user.id], NOW)
            assert (target.token, target.previews) == (given.token, False)
        stores.sessions.revoke(eve.id, other.id, NOW)
        (target,) = stores.devices.push_targets([ana.id], NOW)
        assert target.previews

    def test_of_an_ended_session_are_not_found(self, stores: Stores) -> None:
        (ana, session), (eve, _) = stores.account(), stores.account()
        given = push()
        short = stores.login(eve, expires_at=NOW + timedelta(seconds=1))
        stores.devices.add_push_token(eve.id, short.id, "d1", given, NOW)
        stores.devices.add_push_token(ana.id, session.id, "d1", given, NOW)

        (target,) = stores.devices.push_targets([ana.id], NOW + timedelta(seconds=1))

        assert target.previews

    def test_move_between_devices_of_one_user(self, stores: Stores) -> None:
        user, session = stores.account()
        given = push()
        for device_id in ("d1", "d2"):
            stores.devices.add_push_token(user.id, session.id, device_id, given, NOW)

        assert devices(stores, user) == {"d2": given.token}

    def test_the_device_set_longest_ago_gives_way(self, stores: Stores) -> None:
        user, session = stores.account()
        for n in range(MAX_DEVICES + 2):
            time = NOW + timedelta(seconds=n)
            stores.devices.add_push_token(user.id, session.id, f"d{n}", push(), time)

        assert set(devices(stores, user)) == {f"d{n}" for n in range(2, MAX_DEVICES + 2)}

    def test_end_with_their_session(self, stores: Stores) -> None:
        user, session = stores.account()
        short = stores.login(user, expires_at=NOW + timedelta(seconds=1))
        stores.devices.add_push_token(user.id, session.id, "d1", push(), NOW)
        stores.devices.add_push_token(user.id, short.id, "d2", push(), NOW)

        later = stores.devices.push_targets([user.id], NOW + timedelta(seconds=1))
        assert [target.device_id for target in later] == ["d1"]
        stores.sessions.revoke(user.id, session.id, NOW)
        assert set(devices(stores, user)) == {"d2"}

    def test_of_a_revoked_session_are_not_kept(self, stores: Stores) -> None:
        user, session = stores.account()
        revoked = stores.login(user)
        stores.sessions.revoke(user.id, revoked.id, NOW)
        given = push()
        stores.devices.add_push_token(user.id, session.id, "d1", given, NOW)
        for device_id in ("d1", "d2"):
            stores.devices.add_push_token(user.id, revoked.id, device_id, push(), NOW)

        assert devices(stores, user) == {"d1": given.token}

    def test_move_to_the_session_that_set_them_last(self, stores: Stores) -> None:
        user, session = stores.account()
        other = stores.login(user)
        given = push()
        for one in (session, other):
            stores.devices.add_push_token(user.id, one.id, "d1", given, NOW)

        stores.sessions.revoke(user.id, session.id, NOW)

        assert devices(stores, user) == {"d1": given.token}

    def test_are_dropped_only_for_the_callers_devices(self, stores: Stores) -> None:
        (user, session), (other, other_session) = stores.account(), stores.account()
        stores.devices.add_push_token(user.id, session.id, "d1", push(), NOW)
        stores.devices.add_push_token(other.id, other_session.id, "d1", push(), NOW)

        for _ in range(2):  # again does no harm
            stores.devices.drop_push_token(user.id, "d1")

        assert devices(stores, user) == {}
        assert set(devices(stores, other)) == {"d1"}

    def test_are_dropped_when_dead(self, stores: Stores) -> None:
        user, session = stores.account()
        dead, live = push(), push()
        for n, given in enumerate([dead, live]):
            stores.devices.add_push_token(user.id, session.id, f"d{n}", given, NOW)

        stores.devices.drop_push_tokens([dead.token, "unknown"])

        assert devices(stores, user) == {"d1": live.token}


class TestPushTargets:
    def test_are_of_the_requested_users_only(self, stores: Stores) -> None:
        one, other, sender = (stores.account() for _ in range(3))
        for user, session in (one, other, sender):
            stores.devices.add_push_token(user.id, session.id, "d" + user.id[-12:], push(), NOW)

        found = stores.devices.push_targets([one[0].id, other[0].id], NOW)

        assert {target.user_id for target in found} == {one[0].id, other[0].id}

    def test_are_in_the_order_of_devices(self, stores: Stores) -> None:
        user, session = stores.account()
        for n in range(2):
            stores.devices.add_push_token(user.id, session.id, f"d{n}", push(), NOW)

        found = stores.devices.push_targets([user.id], NOW)

        assert [target.device_id for target in found] == ["d0", "d1"]

    def test_of_nobody_are_none(self, stores: Stores) -> None:
        assert stores.devices.push_targets([], NOW) == []


class TestOnPostgres:
    def test_targets_cost_one_round_trip(self, postgres_url: str, statements: list[str]) -> None:
        postgres = Postgres(migrated(postgres_url))
        stores = Stores(*real(postgres))
        people = [stores.account() for _ in range(5)]
        for user, session in people:
            stores.devices.add_push_token(user.id, session.id, "d1", push(), NOW)
        statements.clear()
        ids = [user.id for user, _ in people]
        found = stores.devices.push_targets(ids, NOW + MONTH / 2)
        postgres.close()

        assert len(found) == 5
        assert len(statements) == 1

    def test_devices_that_claim_one_token_at_once_take_turns(self, postgres_url: str) -> None:
        first = Postgres(migrated(postgres_url))
        stores = Stores(*real(first))
        people = [stores.account() for _ in range(6)]
        given = push().model_copy(update={"device_key": "k" * 22})
        barrier = Barrier(6)

        def claim(n: int) -> None:
            postgres = Postgres(postgres_url)
            user, session = people[n]
            barrier.wait()
            real(postgres).devices.add_push_token(user.id, session.id, "d1", given, NOW)
            postgres.close()

        with ThreadPoolExecutor(6) as pool:
            list(pool.map(claim, range(6)))

        holders = stores.devices.push_targets([user.id for user, _ in people], NOW)
        first.close()
        assert [target.token for target in holders] == [given.token]

    def test_an_unreachable_server_raises_unavailable(self) -> None:
        with pytest.raises(Unavailable):
            real(Postgres("postgresql://app@127.0.0.1:1/none")).users.profile(new_id())
