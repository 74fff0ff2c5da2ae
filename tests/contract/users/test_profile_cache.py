"""Public profiles in Redis, and the stand-in for it, held to the same; then with PostgreSQL."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from chalicelib.drivers.postgres import Postgres
from chalicelib.drivers.redis import connect
from chalicelib.errors import Unavailable, UserNotFound
from chalicelib.ids import new_id
from chalicelib.users import cache as cache_module
from chalicelib.users.cache import HOLD_SECONDS, KEEP_SECONDS, SHAPE, ProfileCache, _profile
from chalicelib.users.devices import Devices
from chalicelib.users.models import Card, ProfileChanges
from chalicelib.users.names import ReservedNames
from chalicelib.users.profiles import Users
from tests.contract.accounts import NOW, RoundTrips, Slots, Stores, migrated, real
from tests.unit.users.fake_users import FakeProfileCache


def card(revision: int = 0, user_id: str | None = None, **changes: Any) -> Card:
    good = {"username": "ana", "display_name": f"Ana {revision}", "about": "", "deleted": False}
    return Card(**{"id": user_id or new_id(), "revision": revision, **good, **changes})


def changes(**sent: Any) -> ProfileChanges:
    return ProfileChanges(**sent)


class TestEveryCache:
    @pytest.fixture(params=["fake", "redis"])
    def cache(self, request: pytest.FixtureRequest) -> ProfileCache:
        if request.param == "fake":
            return FakeProfileCache()
        return ProfileCache(request.getfixturevalue("client"))

    def test_knows_what_was_kept_and_nothing_else(self, cache: ProfileCache) -> None:
        ana, bo = card(about='it\'s "quoted" 😀 7 held x'), card(username=None, deleted=True)

        cache.keep([ana, bo])

        assert cache.find([bo.id, new_id(), ana.id]) == {ana.id: ana, bo.id: bo}
        assert cache.find([]) == {}
        cache.keep([])

    @pytest.mark.parametrize("order", [(9, 10), (10, 9), (10, 10)])
    def test_keeps_the_newer_in_whatever_order_they_come(
        self, cache: ProfileCache, order: tuple[int, int]
    ) -> None:
        ana = new_id()
        for revision in order:
            cache.keep([card(revision, ana)])

        assert cache.find([ana])[ana].revision == 10

    def test_a_change_is_read_by_nobody_until_it_is_over(self, cache: ProfileCache) -> None:
        ana = new_id()
        cache.keep([card(1, ana)])

        token = cache.hold(ana)
        assert cache.find([ana]) == {}
        cache.keep([card(1, ana)])  # by somebody who read before the change
        cache.keep([card(2, ana)])
        assert cache.find([ana]) == {}

        cache.keep([card(2, ana)], token=token)
        assert cache.find([ana])[ana].revision == 2
        cache.keep([card(1, ana)])
        assert cache.find([ana])[ana].revision == 2

    def test_of_two_changes_the_one_that_began_last_counts(self, cache: ProfileCache) -> None:
        ana = new_id()
        first, second = cache.hold(ana), cache.hold(ana)

        cache.keep([card(1, ana)], token=first)  # the second may be in PostgreSQL already
        assert cache.find([ana]) == {}
        cache.keep([card(2, ana)], token=second)
        cache.keep([card(1, ana)], token=first)

        assert cache.find([ana])[ana].revision == 2


class TestRedis:
    def test_keeps_for_an_hour_and_holds_for_a_minute(self, client: Any) -> None:
        cache, ana = ProfileCache(client), card()
        cache.keep([ana])
        assert KEEP_SECONDS - 5 <= client.ttl(_profile(ana.id)) <= KEEP_SECONDS == 3600
        cache.hold(ana.id)
        assert HOLD_SECONDS - 5 <= client.ttl(_profile(ana.id)) <= HOLD_SECONDS

    def test_each_version_of_the_code_reads_its_own(
        self, client: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        cache, ana = ProfileCache(client), card()
        client.set(_profile(ana.id), '0 {"shape": "of another version"}')
        monkeypatch.setattr(cache_module, "SHAPE", SHAPE + 1)

        assert cache.find([ana.id]) == {}

    def test_the_cached_format_changes_only_with_its_version(self) -> None:
        fields = ["id", "username", "display_name", "about", "deleted", "revision"]

        assert (SHAPE, list(Card.model_fields)) == (1, fields)

    def test_each_call_is_one_round_trip_however_many_the_users(
        self, client: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        cache, cards = ProfileCache(client), [card() for _ in range(100)]
        cache.keep(cards)
        trips = RoundTrips(client, monkeypatch)

        assert len(cache.find([one.id for one in cards])) == 100
        assert trips.count == 1
        cache.keep(cards)
        assert trips.count == 2
        cache.hold(cards[0].id)
        assert trips.count == 3

    def test_no_command_has_keys_on_two_slots_of_a_cluster(
        self, client: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        cache = ProfileCache(client)
        slots = Slots(cache._scripts, monkeypatch)
        monkeypatch.setattr(client, "mget", None)

        cache.keep([card() for _ in range(50)])
        cache.find([new_id() for _ in range(50)])

        assert len(slots.of_each) == 50
        assert all(len(one) == 1 for one in slots.of_each)

    def test_an_unreachable_server_raises_unavailable(self) -> None:
        cache = ProfileCache(connect("redis://127.0.0.1:1"))
        calls: list[Callable[[], object]] = [
            lambda: cache.find([new_id()]),
            lambda: cache.hold(new_id()),
            lambda: cache.keep([card()]),
        ]
        for call in calls:
            with pytest.raises(Unavailable):
                call()


class Place:
    """The users' service on real servers; `users()` is another function's."""

    def __init__(self, postgres_url: str, redis_url: str) -> None:
        self._urls = migrated(postgres_url), redis_url
        self._opened: list[Postgres] = []
        self.redis = connect(redis_url)
        postgres = self._postgres()
        self.stores = Stores(*real(postgres))

    def users(self, redis_url: str | None = None) -> Users:
        client = connect(redis_url or self._urls[1])
        store, cache = real(self._postgres()).users, ProfileCache(client)
        return Users(store=store, cache=cache, names=ReservedNames)

    def close(self) -> None:
        for one in self._opened:
            one.close()

    def _postgres(self) -> Postgres:
        self._opened.append(Postgres(self._urls[0]))
        return self._opened[-1]


@pytest.fixture
def place(postgres_url: str, redis_url: str) -> Iterator[Place]:
    place = Place(postgres_url, redis_url)
    yield place
    place.close()


class TestReadThrough:
    def test_a_hundred_users_cost_one_look_at_each_server_and_then_one_at_redis(
        self, place: Place, statements: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ids = [place.stores.account(display_name=f"n{n}")[0].id for n in range(100)]
        users = place.users()
        for _ in range(2):  # both connections are open, and the script is loaded
            users.get(place.stores.account()[0].id)
        trips = RoundTrips(place.redis, monkeypatch)
        statements.clear()

        first = users.many(ids)
        assert (len(statements), trips.count) == (1, 2)  # looked, and kept
        again = users.many(ids)
        assert (len(statements), trips.count) == (1, 3)

        assert [one.display_name for one in again.items] == [f"n{n}" for n in range(100)]
        assert first == again
        assert users.get(ids[7]) == again.items[7]
        devices = Devices(store=place.stores.devices, users=users)
        assert devices.push_targets([], ids[:2]).names == {ids[0]: "n0", ids[1]: "n1"}
        assert (len(statements), trips.count) == (2, 5)  # one for devices

    def test_those_that_are_not_cached_are_asked_for_together(
        self, place: Place, statements: list[str]
    ) -> None:
        ids = [place.stores.account()[0].id for _ in range(4)]
        users = place.users()
        users.many(ids[:2])
        statements.clear()

        unknown = new_id()
        found = users.many([ids[3], unknown, *ids, ids[3]])

        assert [one.id for one in found.items] == [ids[3], ids[0], ids[1], ids[2]]
        assert len(statements) == 1

    def test_without_redis_postgres_answers(self, place: Place, statements: list[str]) -> None:
        ids = [place.stores.account()[0].id for _ in range(3)]
        users = place.users("redis://127.0.0.1:1")
        statements.clear()

        assert [one.id for one in users.many(ids).items] == ids
        assert users.get(ids[0]).display_name == "Ana"
        devices = Devices(store=place.stores.devices, users=users)
        assert devices.push_targets([], ids).names == dict.fromkeys(ids, "Ana")
        assert len(statements) == 4


class TestWriteThrough:
    def test_a_change_is_read_at_once_and_from_the_cache(
        self, place: Place, statements: list[str]
    ) -> None:
        user, _ = place.stores.account()
        users, others = place.users(), place.users()
        others.get(user.id)

        users.update(user.id, changes(display_name="Bo", about="new"))

        statements.clear()
        seen = others.get(user.id)
        assert (seen.display_name, seen.about) == ("Bo", "new")
        assert statements == []

    def test_without_redis_nothing_is_changed(self, place: Place) -> None:
        """An older profile would be read for an hour."""
        user, _ = place.stores.account()

        with pytest.raises(Unavailable):
            place.users("redis://127.0.0.1:1").update(user.id, changes(about="new"))

        assert place.users().get(user.id).about == ""

    def test_a_change_is_read_at_once_if_redis_fails_afterwards(
        self, place: Place, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        user, _ = place.stores.account()
        users, others = place.users(), place.users()
        others.get(user.id)

        def lost(*_: object, **__: object) -> None:
            raise Unavailable("redis")

        with monkeypatch.context() as patch:
            patch.setattr(ProfileCache, "keep", lost)
            users.update(user.id, changes(about="new"))

        assert others.get(user.id).about == "new"
        assert others.get(user.id).about == "new"

    def test_a_change_that_fails_hides_nothing(self, place: Place) -> None:
        user, _ = place.stores.account()
        users = place.users()
        users.get(user.id)

        with pytest.raises(UserNotFound):
            users.update(new_id(), changes(about="x"))
        with pytest.raises(ZeroDivisionError), users.changing(user.id):
            raise ZeroDivisionError

        assert users.get(user.id).display_name == "Ana"

    def test_a_deleted_user_is_dropped_and_shown_as_such(self, place: Place) -> None:
        user, _ = place.stores.account(display_name="Ana Mark")
        users, others = place.users(), place.users()
        others.get(user.id)

        with users.changing(user.id):
            assert "Ana Mark" not in str(place.redis.get(_profile(user.id)))
            place.stores.data.erase(user.id, NOW, checked="hash")

        seen = others.get(user.id)
        assert (seen.deleted, seen.username, seen.display_name) == (True, None, "Deleted user")
        kept = str(place.redis.get(_profile(user.id)))
        assert user.username not in kept
        assert "Ana Mark" not in kept


class TestRaces:
    def test_a_read_that_began_before_a_change_leaves_nothing_older(
        self, place: Place, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The reader has the old row in its hands while the whole change happens."""
        user, _ = place.stores.account()
        slow, writer, third = place.users(), place.users(), place.users()
        fresh = slow._fresh

        def read_then_wait(ids: Any) -> Any:
            found = fresh(ids)
            writer.update(user.id, changes(display_name="New"))
            return found

        monkeypatch.setattr(slow, "_fresh", read_then_wait)

        assert slow.get(user.id).display_name == "Ana"
        assert third.get(user.id).display_name == "New"

    def test_a_read_in_the_middle_of_a_change_leaves_nothing_older(
        self, place: Place, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        user, _ = place.stores.account()
        writer, reader = place.users(), place.users()
        update = writer._store.update

        def read_first(user_id: str, sent: Any) -> Any:
            assert reader.get(user.id).display_name == "Ana"
            return update(user_id, sent)

        monkeypatch.setattr(writer._store, "update", read_first)
        writer.update(user.id, changes(display_name="New"))

        assert reader.get(user.id).display_name == "New"

    def test_two_changes_that_overlap_leave_the_last(
        self, place: Place, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        user, _ = place.stores.account()
        first, second, reader = place.users(), place.users(), place.users()
        keep = first._keep

        def late(*given: Any, **named: Any) -> None:
            second.update(user.id, changes(display_name="Second"))
            keep(*given, **named)

        monkeypatch.setattr(first, "_keep", late)
        first.update(user.id, changes(display_name="First"))

        assert reader.get(user.id).display_name == "Second"

    def test_many_readers_and_writers_end_with_what_postgres_has(self, place: Place) -> None:
        user, _ = place.stores.account()
        all_users = [place.users() for _ in range(6)]
        ready = threading.Barrier(len(all_users))

        def work(number: int) -> list[int]:
            ready.wait(10)
            users, seen = all_users[number], []
            for step in range(30):
                if number < 2:
                    users.update(user.id, changes(about=f"{number} {step}"))
                elif (found := users._cards([user.id]).get(user.id)) is not None:
                    seen.append(found.revision)
            return seen

        with ThreadPoolExecutor(len(all_users)) as pool:
            results = list(pool.map(work, range(len(all_users))))

        (newest,) = place.stores.users.cards([user.id])
        assert newest.revision == 60
        assert all_users[5]._cards([user.id])[user.id] == newest
        assert all(len(seen) == 30 for seen in results[2:])
